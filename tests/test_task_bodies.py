"""Bodies that are no task at all: not JSON, no object, too deep, too large."""

import json

import pytest


@pytest.fixture
def task(client, alice):
    return client.post("/tasks", as_=alice, json={"title": "As it was"}).json


def sent_everywhere(client, person, task, raw):
    """The answers of all that takes a task, or many, as its body."""
    one = f"/tasks/{task['id']}"
    for method, path in (("post", "/tasks"), ("put", one), ("patch", one), ("post", "/tasks/bulk")):
        yield getattr(client, method)(path, as_=person, data=raw, content_type="application/json")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nul",
        b'{"title": "x", "title": "y"}',
        b'{"title": NaN}',
        b'{"title": Infinity}',
        b'{"title": -Infinity}',
        b'{"title": 1e999}',
        b'{"title": "\\u0000"}',
        b'{"title": "\\ud800"}',
        b'{"title": "\xff"}',
        b'{"title": "\x00"}',
        b'\xef\xbb\xbf{"title": "x"}',
        b'{"title": "x"} ',
        b'{"title": "x",}',
        b"{'title': 'x'}",
        '{"title": "x"}'.encode("utf-16"),
        b'{"title": ' + b"9" * 5000 + b"}",
    ],
)
def test_json_is_strict(client, alice, task, raw):
    accepted = raw.strip() == b'{"title": "x"}'
    for method, path in (("post", "/tasks"), ("put", f"/tasks/{task['id']}")):
        answer = getattr(client, method)(path, as_=alice, data=raw, content_type="application/json")
        if accepted:
            assert answer.status_code in (200, 201)
        else:
            assert (answer.status_code, answer.json["error"]["code"]) == (400, "MALFORMED_JSON")


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"x"', b"true"])
def test_a_body_that_is_no_object_is_a_400(client, alice, task, raw):
    for answer in sent_everywhere(client, alice, task, raw):
        assert answer.status_code == 400


def test_no_depth_of_nesting_is_too_much_for_us(client, alice):
    for depth in (*range(800, 1000, 7), 100_000):
        for raw in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            for body in (f'{{"title": {raw}}}', f'{{"operations": [{{"data": {raw}}}]}}'):
                for path in ("/tasks", "/tasks/bulk"):
                    answer = client.post(
                        path, as_=alice, data=body, content_type="application/json"
                    )
                    assert answer.status_code == 400


def test_a_body_over_one_mebibyte_is_a_413(client, alice, task):
    body = json.dumps({"title": "x", "description": "x" * 1024 * 1024})
    for answer in sent_everywhere(client, alice, task, body):
        assert (answer.status_code, answer.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
