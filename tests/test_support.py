"""Helpers of other tests."""

from tests.support.secrets import Secrets


def test_logged_secrets_are_detected():
    secrets = Secrets()
    secrets.learn({"username": "ana@example.org", "password": "Lantern-4-seen"})
    secrets.learn({"results": [{"access_token": "an-access-token"}, None, 3]})
    secrets.learn({"refresh_token": "x" * 43})
    secrets.learn({"username": "Just-a-name-1", "password": "Just-a-name-1"})

    leaks = [
        "POST with Lantern-4-seen",
        "bearer an-access-token",
        f"within-another-word-{'x' * 43}-of-its-kind",
        "tsk_" + "x" * 40,
        "whsec_" + "x" * 32,
        "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    ]
    harmless = [
        "x" * 42,
        "ana@example.org signed in",
        "Just-a-name-1",
        "token tsk_3fA9 was used",
        "eyJust",
    ]

    assert secrets.found_in("\n".join(leaks + harmless)) == leaks


def test_short_passwords_are_ignored():
    secrets = Secrets()
    secrets.learn({"password": "a"})
    assert not secrets
