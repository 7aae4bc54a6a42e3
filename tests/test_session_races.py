"""At the same moment: refreshes, thefts, sign-outs and registrations, on real threads."""

from tests.support.calls import at_once, call
from tests.support.client import GOOD

THREADS = {"WEB_THREADS": "16", "DATABASE_POOL_SIZE": "16"}


def register(url, name, secrets):
    answer = call(url, "POST", "/auth/register", {"username": name, "password": GOOD})
    assert answer.status == 201, answer.text
    secrets.learn(answer.json)
    return answer.json


def test_twenty_uses_of_one_refresh_token_at_once(live_server, secrets):
    url = live_server(**THREADS).url
    first = register(url, "ana", secrets)
    body = {"refresh_token": first["refresh_token"]}
    answers = at_once([lambda: call(url, "POST", "/auth/refresh", body)] * 20)
    assert [answer.status for answer in answers] == [200] * 20
    (successor,) = {answer.json["refresh_token"] for answer in answers}
    assert successor.split(".")[1] == "2", "one rotation"
    for answer in answers:
        assert call(url, "GET", "/users/me", token=answer.json["access_token"]).status == 200
    third = call(url, "POST", "/auth/refresh", {"refresh_token": successor})
    assert third.json["refresh_token"].split(".")[1] == "3"
    assert call(url, "POST", "/auth/refresh", body).status == 401, "a grandparent"
    assert call(url, "GET", "/users/me", token=third.json["access_token"]).status == 401


def test_a_thief_and_the_owner_at_once_leave_one_line_of_tokens_or_none(live_server, secrets):
    url = live_server(**THREADS).url
    for number in range(5):
        first = register(url, f"ana-{number}", secrets)
        second = call(url, "POST", "/auth/refresh", {"refresh_token": first["refresh_token"]}).json
        third = call(url, "POST", "/auth/refresh", {"refresh_token": second["refresh_token"]}).json

        def use(token):
            return lambda: call(url, "POST", "/auth/refresh", {"refresh_token": token}).status

        old, new = first["refresh_token"], third["refresh_token"]
        statuses = at_once([use(old), use(new), use(old), use(new)])
        assert statuses[0] == statuses[2] == 401
        assert call(url, "GET", "/users/me", token=third["access_token"]).status == 401


def test_logout_beats_refreshes_that_run_beside_it(live_server, secrets):
    url = live_server(**THREADS).url
    for number in range(5):
        first = register(url, f"ana-{number}", secrets)
        body = {"refresh_token": first["refresh_token"]}
        acts = [lambda body=body: call(url, "POST", "/auth/refresh", body)] * 6
        acts.append(
            lambda first=first: call(url, "POST", "/auth/logout", token=first["access_token"])
        )
        answers = at_once(acts)
        assert answers[-1].status == 204
        assert {answer.status for answer in answers[:-1]} <= {200, 401}
        assert call(url, "GET", "/users/me", token=first["access_token"]).status == 401
        for answer in answers[:-1]:
            if answer.status == 200:
                token = answer.json["access_token"]
                assert call(url, "GET", "/users/me", token=token).status == 401


def test_fifty_registrations_of_one_email(live_server, secrets):
    url = live_server(**THREADS).url
    spellings = ["ana@example.org", "ANA@example.org", "Ana@Example.Org", "\uff41na@example.org"]

    def attempt(number):
        body = {"email": spellings[number % 4], "password": GOOD}
        return lambda: call(url, "POST", "/auth/register", body)

    answers = at_once([attempt(number) for number in range(50)])
    statuses = sorted(answer.status for answer in answers)
    for answer in answers:
        secrets.learn(answer.json)
    assert statuses == [201] + [409] * 49
    assert {answer.json["error"]["code"] for answer in answers if answer.status == 409} == {
        "CONFLICT"
    }
