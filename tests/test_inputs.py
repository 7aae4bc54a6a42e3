"""Invalid requests, and the format of errors."""

import json
import re
import time
from typing import Any

import pytest

from tests.support.client import GOOD, code_of
from tests.support.rows import Rows

PROBLEM = "application/problem+json"
DEEP = 100_000
NOT_JSON = [
    *[b"", b"   ", b'{"username":', b'{"a": 1} x', b'{"a": 1,}', b"{}{}", b"{'a': 1}", b"nul"],
    *[b"{} // x", b'{"username": 0x10}', b'{"username": 01}', b'{"username": 1e999}'],
    *[b'{"username": NaN}', b'{"username": Infinity}', b'{"username": -Infinity}'],
    *[b"[" * DEEP + b"]" * DEEP, b"[" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP],
    # Not UTF-8, or invalid characters
    *[b'{"username": "\xff\xfe"}', '{"a": "b"}'.encode("utf-16"), b'\xef\xbb\xbf{"a": "b"}'],
    *['{"username": "é"}'.encode("latin-1"), b'{"username": "\xed\xa0\x80"}'],
    *[b'{"username": "a\x00b"}', b'{"username": "a\x01b"}'],
    # Duplicate names
    *[b'{"username": "a", "username": "b"}', b'{"a": {"b": 1, "b": 2}}', b'{"a": 1, "\\u0061": 2}'],
]
# JSON with text that a database cannot store, and the field that the error names
NO_TEXT = {
    b'{"username": "\\ud800"}': "username",
    b'{"username": "a\\u0000b"}': "username",
    b'{"tags": ["a", {"b": "\\u0000"}]}': "tags.1.b",
    b'{"\\udc00": 1}': "body",
    b'{"a\\u0000": 1}': "body",
}
ANYTHING: list[Any] = [{}, [], 1, None]
NOT_WHAT_IS_ASKED = [
    *[b"null", b"1", b'"x"', b"[]", b'[{"username": "a"}]', b"true"],
    *[b'{"a":' + b"[" * 900 + text + b"]" * 900 + b"}" for text in (b"", b'"\\u0041"')],
    *[b'{"a": ' + b"9" * 100_000 + b"}", b'{"username": 9223372036854775808}'],
    *[b'{"username": "' + b"x" * 900_000 + b'"}', b'{"": 1, " ": 2, "__proto__": 3, "_schema": 4}'],
    json.dumps({f"name-{i}": i for i in range(50_000)}).encode(),
    *[
        json.dumps(dict.fromkeys(("username", "email", "password", "name"), value)).encode()
        for value in ANYTHING
    ],
]
TYPES = [
    *("", "text/plain", "text/html", "application/xml", "multipart/form-data", "application"),
    *("multipart/form-data; boundary=x", "application/jsonx", "application/json, text/plain"),
    *("; charset=utf-8", "x" * 5000, "application/merge-patch+json", None),
]


def shortly(value):
    return ascii(value)[:24]


@pytest.fixture
def everywhere(root, alice, admin):
    """Every documented operation as (method, path, description) with the ids of an admin."""
    found = []
    for template, operations in root.get("/openapi.json").json["paths"].items():
        path = template.replace("{user_id}", str(admin.id))
        path = re.sub(r"\{\w+_id\}", "1", path)
        if "{" not in path and path != "/metrics":
            found += [(method.upper(), path, each) for method, each in operations.items()]
    assert len(found) > 50
    return found


@pytest.fixture
def with_bodies(everywhere):
    """The operations with a JSON body, except imports."""
    found = [
        (method, path, each["requestBody"])
        for method, path, each in everywhere
        if "requestBody" in each and not path.endswith("/import")
    ]
    assert len(found) > 18
    return found


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "body", [*NOT_JSON, *NO_TEXT, *NOT_WHAT_IS_ASKED, b" " * (2**20 + 1)], ids=shortly
)
def test_invalid_bodies(root, with_bodies, admin, body):
    for method, path, described in with_bodies:
        if not body and not described.get("required"):
            continue
        started = time.thread_time()
        given = {"data": body, "content_type": "application/json"}
        answer = root.open(path, method=method, as_=admin, **given)
        seconds = time.thread_time() - started
        where = f"{method} {path}: {answer.status} {answer.text[:200]}"
        if len(body) > 2**20:
            assert (answer.status_code, code_of(answer)) == (413, "PAYLOAD_TOO_LARGE"), where
        else:
            is_json = body in NOT_WHAT_IS_ASKED or body in NO_TEXT
            assert answer.status_code == 400, where
            if body in NO_TEXT:
                assert [*answer.get_json()["error"]["details"]] == [NO_TEXT[body]], where
            assert code_of(answer) == "MALFORMED_JSON" or (
                is_json and code_of(answer) == "VALIDATION_ERROR"
            ), where
        assert seconds < 1, where


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", TYPES, ids=shortly)
def test_invalid_content_types(root, with_bodies, admin, kind):
    for method, path, described in with_bodies:
        if kind in described["content"]:
            continue
        answer = root.open(path, method=method, as_=admin, data=b'{"a": 1}', content_type=kind)
        assert (answer.status_code, code_of(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE"), path


@pytest.mark.sqlite
def test_content_type_with_charset_and_any_case(client, alice):
    body = json.dumps({"username": "alice", "password": alice.password})
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json;x=y"):
        assert client.post("/auth/login", data=body, content_type=kind).status_code == 200


@pytest.mark.sqlite
def test_unexpected_bodies(client, alice, admin):
    for method, path, caller in [
        ("GET", "/users/me", alice),
        ("GET", "/auth/sessions", alice),
        ("POST", "/auth/logout-all", alice),
        ("POST", f"/users/{alice.id}/reset-token", admin),
        ("DELETE", f"/users/{alice.id}", admin),
    ]:
        answer = client.open(path, method=method, as_=caller, json={"foo": 1})
        assert answer.status_code == 400
        assert answer.json["error"]["details"].keys() == {"foo"}


@pytest.mark.sqlite
def test_unknown_parameters_are_rejected_everywhere(root, everywhere, admin):
    odd = ["foo=1", "foo", "=1", "Limit=1", "limit%20=1", "%F0%9F%98%80=1", "foo[]=1"]
    not_text = {
        **dict.fromkeys(("a=%ff", "a=%00", "a=%ed%a0%80", "a=\xff"), "a"),
        "q=%FF": "q",
        "cursor=%00": "cursor",
        "%00=1": None,
        "%ff=1": None,
    }
    for method, path, each in everywhere:
        body: Any = [] if path.endswith("/import") else {}
        given = {"json": body} if "requestBody" in each or method == "DELETE" else {}
        for query in (*odd, "&".join(["a=1"] * 999)):
            answer = root.open(f"{path}?{query}", method=method, as_=admin, **given)
            assert answer.status_code == 400, (method, path, answer.text[:200])
        for query, name in not_text.items():
            answer = root.open(f"{path}?{query}", method=method, as_=admin)
            code = "VALIDATION_ERROR" if name else "BAD_REQUEST"
            assert (answer.status_code, code_of(answer)) == (400, code), (method, path, query)
            assert list(answer.json["error"].get("details", {})) == ([name] if name else [])


@pytest.mark.sqlite
def test_trailing_slash_without_redirect(root, everywhere, admin):
    for method, path, _ in everywhere:
        if path in ("/", "/api/v1/auth/logout", "/api/v1/auth/logout-all"):
            continue
        slashed = root.open(path + "/", method=method, as_=admin)
        slashed.get_data()
        if method == "GET":
            plain = root.get(path, as_=admin)
            plain.get_data()
            assert slashed.status_code == plain.status_code, path
        elif slashed.status_code == 404:
            assert "/1" in path, path
        else:
            assert slashed.status_code not in (301, 302, 307, 308, 405), path


@pytest.mark.sqlite
def test_head_and_options(root, everywhere, admin):
    for method, path, _ in everywhere:
        if method == "GET":
            get = root.get(path, as_=admin)
            get.get_data()
            head = root.head(path, as_=admin)
            head.close()
            assert (head.status_code, head.data) == (get.status_code, b""), path
            assert head.headers.get("ETag") == get.headers.get("ETag")
            assert head.mimetype == get.mimetype
        options = root.options(path)
        assert (options.status_code, options.data) == (200, b"")
        assert "Content-Type" not in options.headers
        assert method in options.headers["Allow"].split(", "), path


ODD_HEADERS = [
    *({"Accept": "x" * 10_000}, {"Accept-Language": "\xff"}, {"If-None-Match": "x" * 10_000}),
    *({"If-None-Match": '"' * 99}, {"If-Match": ",,,"}, {"Range": "bytes=0-1"}),
    *({"Content-Encoding": "gzip"}, {"X-HTTP-Method-Override": "DELETE"}, {"Cookie": "=" * 5000}),
    *({"User-Agent": "\xe9\x80" * 200}, {"Origin": "null"}, {"Host": "evil.example"}),
    *({"If-Modified-Since": "yesterday"}, {"Accept-Charset": "utf-7"}),
]


@pytest.mark.sqlite
def test_unusual_headers(client, alice):
    for headers in ODD_HEADERS:
        answer = client.get("/users/me", as_=alice, headers=headers)
        assert (answer.status_code, answer.json["username"]) == (200, "alice"), headers
        body = {"username": "alice", "password": alice.password}
        answer = client.post("/auth/login", json=body, headers=headers)
        assert answer.status_code == 200, headers
        assert "evil.example" not in str(answer.headers)


# --- errors -------------------------------------------------------------------------------------


def failures(client, person):
    """Return a failing request for each error."""
    as_json = {"content_type": "application/json"}

    def stale(headers=()):
        headers = {"If-Match": '"x"', **dict(headers)}
        body = {"current_password": person.password}
        return client.patch("/users/me", json=body, as_=person, headers=headers)

    taken = {"username": "alice", "password": GOOD}
    huge = b" " * (2**20 + 1)
    return {
        (400, "MALFORMED_JSON"): lambda **h: client.post("/auth/login", data="{", **as_json, **h),
        (400, "VALIDATION_ERROR"): lambda **h: client.post("/auth/login", json={}, **h),
        (400, "BAD_REQUEST"): lambda **h: client.get("/users/me?%ff=1", as_=person, **h),
        (401, "UNAUTHORIZED"): lambda **h: client.get("/users/me", **h),
        (403, "FORBIDDEN"): lambda **h: client.get("/users", as_=person, **h),
        (404, "NOT_FOUND"): lambda **h: client.get("/nowhere", **h),
        (405, "METHOD_NOT_ALLOWED"): lambda **h: client.delete("/auth/login", **h),
        (409, "CONFLICT"): lambda **h: client.post("/auth/register", json=taken, **h),
        (412, "PRECONDITION_FAILED"): stale,
        (413, "PAYLOAD_TOO_LARGE"): lambda **h: client.post(
            "/auth/login", data=huge, **as_json, **h
        ),
        (415, "UNSUPPORTED_MEDIA_TYPE"): lambda **h: client.post("/auth/login", data="x", **h),
    }


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        (PROBLEM, True),
        ("APPLICATION/Problem+JSON", True),
        (f"application/json, {PROBLEM}", True),
        (f"{PROBLEM};q=0.9, application/json;q=0.5", True),
        (f"{PROBLEM}; charset=utf-8", True),
        (f"text/html, {PROBLEM};q=0.1, */*;q=0.01", True),
        *[(f"{PROBLEM};q=0", False), (f"{PROBLEM};q=0.5, application/json", False)],
        *[(f"{PROBLEM};q=0, application/json", False), ("application/json", False)],
        *[(accept, False) for accept in ("*/*", "application/*", "", "nonsense;;;q=x,,", None)],
    ],
)
def test_error_format_depends_on_accept(client, alice, accept, is_problem):
    headers = {} if accept is None else {"Accept": accept}
    for (status, code), fail in failures(client, alice).items():
        answer = fail(headers=headers)
        assert answer.status_code == status, answer.text
        body = answer.get_json(force=True)
        if is_problem:
            assert answer.mimetype == PROBLEM
            names = {"type", "title", "status", "detail", "code", "request_id"}
            assert body.keys() - {"errors"} == names
            assert body["status"] == status
            error = body
        else:
            assert answer.mimetype == "application/json"
            assert body.keys() == {"error", "detail"}
            error = body["error"]
            assert error.keys() - {"details"} == {"code", "message", "request_id"}
            assert body["detail"] == error["message"]
            assert error.get("details", True)
        assert error["code"] == code
        assert body["detail"]
        assert error["request_id"] == answer.headers["X-Request-ID"]
        assert "Retry-After" not in answer.headers
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert client.get("/users/me", as_=alice, headers=headers).mimetype == "application/json"


@pytest.mark.sqlite
def test_unknown_paths(root):
    for path in (
        *("/nothing-at-the-root", "/api", "/api/v1", "/api/v2/tasks", "/api/v1//tasks", "/%00"),
        "/a" * 999,
    ):
        for method in ("GET", "POST", "DELETE", "PROPFIND"):
            answer = root.open(path, method=method)
            assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")


@pytest.mark.sqlite
def test_405_has_allow(client, alice):
    for path, methods in [
        ("/auth/login", {"POST", "OPTIONS"}),
        ("/users/me", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/auth/tokens/1", {"DELETE", "OPTIONS"}),
        (f"/users/{alice.id}", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
    ]:
        for method in ("PUT", "TRACE", "FOO"):
            answer = client.open(path, method=method, as_=alice)
            assert answer.status_code == 405, (path, method)
            assert set(answer.headers["Allow"].split(", ")) == methods


# On SQLite, a missing table cannot be distinguished from an unavailable database.
@pytest.mark.postgres
def test_unexpected_error_is_a_500_without_details(databases, make_app, make_client, caplog, alice):
    url = databases.fresh()
    broken = make_client(make_app(DATABASE_URL=url))
    made = broken.post("/auth/register", json={"username": "carol", "password": GOOD})
    Rows(url).run("ALTER TABLE tasks RENAME TO tasks_gone")
    answer = broken.get("/tasks", as_=made.json["access_token"])
    assert (answer.status_code, code_of(answer)) == (500, "INTERNAL_ERROR")
    for told in ("SELECT", "tasks", "Traceback", "rror:", "sqlite", "psycopg"):
        assert told not in answer.json["detail"]
    assert answer.headers["X-Request-ID"] == answer.json["error"]["request_id"]
    assert "X-Content-Type-Options" in answer.headers
    assert any(record.exc_info for record in caplog.records), "but the log has it"


@pytest.mark.sqlite
def test_the_order_of_the_checks(client, alice, bob, admin, make_app, make_client):
    """Each request also fails every check that follows."""
    huge = {"data": b"x" * (2**20 + 1), "content_type": "text/plain"}
    text = {"data": "{", "content_type": "text/plain"}
    stale: dict[str, Any] = {"headers": {"If-Match": '"x"'}}
    missing, last, taken = "/users/999999", f"/users/{admin.id}", {"username": "bob"}
    for status, method, path, caller, options in (
        (404, "PUT", "/nowhere", None, huge),
        (404, "PUT", "/users/x", None, huge),
        (405, "PUT", "/users", None, huge),
        (401, "POST", "/users", None, huge),
        (401, "PATCH", last, None, huge),
        (403, "POST", "/users", alice, huge),
        (403, "PATCH", last, alice, huge),
        (413, "PATCH", "/users/me?foo=1", alice, huge),
        (415, "PATCH", "/users/me?foo=1", alice, text),
        (415, "PATCH", missing, admin, stale | text),
        (400, "PATCH", "/users/me?foo=1", alice, stale | {"json": {}}),
        (400, "PATCH", missing, admin, stale | {"json": {"role": "x"}}),
        (404, "PATCH", missing, admin, stale | {"json": taken}),
        (412, "PATCH", last, admin, stale | {"json": {"role": "user"}}),
        (409, "PATCH", last, admin, {"json": {"role": "user"}}),
        (409, "PATCH", f"/users/{alice.id}", admin, {"json": taken}),
    ):
        answer = client.open(path, method=method, as_=caller, **options)
        assert answer.status_code == status, (method, path, answer.text)
    limited = make_client(make_app(RATE_LIMIT_PER_MINUTE="1"))
    limited.get("/users/me", as_=alice)
    for answer in (limited.post("/users", as_=alice, **huge), limited.get("/users", as_=alice)):
        assert answer.status_code == 429
    assert limited.put("/users", as_=alice).status_code == 405
