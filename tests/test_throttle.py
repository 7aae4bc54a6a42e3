"""Brute-force protection."""

from functools import partial

import pytest

from tests.support.calls import at_once
from tests.support.client import GOOD, code_of
from tests.support.rows import ago

WRONG = "Wrong-1-password"


def attempt(client, name, password=WRONG, address="192.0.2.1", kind="username"):
    return client.post(
        "/auth/login",
        json={kind: name, "password": password},
        environ_overrides={"REMOTE_ADDR": address},
    )


@pytest.fixture
def login(client):
    return partial(attempt, client)


@pytest.fixture
def bob(cast):
    return cast.user("bob", email="bob@example.org", password=GOOD)


@pytest.fixture
def fail(login):
    """`fail(10)` makes failed login attempts from one address."""

    def run(count, **options):
        assert [login("bob", **options).status_code for _ in range(count)] == [401] * count

    return run


def test_right_password_is_rejected_after_ten_failures(login, bob, alice, fail):
    fail(10)
    for password in (WRONG, GOOD):
        answer = login("bob", password)
        assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMITED")
        assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    assert login("alice", alice.password).status_code == 200, "another account"
    assert login("bob", GOOD, address="192.0.2.2").status_code == 200, "from elsewhere"


def test_spelling_of_the_name_does_not_matter(login, bob):
    names = ["bob", "BOB", " bob ", "bob@example.org", "Bob@Example.Org", "\uff42ob@example.org"]
    got = [
        login(names[number % 6], kind=("username", "email")[number % 2]).status_code
        for number in range(12)
    ]
    assert got == [401] * 10 + [429] * 2


@pytest.mark.sqlite
def test_unknown_names_behave_the_same(login):
    assert [login("nobody").status_code for _ in range(11)] == [401] * 10 + [429]
    assert login("NOBODY").status_code == 429
    assert login("nobody-else").status_code == 401


@pytest.mark.sqlite
def test_ipv6_addresses_count_by_network(login, fail, bob):
    for number in range(10):
        fail(1, address=f"2001:db8:1:2::{number + 1:x}")
    assert login("bob", GOOD, address="2001:db8:1:2:ffff::1").status_code == 429
    assert login("bob", GOOD, address="2001:db8:1:3::1").status_code == 200


@pytest.mark.sqlite
def test_the_form_and_the_current_password_count_too(client, login, bob):
    form = {"username": "bob", "password": WRONG}
    for _ in range(10):
        client.post("/auth/login", data=form, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert login("bob").status_code == 429
    body = {"current_password": WRONG, "new_password": "Orchard-by-9-hills"}
    statuses = [client.post("/auth/password", json=body, as_=bob).status_code for _ in range(11)]
    assert statuses == [400] * 10 + [429]


def test_a_success_resets_the_count(login, bob, fail):
    for _ in range(3):
        fail(9)
        assert login("bob", GOOD).status_code == 200


def test_block_ends_after_15_minutes(app, rows, login, bob, fail):
    fail(10)
    for _ in range(5):
        assert login("bob").status_code == 429
    assert app.test_cli_runner().invoke(args=["purge"]).exit_code == 0
    for minutes, status in ((14, 429), (16, 200)):
        # Attempts with a 429 are not counted.
        assert rows.run("UPDATE login_failures SET at = :t", t=ago(minutes=minutes)) == 10
        assert login("bob", GOOD).status_code == status


@pytest.fixture
def under_attack(rows, bob, fail):
    """Make 100 failed logins of bob from ten addresses."""
    for number in range(10):
        fail(10, address=f"198.51.100.{number}")


def test_known_addresses_are_allowed_after_100_failures(rows, login, bob, under_attack):
    assert login("bob", GOOD, address="203.0.113.1").status_code == 429
    for days, status in ((31, 429), (29, 200)):
        rows.run("UPDATE sessions SET created_at = :t", t=ago(days=days))
        assert login("bob", GOOD, address="127.0.0.1").status_code == status, "where he registered"
    assert login("bob", GOOD, address="203.0.113.1").status_code == 200, "a success resets it"


@pytest.mark.sqlite
def test_known_ipv6_networks(rows, login, bob, under_attack):
    rows.run("UPDATE sessions SET address = '2001:db8:1:2::7'")
    assert login("bob", GOOD, address="2001:db8:1:3::7").status_code == 429
    assert login("bob", GOOD, address="2001:db8:1:2:ffff::1").status_code == 200


@pytest.mark.sqlite
def test_account_block_ends_15_minutes_after_the_last_failure(rows, login, bob, under_attack):
    for minutes, status in ((14, 429), (16, 200)):
        rows.run("UPDATE login_accounts SET last_failure_at = :t", t=ago(minutes=minutes))
        assert login("bob", GOOD, address="203.0.113.1").status_code == status


@pytest.mark.sqlite
def test_enable_resets_both_counts(app, login, bob, under_attack, fail):
    assert login("bob", GOOD, address="198.51.100.0").status_code == 429
    assert login("bob", GOOD, address="203.0.113.1").status_code == 429
    assert app.test_cli_runner().invoke(args=["users", "enable", "bob"]).exit_code == 0
    fail(1, address="198.51.100.0")
    assert login("bob", GOOD, address="198.51.100.0").status_code == 200
    assert login("bob", GOOD, address="203.0.113.1").status_code == 200


@pytest.mark.sqlite
def test_names_are_stored_as_digests(rows, login):
    """Users may enter their password as the name."""
    login("My-secret-password-7")
    for table in ("login_accounts", "login_failures", "events"):
        stored = rows.all(f"SELECT * FROM {table}")
        assert stored
        assert "secret" not in str(stored).casefold()


def test_concurrent_guesses_are_counted(app, make_client, bob, login):
    guesses = [partial(attempt, make_client(app), "bob") for _ in range(24)]
    statuses = sorted(answer.status_code for answer in at_once(guesses))
    assert statuses == [401] * 10 + [429] * 14
    assert login("bob", GOOD).status_code == 429
