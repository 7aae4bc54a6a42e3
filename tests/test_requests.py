"""What every answer carries: its id, headers, CORS; its log line; the client behind proxies."""

import json
import logging
import re

import pytest

from taskapi.web.requests import JsonLines
from tests.support.calls import call

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ORIGIN = "https://app.example.org"


@pytest.fixture
def log(caplog):
    """The lines logged since, as they are written."""

    def lines():
        form = JsonLines()
        return [
            json.loads(form.format(record))
            for record in caplog.records
            if record.name == "taskapi.request"
        ]

    caplog.set_level(logging.INFO, "taskapi")
    return lines


@pytest.mark.parametrize("given", ["a", "A-1._z", "x" * 128, "0"])
def test_a_sane_request_id_is_kept(client, log, given):
    answer = client.get("/users/me", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.get_json()["error"]["request_id"] == given
    assert log()[-1]["request_id"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", "x" * 129, "a/b", "\xe9", "a,b", '"', "a:b"])
def test_any_other_is_replaced(client, given):
    answer = client.get("/users/me", headers={"X-Request-ID": given})
    assert UUID.fullmatch(answer.headers["X-Request-ID"])
    assert answer.headers.getlist("X-Request-ID") == [answer.headers["X-Request-ID"]]


def test_ids_differ(client):
    assert len({client.get("/x").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_one_line_for_each_request(client, log, alice):
    before = len(log())
    client.get("/users/me?foo=bar", as_=alice, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    client.get("/nowhere")
    found = log()[before:]
    assert len(found) == 2
    first, second = found
    assert first.keys() >= {"time", "level", "request_id", "method", "path", "status", "user"}
    assert (first["method"], first["path"], first["status"]) == ("GET", "/api/v1/users/me", 400)
    assert (first["user"], first["address"], first["level"]) == (alice.id, "192.0.2.7", "INFO")
    assert first["duration_ms"] >= 0
    assert (second["status"], second["user"]) == (404, None)


def test_one_requests_user_is_not_the_nexts(client, log, alice):
    client.get("/users/me", as_=alice)
    client.get("/users/me")
    assert [line["user"] for line in log()[-2:]] == [alice.id, None]


def test_a_path_cannot_forge_a_line(client, log):
    client.get("/a%0a{%22level%22:%22ERROR%22}%0d%0a%e2%80%a8%ff%00")
    assert len(JsonLines().format(logging.makeLogRecord({"msg": "x\ny"})).splitlines()) == 1
    assert "\n" in log()[-1]["path"]


def test_security_headers_are_on_every_answer(client, root, alice):
    answers = [
        client.get("/users/me", as_=alice),
        client.get("/users/me"),
        client.get("/nowhere"),
        client.put("/users"),
        client.options("/users"),
        client.post("/auth/login", data="x"),
        root.get("/health"),
        client.get("/users/me", as_=alice, headers={"If-None-Match": "*"}),
    ]
    for answer in answers:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in headers
        assert "Set-Cookie" not in headers
        assert headers.getlist("Cache-Control") in (["private, no-cache"], ["no-store"])


def test_hsts_only_over_https(client):
    secure = client.get("/users/me", base_url="https://localhost")
    assert "max-age=" in secure.headers["Strict-Transport-Security"]


# --- CORS ---------------------------------------------------------------------------------------


def test_without_the_setting_there_is_no_cors(client):
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for answer in (
        client.get("/users/me", headers=headers),
        client.options("/auth/login", headers=headers),
    ):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.fixture
def cors(make_app, make_client):
    return make_client(make_app(CORS_ORIGINS=f"{ORIGIN}, http://localhost:3000"))


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_an_allowed_origin(cors, alice, origin):
    for answer in (
        cors.get("/users/me", as_=alice, headers={"Origin": origin}),
        cors.get("/users/me", headers={"Origin": origin}),
        cors.get("/nowhere", headers={"Origin": origin}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in answer.headers["Vary"]
        exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed >= {"ETag", "Link", "Location", "Retry-After", "X-Request-ID"}
        assert exposed >= {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
        assert "Idempotency-Replayed" in exposed
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", f"{ORIGIN}.evil.example", "null", "http://app.example.org", "", "*"],
)
def test_another_origin(cors, origin):
    answer = cors.get("/users/me", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_preflights_need_no_token(cors):
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, content-type, if-match",
    }
    for path in ("/users/me", "/tasks/1", "/auth/login"):
        answer = cors.options(path, headers=headers)
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        methods = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert methods >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        for name in ("authorization", "content-type", "if-match", "idempotency-key"):
            assert name in allowed


# --- behind proxies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        ("0", "203.0.113.9", "127.0.0.1"),
        ("1", "203.0.113.9", "203.0.113.9"),
        ("1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("1", "6.6.6.6,7.7.7.7,203.0.113.9", "203.0.113.9"),
        ("2", "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("2", "203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("2", "203.0.113.9", "127.0.0.1"),
        ("1", "", "127.0.0.1"),
        ("1", "2001:DB8:0::1", "2001:db8::1"),
        ("1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("1", "[2001:db8::1]", "2001:db8::1"),
        ("1", "203.0.113.9:4711", "203.0.113.9"),
        ("1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("1", "fe80::1%eth0", "fe80::1"),
    ],
)
def test_the_address_counts_hops_from_the_right(
    make_app, make_client, alice, hops, forwarded, address
):
    client = make_client(make_app(TRUSTED_PROXIES=hops))
    body = {"username": "alice", "password": alice.password}
    made = client.post("/auth/login", json=body, headers={"X-Forwarded-For": forwarded})
    found = client.get("/auth/sessions", as_=made.get_json()["access_token"]).get_json()["items"]
    assert found[0]["address"] == address


@pytest.mark.parametrize(
    "junk", ["unknown", "_hidden", "x" * 5000, "1.2.3", "'; --", "\xe9", "::g"]
)
def test_an_address_that_is_none_harms_nothing(make_app, make_client, alice, junk):
    client = make_client(make_app(TRUSTED_PROXIES="1"))
    body = {"username": "alice", "password": alice.password}
    made = client.post("/auth/login", json=body, headers={"X-Forwarded-For": junk})
    assert made.status_code == 200
    found = client.get("/auth/sessions", as_=made.get_json()["access_token"]).get_json()["items"]
    assert found[0]["address"] == ""


@pytest.mark.parametrize(
    ("hops", "scheme", "is_secure"),
    [
        ("0", "https", False),
        ("1", "https", True),
        ("1", "http", False),
        ("1", "https, http", False),
    ],
)
def test_the_scheme_too(make_app, make_client, hops, scheme, is_secure):
    client = make_client(make_app(TRUSTED_PROXIES=hops))
    answer = client.get("/users/me", headers={"X-Forwarded-Proto": scheme})
    assert ("Strict-Transport-Security" in answer.headers) == is_secure


def test_a_forged_address_opens_no_bucket(make_app, make_client):
    client = make_client(make_app(TRUSTED_PROXIES="1", RATE_LIMIT_AUTH_PER_MINUTE="3"))
    got = [
        client.post(
            "/auth/login", json={}, headers={"X-Forwarded-For": f"6.6.6.{number}, 203.0.113.9"}
        ).status_code
        for number in range(5)
    ]
    assert got == [400] * 3 + [429] * 2


# --- a real server ------------------------------------------------------------------------------


def test_long_lines_and_headers_get_our_answer(live_server):
    url = live_server().url
    answer = call(url, "GET", "/nowhere?" + "x" * 7000)
    assert answer.status == 404
    answer = call(url, "GET", "/users/me", headers={"Authorization": "Bearer " + "x" * 60_000})
    assert answer.status == 401
    assert answer.json["error"]["code"] == "INVALID_TOKEN"
    assert "gunicorn/" not in (answer.headers["Server"] or "")
    answer = call(url, "POST", "/auth/login", b" " * (2 * 2**20))
    assert answer.status == 413
    assert answer.json["error"]["request_id"] == answer.headers["X-Request-ID"]
