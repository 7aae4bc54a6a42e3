"""Request ids, headers, CORS, request logs, and clients behind proxies."""

import json
import re

import pytest

from tests.support.calls import call
from tests.support.client import GOOD

pytestmark = pytest.mark.sqlite
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ORIGIN = "https://app.example.org"


def test_valid_request_id_is_kept(client):
    for given in ("a", "A-1._z", "x" * 128, "0"):
        answer = client.get("/users/me", headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
        assert answer.json["error"]["request_id"] == given
    ids = set()
    odd = ("", " ", "a b", "x" * 129, "a/b", "\xe9", "a,b", '"', "a:b")
    for given in odd:
        (kept,) = client.get("/x", headers={"X-Request-ID": given}).headers.getlist("X-Request-ID")
        assert UUID.fullmatch(kept)
        ids.add(kept)
    assert len(ids) == len(odd)


def test_security_headers_on_every_response(client, root, alice):
    for answer in (
        client.get("/users/me", as_=alice),
        client.get("/users/me"),
        client.get("/nowhere"),
        client.put("/users"),
        client.options("/users"),
        client.post("/auth/login", data="x"),
        root.get("/health"),
        client.get("/users/me", as_=alice, headers={"If-None-Match": "*"}),
    ):
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in headers
        assert "Set-Cookie" not in headers
        is_about_tokens = answer.request.path.startswith("/api/v1/auth")
        kept = "no-store" if is_about_tokens else "private, no-cache"
        assert headers.getlist("Cache-Control") == [kept]
    secure = client.get("/users/me", base_url="https://localhost")
    assert "max-age=" in secure.headers["Strict-Transport-Security"]


# --- CORS ---------------------------------------------------------------------------------------


@pytest.fixture
def cors(make_app, make_client):
    return make_client(make_app(CORS_ORIGINS=f"{ORIGIN}, http://[::1]:3000"))


def test_only_allowed_origins_get_cors_headers(client, cors, alice):
    for origin in (ORIGIN, "http://[::1]:3000"):
        for path, person in (("/users/me", alice), ("/users/me", None), ("/nowhere", None)):
            answer = cors.get(path, as_=person, headers={"Origin": origin})
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert "Origin" in answer.headers["Vary"]
            assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == {
                *("ETag", "Link", "Location", "Retry-After", "X-Request-ID"),
                *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
                "Idempotency-Replayed",
            }
            assert "Access-Control-Allow-Credentials" not in answer.headers
    others = ("https://evil.example", f"{ORIGIN}.evil.example", "null", "http://app.example.org")
    for origin in (*others, "https://app-example.org", "http://1:3000", "", "*"):
        for answer in (
            cors.get("/users/me", as_=alice, headers={"Origin": origin}),
            cors.options("/users/me", headers={"Origin": origin}),
        ):
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Origin" in answer.headers["Vary"]
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for answer in (
        client.get("/users/me", headers=headers),
        client.options("/auth/login", headers=headers),
    ):
        assert "Access-Control" not in str(answer.headers), "without the setting there is none"


def test_preflight_needs_no_token_and_is_not_limited(make_app, make_client):
    limits = {"RATE_LIMIT_PER_MINUTE": "1", "RATE_LIMIT_AUTH_PER_MINUTE": "1"}
    cors = make_client(make_app(CORS_ORIGINS=ORIGIN, **limits))
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": (
            "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
        ),
    }
    for path in ("/users/me", "/tasks/1", "/auth/login") * 2:
        answer = cors.options(path, headers=headers)
        assert (answer.status_code, answer.data) == (200, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        methods = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert methods >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert sorted(allowed) == headers["Access-Control-Request-Headers"].split(", ")
        assert "Origin" in answer.headers["Vary"]


# --- behind proxies -----------------------------------------------------------------------------

FORWARDED = {
    "0": {"203.0.113.9": "127.0.0.1"},
    "1": {
        "203.0.113.9": "203.0.113.9",
        "6.6.6.6, 203.0.113.9": "203.0.113.9",
        "6.6.6.6,7.7.7.7,203.0.113.9": "203.0.113.9",
        "": "127.0.0.1",
        "2001:DB8:0::1": "2001:db8::1",
        "[2001:db8::1]:4711": "2001:db8::1",
        "[2001:db8::1]": "2001:db8::1",
        "203.0.113.9:4711": "203.0.113.9",
        "::ffff:203.0.113.9": "203.0.113.9",
        "fe80::1%eth0": "fe80::1",
        **dict.fromkeys(
            ("unknown", "_hidden", "x" * 5000, "1.2.3", "'; --", "\xe9", "::g"),
            "",  # invalid addresses are ignored
        ),
    },
    "2": {
        "6.6.6.6, 203.0.113.9, 10.0.0.1": "203.0.113.9",
        "203.0.113.9, 10.0.0.1": "203.0.113.9",
        "203.0.113.9": "127.0.0.1",
    },
}


@pytest.mark.parametrize("hops", FORWARDED)
def test_client_address_behind_proxies(make_app, make_client, alice, hops):
    client = make_client(make_app(TRUSTED_PROXIES=hops))
    body = {"username": "alice", "password": alice.password}
    for forwarded, address in FORWARDED[hops].items():
        made = client.post("/auth/login", json=body, headers={"X-Forwarded-For": forwarded})
        assert made.status_code == 200
        found = client.get("/auth/sessions", as_=made.json["access_token"]).json["items"]
        assert found[0]["address"] == address, forwarded


def test_scheme_behind_proxies(make_app, make_client):
    for hops, scheme, is_secure in (
        ("0", "https", False),
        ("1", "https", True),
        ("1", "http", False),
        ("1", "https, http", False),
    ):
        client = make_client(make_app(TRUSTED_PROXIES=hops))
        answer = client.get("/users/me", headers={"X-Forwarded-Proto": scheme})
        assert ("Strict-Transport-Security" in answer.headers) == is_secure


def test_forged_address_does_not_change_the_limit(make_app, make_client):
    client = make_client(make_app(TRUSTED_PROXIES="1", RATE_LIMIT_AUTH_PER_MINUTE="3"))
    got = [
        client.post(
            "/auth/login", json={}, headers={"X-Forwarded-For": f"6.6.6.{number}, 203.0.113.9"}
        ).status_code
        for number in range(5)
    ]
    assert got == [400] * 3 + [429] * 2


# --- a real server ------------------------------------------------------------------------------


def test_request_log_lines_cannot_be_forged(live_server):
    server = live_server()
    body = {"username": "alice", "password": GOOD}
    made = call(server.url, "POST", "/auth/register", body).json

    def get(path, name, token=None):
        return call(server.url, "GET", path, token=token, headers={"X-Request-ID": name})

    assert get("/users/me?foo=bar", "r-1", made["access_token"]).status == 400
    assert get("/users/me", "r-2").status == 401
    forged = "/a%0a{%22level%22:%22ERROR%22,%22request_id%22:%22r-4%22}%0d%0a%e2%80%a8%ff%00"
    assert get(forged, "r-3").status == 404
    assert get("/nowhere", "r-5").status == 404
    server.stop()

    lines = [json.loads(line) for line in server.log().split("\n") if line.startswith("{")]
    found = {line["request_id"]: line for line in lines if "path" in line}
    assert len([line for line in lines if str(line["request_id"]).startswith("r-")]) == 4
    first, second, third = found["r-1"], found["r-2"], found["r-3"]
    assert first.keys() >= {"time", "level", "method", "path", "status", "user", "address"}
    assert (first["method"], first["path"], first["status"]) == ("GET", "/api/v1/users/me", 400)
    assert (first["user"], first["address"]) == (made["user"]["id"], "127.0.0.1")
    assert (first["level"], first["duration_ms"] >= 0) == ("INFO", True)
    assert (second["status"], second["user"]) == (401, None)
    assert "\n" in third["path"]


def test_long_lines_and_headers(live_server):
    url = live_server().url
    answer = call(url, "GET", "/nowhere?" + "x" * 7000)
    assert answer.status == 404
    answer = call(url, "GET", "/users/me", headers={"Authorization": "Bearer " + "x" * 7_000})
    assert answer.status == 401
    assert answer.json["error"]["code"] == "INVALID_TOKEN"
    assert "gunicorn/" not in (answer.headers["Server"] or "")
    answer = call(url, "POST", "/auth/login", b" " * (2 * 2**20))
    assert answer.status == 413
    assert answer.json["error"]["request_id"] == answer.headers["X-Request-ID"]
