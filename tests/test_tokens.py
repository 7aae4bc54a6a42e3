"""Access tokens: what they hold, and that nothing else passes for one."""

import base64
import json
import time
from typing import Any

import pytest

from tests.support.forging import claims_of, decoded, encoded, resigned, signed

HEADER = {"alg": "HS256", "typ": "JWT"}
OTHER_KEY = "another-key-that-is-long-enough-for-HS256"
NOT_A_NUMBER = ["", "1e3", "1.5", "abc", [1], {"a": 1}, None, True, False, -1, 2**80]


@pytest.fixture
def secret(app):
    return app.extensions["settings"].secret_keys[0]


def refused(client, token, code="INVALID_TOKEN", **headers):
    answer = client.get("/users/me", headers=headers or {"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401, token
    error = answer.get_json()["error"]
    assert error["code"] == code, (token, error)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.get_json()["detail"] == error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]


def test_an_access_token_says_who_where_and_until_when(app, client, alice):
    header, claims = decoded(alice.token.split(".")[0]), claims_of(alice.token)
    assert header == HEADER
    assert claims.keys() >= {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "type"}
    assert (claims["sub"], claims["type"]) == (str(alice.id), "access")
    assert claims["exp"] - claims["iat"] == 30 * 60
    assert not {"role", "is_admin", "is_active", "password"} & claims.keys()


def test_no_two_tokens_are_alike(client, cast, alice):
    second = cast.sign_in("alice", alice.password)
    assert claims_of(second.token)["jti"] != claims_of(alice.token)["jti"]


@pytest.mark.parametrize("word", ["none", "None", "NONE", "nOnE", "", None, 0, [], {}, "HS1"])
@pytest.mark.parametrize("signature", ["", "cut", "kept"])
def test_no_algorithm_but_ours(client, alice, word, signature):
    _, payload, kept = alice.token.split(".")
    header = encoded(json.dumps({"alg": word, "typ": "JWT"}).encode())
    end = {"": "", "cut": kept[:-2], "kept": kept}[signature]
    refused(client, f"{header}.{payload}.{end}")


@pytest.mark.parametrize(
    ("algorithm", "hash_name"),
    [
        ("HS384", "sha384"),
        ("HS512", "sha512"),
        ("RS256", "sha256"),
        ("ES256", "sha256"),
        ("PS256", "sha256"),
        ("hs256", "sha256"),
        ("HS256 ", "sha256"),
    ],
)
def test_the_right_secret_with_another_algorithm(client, alice, secret, algorithm, hash_name):
    header = {"alg": algorithm, "typ": "JWT"}
    refused(client, signed(header, claims_of(alice.token), secret, hash_name))


@pytest.mark.parametrize("key", ["", " ", "secret", OTHER_KEY, "null"])
def test_another_key(client, alice, key):
    refused(client, resigned(alice.token, key))


@pytest.mark.parametrize("in_place", ["public key", "token", "payload"])
def test_keys_that_the_sender_knows(client, alice, in_place):
    known = {
        "public key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ\n-----END PUBLIC KEY-----",
        "token": alice.token,
        "payload": alice.token.split(".")[1],
    }
    refused(client, resigned(alice.token, known[in_place]))


@pytest.mark.parametrize(
    "more",
    [
        {"kid": "1"},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"jku": "https://example.org/keys.json"},
        {"x5u": "https://example.org/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": encoded(OTHER_KEY.encode())}},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=str,
)
def test_a_header_chooses_nothing(client, alice, secret, more):
    for key in (secret, OTHER_KEY):
        refused(client, signed(HEADER | more, claims_of(alice.token), key))


@pytest.mark.parametrize("header", [[], "HS256", None, 1, {}, {"typ": "JWT"}], ids=str)
def test_a_header_that_is_none(client, alice, secret, header):
    refused(client, signed(header, claims_of(alice.token), secret))


@pytest.mark.parametrize("claims", [[], "alice", None, 1, {}], ids=str)
def test_claims_that_are_none(client, secret, claims):
    refused(client, signed(HEADER, claims, secret))


@pytest.mark.parametrize("payload", ["", "{", "not json", '{"exp": Infinity}', "[["])
def test_a_payload_that_is_no_json(client, secret, payload):
    refused(client, signed(HEADER, None, secret, raw_claims=payload))


@pytest.mark.parametrize(
    "name", ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "type"], ids=str
)
def test_every_claim_is_required(client, alice, secret, name):
    refused(client, resigned(alice.token, secret, without=name))
    nothing: dict[str, Any] = {name: None}
    refused(client, resigned(alice.token, secret, **nothing))


@pytest.mark.parametrize("name", ["iat", "nbf", "exp", "sid"])
@pytest.mark.parametrize("value", NOT_A_NUMBER, ids=str)
def test_numbers_are_numbers(client, alice, secret, name, value):
    token = resigned(alice.token, secret, **{name: value})
    is_past = name == "exp" and value in (-1, True, False)
    if name in ("iat", "nbf") and value == -1:
        assert client.get("/users/me", as_=token).status_code == 200  # long ago, and signed by us
    else:
        refused(client, token, "TOKEN_EXPIRED" if is_past else "INVALID_TOKEN")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "9" * 400, "1" * 5000])
@pytest.mark.parametrize("name", ["iat", "nbf", "exp", "sid"])
def test_numbers_beyond_all_measure(client, alice, secret, name, number):
    raw = json.dumps(claims_of(alice.token) | {name: "HERE"}).replace('"HERE"', number)
    answer = client.get("/users/me", as_=signed(HEADER, None, secret, raw_claims=raw))
    assert answer.status_code == 401
    assert answer.get_json()["error"]["code"] in ("INVALID_TOKEN", "TOKEN_EXPIRED")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("iss", ["", "other", ["taskapi"], 1, {}]),
        ("aud", ["", "other", [], ["other"], 1, {}]),
        ("type", ["refresh", "", "Access", 1, ["access"]]),
        ("jti", [1, [], {}]),
        (
            "sub",
            [
                "",
                "0x1",
                "-1",
                " 1",
                "1 ",
                "1.0",
                1,
                ["1"],
                {"id": 1},
                "9" * 30,
                "1" * 5000,
                "\u0661",
            ],
        ),
    ],
)
def test_wrong_claims(client, alice, secret, name, values):
    for value in values:
        refused(client, resigned(alice.token, secret, **{name: value}))


def test_another_users_name_in_ones_own_session_opens_nothing(client, alice, bob, secret):
    refused(client, resigned(alice.token, secret, sub=str(bob.id)), "TOKEN_REVOKED")
    refused(client, resigned(alice.token, secret, sid=2**62), "TOKEN_REVOKED")


def test_times(client, alice, secret):
    now = int(time.time())
    refused(client, resigned(alice.token, secret, exp=now - 1), "TOKEN_EXPIRED")
    refused(client, resigned(alice.token, secret, nbf=now + 60))
    refused(client, resigned(alice.token, secret, iat=now + 60))
    assert client.get("/users/me", as_=resigned(alice.token, secret, exp=now + 60)).status_code == (
        200
    )


def test_a_token_that_was_used_before_still_expires(client, alice, secret):
    token = resigned(alice.token, secret, exp=int(time.time()) + 2)
    assert client.get("/users/me", as_=token).status_code == 200
    time.sleep(2.1)  # no clock can be moved: it must be the same token
    refused(client, token, "TOKEN_EXPIRED")


def test_a_changed_or_cut_token(client, alice):
    header, payload, signature = alice.token.split(".")
    other = base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()
    for token in [
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{header}.{payload}.{signature[:-1]}",
        f"{header}.{payload}.{signature[1:]}",
        f"{header}.{payload}.{signature}{signature}",
        f"{header}.{payload}.{other}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{header}.{payload[:-4]}.{signature}",
        f"{header}.{encoded(b'{}')}.{signature}",
        f"{alice.token} {alice.token}",
        f'"{alice.token}"',
        "....",
        ".",
        "null",
        "undefined",
        "ключ",
        "tsk_",
        "tsk_" + "x" * 43,
        "x" * 50_000,
        "a." * 20_000,
    ]:
        refused(client, "", Authorization=f"Bearer {token}".encode().decode("latin-1"))


def test_what_is_not_bearer_is_no_credentials(client, alice):
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6eA==",
        alice.token,
        "Token x",
        "Bearer\t",
    ]:
        refused(client, "", "UNAUTHORIZED", Authorization=header)


def test_the_scheme_in_any_letter_case_and_with_odd_spaces(client, alice):
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR", " Bearer ", "Bearer   "):
        answer = client.get("/users/me", headers={"Authorization": f"{scheme} {alice.token} "})
        assert answer.status_code == 200, scheme


def test_two_authorization_headers_are_none_that_is_valid(client, alice, bob):
    headers = [("Authorization", f"Bearer {alice.token}"), ("Authorization", f"Bearer {bob.token}")]
    environ = {"HTTP_AUTHORIZATION": ",".join(value for _, value in headers)}
    answer = client.get("/users/me", environ_overrides=environ)
    assert answer.status_code == 401
    assert answer.get_json()["error"]["code"] == "INVALID_TOKEN"


def test_a_token_anywhere_else_is_none(client, alice):
    assert client.get("/users/me", headers={"Cookie": f"token={alice.token}"}).status_code == 401
    assert client.get("/users/me", headers={"X-Access-Token": alice.token}).status_code == 401
    for name in ("token", "access_token", "jwt"):
        assert client.get(f"/users/me?{name}={alice.token}").status_code == 401


def test_keys_rotate_the_first_signs_and_all_verify(make_app, make_client, alice):
    old = "tests-only-zGq8Lw2Xn5Rv7Kd3Hs9Tb4Yc6Mf1Pj"
    rotated = make_client(make_app(SECRET_KEY=f"{OTHER_KEY},{old}"))
    assert rotated.get("/users/me", as_=alice).status_code == 200
    fresh = rotated.post("/auth/refresh", json={"refresh_token": alice.refresh_token}).get_json()
    done = make_client(make_app(SECRET_KEY=OTHER_KEY))
    assert done.get("/users/me", as_=fresh["access_token"]).status_code == 200
    assert done.post(
        "/auth/refresh", json={"refresh_token": fresh["refresh_token"]}
    ).status_code == (200)
    refused(done, alice.token)


def test_an_access_token_does_not_refresh_and_a_refresh_token_opens_nothing(client, alice):
    answer = client.post("/auth/refresh", json={"refresh_token": alice.token[:200]})
    assert answer.get_json()["error"]["code"] == "INVALID_TOKEN"
    answer = client.post("/auth/refresh", as_=alice)
    assert answer.get_json()["error"]["code"] == "INVALID_TOKEN"
    refused(client, alice.refresh_token)
