"""The catalogue of bad input: never a 500, always the envelope, always within a second."""

import json
import time
from typing import Any

import pytest

from taskapi.web.routing import operations

DEEP = 100_000
BODIES = {
    "empty": b"",
    "space": b"   ",
    "half": b'{"username":',
    "trailing": b'{"a": 1} x',
    "two": b"{}{}",
    "single quotes": b"{'a': 1}",
    "comment": b"{} // x",
    "null": b"null",
    "number": b"1",
    "text": b'"x"',
    "list": b"[]",
    "list of objects": b'[{"username": "a"}]',
    "true": b"true",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "half of deep lists": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep within": b'{"username":' + b"[" * 900 + b"]" * 900 + b"}",
    "deep escapes": b'{"username":' + b"[" * 900 + b'"\\u0041"' + b"]" * 900 + b"}",
    "not UTF-8": b'{"username": "\xff\xfe"}',
    "UTF-16": '{"username": "a"}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"username": "a"}',
    "Latin-1": '{"username": "é"}'.encode("latin-1"),
    "surrogate as bytes": b'{"username": "\xed\xa0\x80"}',
    "surrogate": b'{"username": "\\ud800"}',
    "surrogate in a name": b'{"\\udc00": 1}',
    "NUL": b'{"username": "a\\u0000b"}',
    "NUL as byte": b'{"username": "a\x00b"}',
    "NUL in a name": b'{"a\\u0000": 1}',
    "control character": b'{"username": "a\x01b"}',
    "double": b'{"username": "a", "username": "b"}',
    "double within": b'{"username": {"a": 1, "a": 2}}',
    "double by escape": b'{"a": 1, "\\u0061": 2}',
    "NaN": b'{"username": NaN}',
    "Infinity": b'{"username": Infinity}',
    "-Infinity": b'{"username": -Infinity}',
    "1e999": b'{"username": 1e999}',
    "huge number": b'{"username": ' + b"9" * 100_000 + b"}",
    "64 bits and more": b'{"username": 9223372036854775808}',
    "hex": b'{"username": 0x10}',
    "leading zero": b'{"username": 01}',
    "long text": b'{"username": "' + b"x" * 900_000 + b'"}',
    "many names": json.dumps({f"name-{i}": i for i in range(50_000)}).encode(),
    "odd names": b'{"": 1, " ": 2, "__proto__": 3, "_schema": 4}',
    "object": b'{"username": {}, "email": {}, "password": {}, "name": {}, "title": {}}',
    "lists": b'{"username": [], "email": [], "password": [], "name": [], "title": []}',
    "numbers": b'{"username": 1, "email": 1, "password": 1, "name": 1, "title": 1}',
    "nulls": b'{"username": null, "email": null, "password": null, "name": null}',
    "too large": b" " * (2**20 + 1),
}
TYPES = [
    "",
    "text/plain",
    "text/html",
    "application/xml",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "application/json, text/plain",
    "application",
    "; charset=utf-8",
    "x" * 5000,
]


@pytest.fixture
def calls(app, client, cast, alice):
    """Each operation of sections 2 and 3 that takes a body, by its path and who calls it."""
    admin = cast.admin("boss")
    cast.admin("second")
    found = []
    for rule, operation in operations(app):
        path = rule.replace("<id:user_id>", str(alice.id)).replace("<user:user_id>", "me")
        path = path.replace("<id:session_id>", "1").replace("<id:token_id>", "1")
        is_ours = rule.startswith(("/api/v1/auth", "/api/v1/users")) and "<" not in path
        if is_ours and operation.body is not None:
            found.append(
                (operation.method, path, alice if "/me" in rule or "/auth" in rule else admin)
            )
    assert len(found) >= 12
    return found


def refused(client, calls, allowed=(400,), **options):
    for method, path, caller in calls:
        started = time.thread_time()
        answer = client.open(path, method=method, as_=caller, **options)
        seconds = time.thread_time() - started
        where = f"{method} {path}: {answer.status} {answer.text[:200]}"
        assert answer.status_code in allowed, where
        error = answer.get_json()["error"]
        assert error["code"] != "INTERNAL_ERROR", where
        assert error["message"], where
        assert seconds < 1, where


@pytest.mark.parametrize("name", BODIES)
def test_bad_bodies(client, calls, name):
    allowed = {
        "empty": (400, 401, 415),
        "space": (400,),
        "too large": (413,),
    }.get(name, (400,))
    if name == "empty":
        calls = [call for call in calls if not call[1].endswith(("/logout", "/calendar"))]
    refused(client, calls, allowed, data=BODIES[name], content_type="application/json")


@pytest.mark.parametrize("content_type", TYPES)
def test_bad_types(client, calls, content_type):
    refused(client, calls, (415,), data=b'{"username": "a"}', content_type=content_type)


def test_a_body_without_a_type(client, calls):
    refused(client, calls, (415,), data=b'{"username": "a"}')


def test_a_type_with_a_charset_and_in_any_case_is_fine(client, alice):
    body = json.dumps({"username": "alice", "password": alice.password})
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json;x=y"):
        assert client.post("/auth/login", data=body, content_type=kind).status_code == 200


def test_a_body_where_none_belongs(client, alice, admin):
    for method, path, caller in [
        ("GET", "/users/me", alice),
        ("GET", "/auth/sessions", alice),
        ("POST", "/auth/logout-all", alice),
        ("POST", f"/users/{alice.id}/reset-token", admin),
        ("DELETE", f"/users/{alice.id}", admin),
    ]:
        answer = client.open(path, method=method, as_=caller, json={"foo": 1})
        assert answer.status_code == 400
        assert answer.get_json()["error"]["details"].keys() == {"foo"}


@pytest.fixture
def everywhere(app, alice, admin):
    """Every operation with its path filled in."""
    found = []
    for rule, operation in operations(app):
        path = rule
        for converter in ("user:user_id", "id:user_id"):
            path = path.replace(f"<{converter}>", str(admin.id))
        for word in ("task", "token", "session", "job", "webhook", "delivery"):
            path = path.replace(f"<id:{word}_id>", "1")
        if "<" not in path and path != "/metrics":
            found.append((operation.method, path))
    return found


@pytest.mark.parametrize(
    "query",
    ["foo=1", "foo", "=1", "Limit=1", "limit%20=1", "%F0%9F%98%80=1", "foo[]=1", "__class__=1"],
)
def test_unknown_parameters_are_refused_everywhere(root, everywhere, admin, query):
    for method, path in everywhere:
        options: dict[str, Any] = (
            {"json": {}} if method in ("POST", "PUT", "PATCH", "DELETE") else {}
        )
        if path.endswith("/import"):
            options = {"json": []}
        answer = root.open(f"{path}?{query}", method=method, as_=admin, **options)
        assert answer.status_code == 400, (method, path, answer.text[:200])
        assert answer.get_json()["error"]["code"] != "INTERNAL_ERROR"


@pytest.mark.parametrize(
    "query", ["a=%ff", "a=%00", "%00=1", "a=%ed%a0%80", "&".join(["a=1"] * 999)]
)
def test_parameters_that_are_no_text(root, everywhere, admin, query):
    for method, path in everywhere:
        answer = root.open(f"{path}?{query}", method=method, as_=admin)
        assert answer.status_code == 400, (method, path)


def test_a_slash_at_the_end_answers_without_a_redirect(root, everywhere, admin):
    for method, path in everywhere:
        if path in ("/", "/api/v1/auth/logout", "/api/v1/auth/logout-all"):
            continue
        if method == "GET" and not path.startswith(("/docs", "/redoc")):
            plain = root.get(path, as_=admin)
            plain.get_data()
            slashed = root.get(path + "/", as_=admin)
            slashed.get_data()
            assert slashed.status_code == plain.status_code, path
        else:
            answer = root.open(path + "/", method=method, as_=admin)
            assert answer.status_code not in (301, 302, 307, 308, 404, 405) or (
                answer.status_code == 404 and "/1" in path
            ), (method, path)


def test_head_is_get_without_the_body_and_options_says_what_is_possible(root, everywhere, admin):
    for method, path in everywhere:
        if method == "GET":
            get = root.get(path, as_=admin)
            get.get_data()
            head = root.head(path, as_=admin)
            head.close()
            assert head.status_code == get.status_code, path
            assert head.data == b""
            assert head.headers.get("ETag") == get.headers.get("ETag")
            assert head.mimetype == get.mimetype
        options = root.options(path)
        assert options.status_code in (200, 204)
        assert method in options.headers["Allow"].split(", "), path
        assert options.data == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "x" * 10_000},
        {"Accept-Language": "\xff"},
        {"If-None-Match": "x" * 10_000},
        {"If-None-Match": '"' * 99},
        {"If-Match": ",,,"},
        {"Range": "bytes=0-1"},
        {"Content-Encoding": "gzip"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"User-Agent": "\xe9\x80" * 200},
        {"Origin": "null"},
        {"Cookie": "=" * 5000},
        {"Host": "evil.example"},
        {"If-Modified-Since": "yesterday"},
        {"Accept-Charset": "utf-7"},
    ],
    ids=str,
)
def test_odd_headers_harm_nothing(client, alice, headers):
    answer = client.get("/users/me", as_=alice, headers=headers)
    assert answer.status_code == 200
    assert answer.get_json()["username"] == "alice"
    body = {"username": "alice", "password": alice.password}
    answer = client.post("/auth/login", json=body, headers=headers)
    assert answer.status_code == 200
    assert "evil.example" not in str(answer.headers)
