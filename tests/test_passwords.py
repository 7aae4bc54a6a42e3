"""Passwords: rules, hashes, changes and resets."""

import time
from datetime import UTC, datetime
from functools import partial

import bcrypt
import pytest

from tests.support.calls import at_once
from tests.support.client import GOOD, code_of, login
from tests.support.rows import ago

OTHER = "Orchard-by-9-hills"


def register(client, password, **names):
    body = {**(names or {"username": "ana"}), "password": password}
    return client.post("/auth/register", json=body)


def change(client, person, new=OTHER, **more):
    body = {"current_password": person.password, "new_password": new, **more}
    return client.post("/auth/password", json=body, as_=person)


def reset_token(client, admin, user):
    answer = client.post(f"/users/{user.id}/reset-token", as_=admin)
    assert answer.status_code == 201
    return answer.get_json()


def reset(client, token, password=OTHER):
    return client.post("/auth/password/reset", json={"token": token, "new_password": password})


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_weak_passwords_are_rejected_everywhere(client, alice, admin):
    token = reset_token(client, admin, alice)["token"]
    common = ["Password1", "PASSWORD1", "pAssword1", "Qwerty123", "Passw0rd", "Welcome1"]
    for password in (
        *("Short-1", "lantern-and-7-rivers", "Lantern-and-rivers", "12-34-56-7890"),
        *("A1" + "x" * 255, "       ", *common),
    ):
        new = {"username": "new", "password": password}
        attempts = {
            "password": [
                client.post("/auth/register", json=new),
                client.post("/users", json=new, as_=admin),
                client.patch(f"/users/{alice.id}", json={"password": password}, as_=admin),
            ],
            "new_password": [change(client, alice, password), reset(client, token, password)],
        }
        for field, answers in attempts.items():
            for answer in answers:
                assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
                assert answer.get_json()["error"]["details"].keys() == {field}, password
    assert login(client, "alice", alice.password).status_code == 200
    assert reset(client, token).status_code == 204, "a refused password uses no token up"


@pytest.mark.sqlite
def test_password_must_not_be_the_username(client, alice, admin):
    for names in (
        {"username": "Lantern-7-ana"},
        {"username": "lantern-7-ANA"},
        {"username": "ana", "email": "Lantern-7-ana@example.org"},
    ):
        assert register(client, "Lantern-7-Ana", **names).status_code == 400
    for name in ("Lantern7@example.org", "lantern7@EXAMPLE.org"):
        assert register(client, "Lantern7@example.org", email=name).status_code == 400
    body = {"username": "Lantern-7-ana", "password": "Lantern-7-Ana"}
    assert client.patch(f"/users/{alice.id}", json=body, as_=admin).status_code == 400
    assert client.get(f"/users/{alice.id}", as_=admin).get_json()["username"] == "alice"


@pytest.mark.sqlite
def test_every_character_of_a_long_password_counts(client):
    for number, password in enumerate(
        (
            "A1" + "x" * 71,  # 73 bytes
            "A1" + "x" * 254,
            "Ä1" + "\U0001f600" * 254,  # 256 characters, over 1,000 bytes
            "Ж1" + "ж" * 6,
            "A1 with spaces in it ",
            " A1 before",
            "A1\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9",
            "A1\"\\'`;--%_<>{}",
            "A1\ttab\nand line",
        )
    ):
        name = f"ana-{number}"
        assert register(client, password, username=name).status_code == 201
        assert login(client, name, password).status_code == 200
        for wrong in (password[:-1], password + "x", password.strip() + "x", password[:-1] + "ß"):
            if len(wrong) <= 256:
                assert login(client, name, wrong).status_code == 401, wrong
    first = "A1" + "x" * 70  # bcrypt alone ignores everything after 72 bytes
    assert register(client, first + "-one").status_code == 201
    for end, status in (("-two", 401), ("", 401), ("-one", 200)):
        assert login(client, "ana", first + end).status_code == status
    answer = register(client, "A1xxxxxx\x00yyy", username="nul")
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")


@pytest.mark.sqlite
def test_minimum_length_can_be_raised(make_app, make_client):
    strict = make_client(make_app(PASSWORD_MIN_LENGTH="12"))
    assert register(strict, "Lantern-7-a").status_code == 400
    assert register(strict, "Lantern-7-ab").status_code == 201


@pytest.mark.sqlite
def test_stored_hash_is_bcrypt_with_configured_cost(rows, make_app, make_client, client, cast):
    ana = cast.user("ana", password=GOOD)
    costlier = make_client(make_app(BCRYPT_ROUNDS="5"))
    for at, password, status, kept in (
        (client, GOOD, 200, "$2b$04$"),
        (costlier, "Wrong-1-password", 401, "$2b$04$"),
        (costlier, GOOD, 200, "$2b$05$"),  # rehashed at login
        (costlier, GOOD, 200, "$2b$05$"),
        (client, GOOD, 200, "$2b$04$"),
    ):
        assert login(at, "ana", password).status_code == status
        assert rows.value("SELECT password_hash FROM users").startswith(kept)
    assert change(costlier, ana).status_code == 204, "the cost changed since the last login"
    assert login(costlier, "ana", OTHER).status_code == 200


# --- changing it --------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_change_password(client, alice):
    assert change(client, alice).status_code == 204
    assert login(client, "alice", alice.password).status_code == 401
    assert login(client, "alice", OTHER).status_code == 200


@pytest.mark.sqlite
def test_invalid_changes(client, alice):
    good = {"current_password": alice.password, "new_password": OTHER}
    for body in (
        {},
        {"current_password": alice.password},
        {"new_password": OTHER},
        good | {"current_password": None},
        good | {"foo": 1},
        good | {"new_password": 12345678},
    ):
        answer = client.post("/auth/password", json=body, as_=alice)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), body
    wrong = {"current_password": "Wrong-1-password"}
    for answer in (
        client.post("/auth/password", json=good | wrong, as_=alice),
        client.patch("/users/me", json=wrong | {"username": "ana"}, as_=alice),
        client.delete("/users/me", json=wrong, as_=alice),
    ):
        assert answer.status_code == 400
        assert answer.get_json()["error"]["details"].keys() == {"current_password"}
    assert client.get("/users/me", as_=alice).get_json()["username"] == "alice"


# --- resetting it -------------------------------------------------------------------------------


def test_reset_token_works_once_for_an_hour(rows, client, alice, admin):
    replaced = reset_token(client, admin, alice)["token"]
    made = reset_token(client, admin, alice)
    assert made.keys() == {"token", "expires_at"}
    lives = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 3590 < lives.total_seconds() <= 3600
    assert made["token"][:10] not in str(rows.one("SELECT * FROM password_resets"))
    assert reset(client, replaced).status_code == 400, "a new token replaces the one before"
    assert client.get("/users/me", as_=made["token"]).status_code == 401, "it opens nothing else"
    answer = client.post("/auth/refresh", json={"refresh_token": made["token"]})
    assert answer.status_code == 401

    assert reset(client, made["token"]).status_code == 204
    assert login(client, "alice", alice.password).status_code == 401
    assert login(client, "alice", OTHER).status_code == 200

    late = reset_token(client, admin, alice)["token"]
    rows.run("UPDATE password_resets SET expires_at = :t", t=ago(seconds=1))
    for token in (made["token"], late):
        answer = reset(client, token, "Another-7-one")
        assert answer.status_code == 400
        assert answer.get_json()["error"]["details"].keys() == {"token"}


@pytest.mark.sqlite
def test_invalid_reset_tokens(client, alice):
    for token in ("", "x", "x" * 200, "x" * 201, None, 5, "tsk_x", "\u00e9", alice.token):
        answer = reset(client, token)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), token


def test_concurrent_uses_of_a_reset_token(app, make_client, client, alice, admin):
    token = reset_token(client, admin, alice)["token"]
    acts = [partial(reset, make_client(app), token, f"{OTHER}-{number}") for number in range(10)]
    statuses = [answer.status_code for answer in at_once(acts)]
    assert sorted(statuses) == [204] + [400] * 9
    assert login(client, "alice", f"{OTHER}-{statuses.index(204)}").status_code == 200


# --- timing -------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_login_time_is_independent_of_the_reason(make_app, make_client, client, cast, admin):
    """The logins are interleaved, so that other load affects all of them."""
    slow = make_client(make_app(BCRYPT_ROUNDS="8"))
    for look in range(5):  # retry, because other load may disturb one measurement
        names = [f"{name}-{look}" for name in ("here", "gone", "nobody")]
        for name in names[:2]:
            made = register(slow, GOOD, username=name).get_json()["user"]
        off = client.patch(f"/users/{made['id']}", json={"is_active": False}, as_=admin)
        assert off.status_code == 200
        times: dict[str, list[float]] = {name: [] for name in names}
        for number in range(30):
            for name in sorted(names, key=lambda name: (number + ord(name[0])) % 3):
                environ = {"REMOTE_ADDR": f"192.0.2.{number + 1}"}
                body = {"username": name, "password": "Wrong-1-password"}
                started = time.perf_counter()
                answer = slow.post("/auth/login", json=body, environ_overrides=environ)
                times[name].append(time.perf_counter() - started)
                assert answer.status_code == 401
        medians = {name: sorted(each)[len(each) // 2] for name, each in times.items()}
        if max(medians.values()) <= 1.1 * min(medians.values()):
            return
    raise AssertionError(f"told apart by time: {medians}")


def test_wrong_password_takes_as_long_as_unknown_name(
    make_app, make_client, client, cast, monkeypatch
):
    """Also if the hash has fewer rounds than BCRYPT_ROUNDS."""
    cast.user("ana", password=GOOD)
    costlier = make_client(make_app(BCRYPT_ROUNDS="7"))
    spent = []
    check = bcrypt.checkpw

    def counted(password, known):
        spent.append(2 ** int(known.split(b"$")[2]))
        return check(password, known)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    for name in ("ana", "nobody", "ana"):
        spent.clear()
        assert login(costlier, name, "Wrong-1-password").status_code == 401
        assert sum(spent) == 2**7, name
        login(costlier, "ana", GOOD)  # rehashes the password with the new cost
