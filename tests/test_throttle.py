"""Failed logins: counted in the database, per account and address, before the hash."""

import pytest
from sqlalchemy import select, text

from taskapi.database import Query
from taskapi.models.throttle import accounts
from taskapi.moments import ago
from tests.support.calls import at_once, call
from tests.support.client import GOOD


@pytest.fixture
def login(client):
    def attempt(name, password="Wrong-1-password", address="192.0.2.1", kind="username"):
        return client.post(
            "/auth/login",
            json={kind: name, "password": password},
            environ_overrides={"REMOTE_ADDR": address},
        )

    return attempt


@pytest.fixture
def bob(cast):
    return cast.user("bob", email="bob@example.org", password=GOOD)


def statuses(attempt, count):
    return [attempt().status_code for _ in range(count)]


def test_after_ten_not_even_the_right_password(login, bob):
    assert statuses(lambda: login("bob"), 10) == [401] * 10
    for password in ("Wrong-1-password", GOOD):
        answer = login("bob", password)
        assert answer.status_code == 429
        assert answer.get_json()["error"]["code"] == "RATE_LIMITED"
        assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    assert login("bob", GOOD, address="192.0.2.2").status_code == 200, "from elsewhere"


def test_however_it_is_spelt(login, bob):
    names = ["bob", "BOB", " bob ", "bob@example.org", "Bob@Example.Org", "\uff42ob@example.org"]
    got = [
        login(names[number % 6], kind=("username", "email")[number % 2]).status_code
        for number in range(12)
    ]
    assert got == [401] * 10 + [429] * 2


def test_a_name_without_an_account_behaves_alike(login):
    assert statuses(lambda: login("nobody"), 11) == [401] * 10 + [429]
    assert login("NOBODY").status_code == 429
    assert login("nobody-else").status_code == 401


def test_the_form_counts_too(client, login, bob):
    form = {"username": "bob", "password": "Wrong-1-password"}
    for _ in range(10):
        client.post("/auth/login", data=form, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert login("bob").status_code == 429


def test_a_success_resets_the_count(login, bob):
    for _ in range(3):
        assert statuses(lambda: login("bob"), 9) == [401] * 9
        assert login("bob", GOOD).status_code == 200


def test_it_passes_after_fifteen_minutes(app, login, bob):
    statuses(lambda: login("bob"), 10)
    for minutes, status in ((14, 429), (16, 200)):
        with app.app_context():
            Query(text("UPDATE login_failures SET at = :t")).run(t=ago(minutes=minutes))
        assert login("bob", GOOD).status_code == status


def test_a_429_counts_for_nothing(app, login, bob):
    statuses(lambda: login("bob"), 20)
    with app.app_context():
        assert Query(text("DELETE FROM login_failures")).run() == 10


@pytest.fixture
def under_attack(app, login, bob):
    """A hundred failures in a row for bob, each address below its own limit."""
    for number in range(100):
        assert login("bob", address=f"198.51.100.{number}").status_code == 401


def test_after_a_hundred_only_known_addresses_are_tried(login, bob, under_attack):
    assert login("bob", GOOD, address="203.0.113.1").status_code == 429
    assert login("bob", GOOD, address="127.0.0.1").status_code == 200, "where bob registered"
    assert login("bob", GOOD, address="203.0.113.1").status_code == 200, "a success resets it"


def test_a_known_address_is_known_for_thirty_days(app, login, bob, under_attack):
    for days, status in ((31, 429), (29, 200)):
        with app.app_context():
            Query(text("UPDATE sessions SET created_at = :t")).run(t=ago(days=days))
        assert login("bob", GOOD, address="127.0.0.1").status_code == status


def test_the_siege_ends_fifteen_minutes_after_the_last_failure(app, login, bob, under_attack):
    for minutes, status in ((14, 429), (16, 200)):
        with app.app_context():
            Query(text("UPDATE login_accounts SET last_failure_at = :t")).run(
                t=ago(minutes=minutes)
            )
        assert login("bob", GOOD, address="203.0.113.1").status_code == status


def test_enable_clears_both(app, login, bob, under_attack):
    statuses(lambda: login("bob", address="127.0.0.1"), 10)
    assert login("bob", GOOD, address="127.0.0.1").status_code == 429
    assert app.test_cli_runner().invoke(args=["users", "enable", "bob"]).exit_code == 0
    for address in ("127.0.0.1", "203.0.113.1"):
        assert login("bob", GOOD, address=address).status_code == 200


def test_one_accounts_trouble_is_not_anothers(login, bob, alice):
    statuses(lambda: login("bob"), 10)
    assert login("alice", alice.password).status_code == 200


def test_purging_keeps_what_counts(app, login, bob):
    statuses(lambda: login("bob"), 10)
    app.test_cli_runner().invoke(args=["purge"])
    assert login("bob", GOOD).status_code == 429


def test_names_are_kept_as_digests(app, login):
    """What was typed as a name may be a password."""
    login("My-secret-password-7")
    with app.app_context():
        assert "secret" not in str(Query(select(accounts)).all()).casefold()


def test_parallel_guesses_do_not_slip_through(live_server, secrets):
    url = live_server(WEB_THREADS="16", DATABASE_POOL_SIZE="16").url
    body = {"username": "ana", "password": GOOD}
    secrets.learn(call(url, "POST", "/auth/register", body).json)
    guess = {"username": "ana", "password": "Wrong-1-password"}
    answers = at_once([lambda: call(url, "POST", "/auth/login", guess)] * 40)
    assert sorted(answer.status for answer in answers) == [401] * 10 + [429] * 30
    assert call(url, "POST", "/auth/login", body).status == 429
