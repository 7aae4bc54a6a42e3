"""Refresh tokens: what is forged opens nothing, and ends nothing either."""

import pytest

from tests.support.forging import of_refresh


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "..",
        "1.1.",
        "1.1",
        "a.b.c",
        "1.1.1.1",
        "-1.1.x",
        "1.-1.x",
        "\uff11.1.x",
        "0.0.x",
        of_refresh("1", "1"),
        of_refresh("9" * 19, "1"),
        of_refresh("1", "9" * 100),
        of_refresh("1", "9" * 30),
    ],
)
def test_forged_refresh_tokens(client, alice, token):
    for answer in (
        client.post("/auth/refresh", json={"refresh_token": token}),
        client.post("/auth/logout", json={"refresh_token": token}),
    ):
        assert answer.status_code == 401, token
        assert answer.get_json()["error"]["code"] == "INVALID_TOKEN"
    assert client.get("/users/me", as_=alice).status_code == 200


def test_a_forged_refresh_token_of_any_length_as_bearer(client):
    for token in ("1." + "9" * 20_000 + ".x", "9" * 20_000 + ".1.x", "1.1." + "x" * 40_000):
        answer = client.post("/auth/refresh", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer.get_json()["error"]["code"] == "INVALID_TOKEN"


def test_somebody_elses_numbers_with_ones_own_signature(client, alice, bob):
    number, generation, _ = alice.refresh_token.split(".")
    _, _, signature = bob.refresh_token.split(".")
    for token in (f"{number}.{generation}.{signature}", f"{number}.2.{signature}"):
        assert client.post("/auth/refresh", json={"refresh_token": token}).status_code == 401
    assert client.get("/users/me", as_=alice).status_code == 200, "a forgery must not end it"
