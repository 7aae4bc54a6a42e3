"""There is always an active admin, whatever runs at the same time."""

import pytest
from sqlalchemy import text

from taskapi.database import Query
from taskapi.models.user import COUNT_ACTIVE_ADMINS
from tests.support.calls import at_once, call
from tests.support.client import GOOD

ROUNDS = 100  # of two requests each


def test_the_last_one_can_neither_go_nor_step_down(client, cast, admin, alice):
    path = f"/users/{admin.id}"
    sleeper = cast.admin("sleeper")
    assert client.patch(
        f"/users/{sleeper.id}", json={"is_active": False}, as_=admin
    ).status_code == (200)
    for answer in (
        client.patch(path, json={"role": "user"}, as_=admin),
        client.patch(path, json={"is_active": False}, as_=admin),
        client.patch(path, json={"role": "user", "is_active": False}, as_=admin),
        client.delete(path, as_=admin),
        client.delete(f"{path}?reassign_to={alice.id}", as_=admin),
        client.delete("/users/me", json={"current_password": admin.password}, as_=admin),
    ):
        assert answer.status_code == 409
        assert answer.get_json()["error"]["code"] == "CONFLICT"
    me = client.get("/users/me", as_=admin).get_json()
    assert (me["role"], me["is_active"], me["version"]) == ("admin", True, 1)


def test_with_another_one_each_may_go(client, cast, admin):
    cast.admin("second")
    body = {"current_password": admin.password}
    assert client.delete("/users/me", json=body, as_=admin).status_code == 204


@pytest.fixture
def two_admins(live_server, make_app, databases, secrets):
    """A live server, an application on its database, and how to make two admins afresh."""
    database = databases.fresh()
    server = live_server(DATABASE_URL=database, WEB_THREADS="8", DATABASE_POOL_SIZE="8")
    app = make_app(DATABASE_URL=database)
    runner = app.test_cli_runner()

    def make(number):
        made = []
        for name in (f"left-{number}", f"right-{number}"):
            body = {"username": name, "password": GOOD}
            answer = call(server.url, "POST", "/auth/register", body).json
            secrets.learn(answer)
            assert runner.invoke(args=["users", "promote", name]).exit_code == 0
            made.append((answer["user"]["id"], answer["access_token"]))
        # Only these two: whoever was left over steps down, and their sessions stay.
        with app.app_context():
            Query(text("UPDATE users SET role = 'user' WHERE id < :id")).run(id=made[0][0])
        return made

    def count():
        with app.app_context():
            return COUNT_ACTIVE_ADMINS.value()

    return server.url, make, count


@pytest.mark.parametrize("how", ["demote", "disable", "delete", "step down", "mixed"])
def test_two_that_unmake_each_other_never_leave_none(two_admins, how):
    url, make, count = two_admins
    statuses = []
    for number in range(ROUNDS // 5):
        (left, left_token), (right, right_token) = make(number)
        kind = ("demote", "disable", "delete")[number % 3] if how == "mixed" else how

        def act(target, token, kind=kind):
            if kind == "delete":
                return lambda: call(url, "DELETE", f"/users/{target}", token=token).status
            body = {"is_active": False} if kind == "disable" else {"role": "user"}
            return lambda: call(url, "PATCH", f"/users/{target}", body, token=token).status

        pairs = [(right, left_token), (left, right_token)]
        if how == "step down":
            pairs = [(left, left_token), (right, right_token)]
        got = at_once([act(*pairs[0]), act(*pairs[1]), act(*pairs[0]), act(*pairs[1])])
        assert count() == 1, (number, got)
        statuses += got
    assert set(statuses) <= {200, 204, 401, 403, 404, 409}
    assert {200, 204} & set(statuses)
