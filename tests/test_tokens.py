"""Access tokens and personal access tokens."""

import base64
import json
import time
from typing import Any

import pytest

from tests.support.client import code_of
from tests.support.forging import KEY, claims_of, decoded, encoded, resigned, signed
from tests.support.receiver import eventually
from tests.support.rows import ago, from_now

HEADER = {"alg": "HS256", "typ": "JWT"}
OTHER_KEY = "another-key-that-is-long-enough-for-HS256"
CLAIMS = ("iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "type")


def refused(client, token, code="INVALID_TOKEN", **options):
    options = options or {"headers": {"Authorization": f"Bearer {token}"}}
    answer = client.get("/users/me", **options)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (401, code), (token[:300], options)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.get_json()["detail"] == error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]


# --- access tokens ------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_the_claims_of_an_access_token(client, cast, alice):
    header, claims = decoded(alice.token.split(".")[0]), claims_of(alice.token)
    assert header == HEADER
    assert claims.keys() >= set(CLAIMS)
    assert (claims["sub"], claims["type"]) == (str(alice.id), "access")
    assert claims["exp"] - claims["iat"] == 30 * 60
    assert not {"role", "is_admin", "is_active", "password"} & claims.keys()
    second = cast.sign_in("alice", alice.password)
    assert claims_of(second.token)["jti"] != claims["jti"]


@pytest.mark.sqlite
def test_other_algorithms_are_rejected(client, alice):
    _, payload, kept = alice.token.split(".")
    no_words: tuple[Any, ...] = ("none", "None", "NONE", "nOnE", "", None, 0, [], {}, "HS1")
    for word in no_words:
        header = encoded(json.dumps({"alg": word, "typ": "JWT"}).encode())
        for signature in ("", kept[:-2], kept):
            refused(client, f"{header}.{payload}.{signature}")
    for word, hash_name in [("HS384", "sha384"), ("HS512", "sha512")] + [
        (word, "sha256") for word in ("RS256", "ES256", "PS256", "hs256", "HS256 ")
    ]:
        refused(client, signed({"alg": word, "typ": "JWT"}, claims_of(alice.token), KEY, hash_name))


@pytest.mark.sqlite
def test_other_keys_are_rejected(client, alice):
    pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ\n-----END PUBLIC KEY-----"
    known = [pem, alice.token, alice.token.split(".")[1]]
    for key in ("", " ", "secret", OTHER_KEY, "null", *known):
        refused(client, resigned(alice.token, key))


@pytest.mark.sqlite
def test_header_parameters_are_ignored(client, alice):
    claims = claims_of(alice.token)
    header: Any
    extra: list[dict[str, Any]] = [
        *({"kid": kid} for kid in ("1", "../../dev/null", "' OR 1=1 --")),
        *({name: "https://example.org/keys"} for name in ("jku", "x5u")),
        {"jwk": {"kty": "oct", "k": encoded(OTHER_KEY.encode())}},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    ]
    for more in extra:
        refused(client, signed(HEADER | more, claims, OTHER_KEY))
        refused(client, signed(HEADER | more, claims, KEY))
    for header in ([], "HS256", None, 1, {}, {"typ": "JWT"}):
        refused(client, signed(header, claims, KEY))


@pytest.mark.sqlite
def test_missing_or_invalid_claims(client, alice):
    claims: Any
    for claims in ([], "alice", None, 1, {}):
        refused(client, signed(HEADER, claims, KEY))
    for payload in ("", "{", "not json", '{"exp": Infinity}', "[["):
        refused(client, signed(HEADER, None, KEY, raw_claims=payload))
    for name in CLAIMS:
        refused(client, resigned(alice.token, KEY, without=name))
        nothing: dict[str, Any] = {name: None}
        refused(client, resigned(alice.token, KEY, **nothing))
    wrong: dict[str, list[Any]] = {
        "iss": ["", "other", ["taskapi"], 1, {}],
        "aud": ["", "other", [], ["other"], 1, {}],
        "type": ["refresh", "", "Access", 1, ["access"]],
        "jti": [1, [], {}],
        "sub": ["", "0x1", "-1", " 1", "1 ", "1.0", 1, ["1"], {"id": 1}, "9" * 30, "\u0661"],
        "sid": [-1],
    }
    for name in ("iat", "nbf", "exp", "sid"):
        no_numbers = ["", "1e3", "1.5", "abc", [1], {"a": 1}, True, False, 2**80]
        wrong[name] = wrong.get(name, []) + no_numbers
    for name, values in wrong.items():
        for value in values:
            is_past = name == "exp" and isinstance(value, bool)
            code = "TOKEN_EXPIRED" if is_past else "INVALID_TOKEN"
            refused(client, resigned(alice.token, KEY, **{name: value}), code)
        for number in ("1e400", "-1e400", "NaN", "Infinity", "9" * 400, "1" * 5000):
            raw = json.dumps(claims_of(alice.token) | {name: "HERE"}).replace('"HERE"', number)
            answer = client.get("/users/me", as_=signed(HEADER, None, KEY, raw_claims=raw))
            assert answer.status_code == 401
            assert code_of(answer) in ("INVALID_TOKEN", "TOKEN_EXPIRED")


def test_token_of_another_user_or_session(client, alice, bob):
    refused(client, resigned(alice.token, KEY, sub=str(bob.id)), "TOKEN_REVOKED")
    refused(client, resigned(alice.token, KEY, sid=2**62), "TOKEN_REVOKED")


@pytest.mark.sqlite
def test_times(client, alice):
    now = int(time.time())
    refused(client, resigned(alice.token, KEY, exp=now - 1), "TOKEN_EXPIRED")
    refused(client, resigned(alice.token, KEY, exp=-1), "TOKEN_EXPIRED")
    refused(client, resigned(alice.token, KEY, nbf=now + 60))
    refused(client, resigned(alice.token, KEY, iat=now + 60))
    for name, value in (("exp", now + 60), ("iat", -1), ("nbf", -1)):
        good: dict[str, Any] = {name: value}
        token = resigned(alice.token, KEY, **good)
        assert client.get("/users/me", as_=token).status_code == 200, good
    # A token expires even if it was accepted before.
    token = resigned(alice.token, KEY, exp=int(time.time()) + 2)
    assert client.get("/users/me", as_=token).status_code == 200
    eventually(lambda: client.get("/users/me", as_=token).status_code == 401)
    refused(client, token, "TOKEN_EXPIRED")


@pytest.mark.sqlite
def test_manipulated_tokens(client, alice):
    header, payload, signature = alice.token.split(".")
    other = base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()
    body = f"{header}.{payload}"
    for token in (
        *(body, f"{body}.", f"{header}..{signature}", f".{payload}.{signature}"),
        *(f"{body}.{signature[:-1]}", f"{body}.{signature[1:]}", f"{body}.{signature}{signature}"),
        *(f"{body}.{other}", f"{alice.token}.{signature}", f"{header}.{payload[:-4]}.{signature}"),
        *(f"{header}.{encoded(b'{}')}.{signature}", f"{alice.token} {alice.token}"),
        f"{alice.token},Bearer {alice.token}",  # two headers that a server has joined
        *(f'"{alice.token}"', "....", ".", "null", "ключ".encode().decode("latin-1")),
        *("tsk_", "tsk_" + "x" * 43, "x" * 50_000, "a." * 20_000),
    ):
        refused(client, token)


@pytest.mark.sqlite
def test_authorization_header(client, alice):
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6eA==",
        alice.token,
        "Token x",
        "Bearer\t",
    ):
        refused(client, "", "UNAUTHORIZED", headers={"Authorization": header})
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR", " Bearer ", "Bearer   "):
        answer = client.get("/users/me", headers={"Authorization": f"{scheme} {alice.token} "})
        assert answer.status_code == 200, scheme
    for name, value in (("Cookie", f"token={alice.token}"), ("X-Access-Token", alice.token)):
        refused(client, "", "UNAUTHORIZED", headers={name: value})
    for name in ("token", "access_token", "jwt"):
        refused(client, "", "UNAUTHORIZED", query_string={name: alice.token})


@pytest.mark.sqlite
def test_secret_key_rotation(make_app, make_client, alice):
    rotated = make_client(make_app(SECRET_KEY=f"{OTHER_KEY},{KEY}"))
    assert rotated.get("/users/me", as_=alice).status_code == 200
    fresh = rotated.post("/auth/refresh", json={"refresh_token": alice.refresh_token}).get_json()
    done = make_client(make_app(SECRET_KEY=OTHER_KEY))
    assert done.get("/users/me", as_=fresh["access_token"]).status_code == 200
    body = {"refresh_token": fresh["refresh_token"]}
    assert done.post("/auth/refresh", json=body).status_code == 200
    refused(done, alice.token)


# --- personal access tokens ---------------------------------------------------------------------


def make(client, person, scope="read", **more):
    answer = client.post("/auth/tokens", json={"name": "n", "scope": scope, **more}, as_=person)
    assert answer.status_code == 201, answer.text
    return answer.get_json()


def test_secret_is_shown_once_and_stored_as_a_digest(rows, client, alice):
    made = make(client, alice, "write", name="Backup", expires_at="2999-01-01T01:00:00+01:00")
    assert made["token"].startswith("tsk_")
    assert len(made["token"]) >= 40
    assert made["token"].startswith(made["prefix"])
    assert len(made["prefix"]) < 16
    assert (made["name"], made["scope"], made["last_used_at"]) == ("Backup", "write", None)
    assert made["expires_at"] == "2999-01-01T00:00:00.000000Z"
    page = client.get("/auth/tokens", as_=alice).get_json()
    assert page["total"] == 1
    assert page["items"] == [{k: v for k, v in made.items() if k != "token"}]
    stored = str(rows.one("SELECT * FROM personal_tokens"))
    assert made["token"][12:] not in stored
    assert made["token"][:20] not in stored
    assert make(client, alice, expires_at=None)["expires_at"] is None


@pytest.mark.sqlite
def test_invalid_token_requests(client, alice, admin):
    good: dict[str, Any] = {"name": "n", "scope": "read"}
    times = ["2020-01-01T00:00:00Z", "2999-01-01", "2999-01-01T00:00:00", 32503680000, ""]
    for body in (
        {},
        {"name": "n"},
        {"scope": "read"},
        *(good | {"name": name} for name in ("", " ", "n" * 101, "n\n", None)),
        *(good | {"scope": scope} for scope in ("all", "Read", None, ["read"])),
        *(good | {"expires_at": each} for each in (*times, "3000-01-01T00:00:00Z")),
        good | {"user_id": 1},
        good | {"token": "tsk_mine"},
    ):
        answer = client.post("/auth/tokens", json=body, as_=alice)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), body
    answer = client.post("/auth/tokens", json={"name": "n", "scope": "admin"}, as_=alice)
    assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
    assert client.get("/auth/tokens", as_=alice).get_json()["total"] == 0
    assert make(client, admin, "admin")["scope"] == "admin"


@pytest.mark.sqlite
def test_scope_is_checked_before_the_body(client, admin, alice):
    token = make(client, admin, "admin")["token"]
    for answer in (
        client.patch(f"/users/{alice.id}", json={"role": "emperor"}, as_=token),
        client.patch(f"/users/{alice.id}", json={"role": "user", "is_active": True}, as_=token),
        client.post("/users", json={"username": "x"}, as_=token),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "INSUFFICIENT_SCOPE")


@pytest.mark.sqlite
def test_personal_token_has_the_rights_of_its_user(client, cast, admin):
    second = cast.admin("second")
    token = make(client, second, "admin")["token"]
    assert client.get("/users", as_=token).status_code == 200
    client.patch(f"/users/{second.id}", json={"role": "user"}, as_=admin)
    assert client.get("/users", as_=token).status_code == 403
    assert client.get(f"/users/{admin.id}", as_=token).status_code == 403


def test_deleting_a_personal_token(client, alice, bob):
    kept, made = make(client, alice), make(client, alice)
    assert client.delete(f"/auth/tokens/{made['id']}", as_=bob).status_code == 404
    assert client.get("/users/me", as_=made["token"]).status_code == 200
    assert client.delete(f"/auth/tokens/{made['id']}", as_=alice).status_code == 204
    assert code_of(client.get("/users/me", as_=made["token"])) == "INVALID_TOKEN"
    assert client.delete(f"/auth/tokens/{made['id']}", as_=alice).status_code == 404
    assert client.get("/users/me", as_=kept["token"]).status_code == 200


def test_expiry_and_last_use_of_a_personal_token(rows, client, alice):
    token = make(client, alice, expires_at=from_now(hours=1))["token"]

    def last_used():
        client.get("/users/me", as_=token)
        return client.get("/auth/tokens", as_=alice).get_json()["items"][0]["last_used_at"]

    first = last_used()
    assert first is not None
    assert last_used() == first, "right to five minutes"
    rows.run("UPDATE personal_tokens SET last_used_at = :t", t=ago(minutes=6))
    assert last_used() > first
    rows.run("UPDATE personal_tokens SET expires_at = :t", t=ago(seconds=1))
    assert code_of(client.get("/users/me", as_=token)) == "TOKEN_EXPIRED"


@pytest.mark.sqlite
def test_every_character_of_a_personal_token_counts(client, alice):
    token = make(client, alice)["token"]
    for wrong in (token[:-1], token + "x", token.upper(), token[4:], "TSK_" + token[4:]):
        refused(client, wrong)
