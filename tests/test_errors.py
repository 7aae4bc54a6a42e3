"""One shape of errors, on every path and status, or RFC 9457 for those who ask for it."""

import pytest

from tests.support.client import GOOD

PROBLEM = "application/problem+json"


def failures(client, person):
    """An answer of each status that an error may have here."""
    return {
        (400, "MALFORMED_JSON"): lambda **h: client.post(
            "/auth/login", data="{", content_type="application/json", **h
        ),
        (400, "VALIDATION_ERROR"): lambda **h: client.post("/auth/login", json={}, **h),
        (400, "BAD_REQUEST"): lambda **h: client.get("/users/me?a=%ff", as_=person, **h),
        (401, "UNAUTHORIZED"): lambda **h: client.get("/users/me", **h),
        (403, "FORBIDDEN"): lambda **h: client.get("/users", as_=person, **h),
        (404, "NOT_FOUND"): lambda **h: client.get("/nowhere", **h),
        (405, "METHOD_NOT_ALLOWED"): lambda **h: client.delete("/auth/login", **h),
        (409, "CONFLICT"): lambda **h: client.post(
            "/auth/register", json={"username": "alice", "password": GOOD}, **h
        ),
        (412, "PRECONDITION_FAILED"): lambda **h: client.patch(
            "/users/me",
            json={"current_password": person.password},
            as_=person,
            headers={"If-Match": '"x"', **h.get("headers", {})},
        ),
        (413, "PAYLOAD_TOO_LARGE"): lambda **h: client.post(
            "/auth/login", data=b" " * (2**20 + 1), content_type="application/json", **h
        ),
        (415, "UNSUPPORTED_MEDIA_TYPE"): lambda **h: client.post("/auth/login", data="x", **h),
    }


def test_the_envelope(client, alice):
    for (status, code), fail in failures(client, alice).items():
        answer = fail()
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/json"
        body = answer.get_json()
        assert body.keys() == {"error", "detail"}
        error = body["error"]
        assert error.keys() - {"details"} == {"code", "message", "request_id"}
        assert error["code"] == code
        assert body["detail"] == error["message"]
        assert error["message"]
        assert error["request_id"] == answer.headers["X-Request-ID"]
        assert "Retry-After" not in answer.headers
        if "details" in error:
            assert error["details"]
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        (PROBLEM, True),
        ("APPLICATION/Problem+JSON", True),
        (f"application/json, {PROBLEM}", True),
        (f"{PROBLEM};q=0.9, application/json;q=0.5", True),
        (f"{PROBLEM}; charset=utf-8", True),
        (f"text/html, {PROBLEM};q=0.1, */*;q=0.01", True),
        (f"{PROBLEM};q=0", False),
        (f"{PROBLEM};q=0.5, application/json", False),
        (f"{PROBLEM};q=0, application/json", False),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        ("", False),
        ("nonsense;;;q=x,,", False),
    ],
)
def test_rfc_9457_by_accept(client, alice, accept, is_problem):
    for (status, code), fail in failures(client, alice).items():
        answer = fail(headers={"Accept": accept})
        assert answer.status_code == status
        if not is_problem:
            assert answer.mimetype == "application/json"
            continue
        assert answer.mimetype == PROBLEM
        body = answer.get_json()
        assert body.keys() - {"errors"} == {
            *("type", "title", "status", "detail", "code", "request_id")
        }
        assert (body["status"], body["code"]) == (status, code)
        assert body["request_id"] == answer.headers["X-Request-ID"]


def test_success_stays_json_whatever_is_accepted(client, alice):
    answer = client.get("/users/me", as_=alice, headers={"Accept": PROBLEM})
    assert answer.mimetype == "application/json"


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/v1", "/api/v2/tasks", "/nowhere", "/api/v1//tasks", "/%00", "/a" * 999],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND"])
def test_paths_that_are_not_there(root, path, method):
    if path == "/":
        path = "/nothing-at-the-root"
    answer = root.open(path, method=method)
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "NOT_FOUND"


def test_405_says_what_is_possible(client, alice):
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


def test_what_nobody_expected_is_a_500_that_tells_nothing(make_app, caplog):
    broken = make_app()

    def fail():
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    broken.view_functions["system.health:1"] = fail
    answer = broken.test_client().get("/health")
    assert answer.status_code == 500
    assert answer.get_json()["error"]["code"] == "INTERNAL_ERROR"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
    assert "X-Content-Type-Options" in answer.headers
    assert any(record.exc_info for record in caplog.records), "but the log has it"


def test_the_order_of_the_checks(client, alice, make_app, make_client):
    """Route, method, who, what they may, size and type, content, row, precondition."""
    huge = {"data": b"x" * (2**20 + 1), "content_type": "text/plain"}
    odd = {"data": b"x", "content_type": "text/plain"}
    for status, answer in [
        (404, client.put("/nowhere", **huge)),
        (405, client.put("/users", **huge)),
        (401, client.post("/users", **huge)),
        (403, client.post("/users", as_=alice, **huge)),
        (413, client.patch("/users/me?foo=1", as_=alice, **huge)),
        (415, client.patch("/users/me?foo=1", as_=alice, **odd)),
        (400, client.patch("/users/me?foo=1", as_=alice, json={}, headers={"If-Match": '"x"'})),
    ]:
        assert answer.status_code == status
    limited = make_client(make_app(RATE_LIMIT_PER_MINUTE="1"))
    limited.get("/users/me", as_=alice)
    for answer in (limited.post("/users", as_=alice, **huge), limited.get("/users", as_=alice)):
        assert answer.status_code == 429
    assert limited.put("/users", as_=alice).status_code == 405
