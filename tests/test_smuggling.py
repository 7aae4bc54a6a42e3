"""Ambiguous HTTP requests are rejected."""

import json

import pytest

from tests.support.sockets import HOST, POST, dial, exchange, head_and_body, read_all

HIDDEN = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 0\r\nContent-Length: 33\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        POST + b"Content-Length: +5\r\n\r\nhello",
        POST + b"Content-Length: 5, 5\r\n\r\nhello",
        POST + b"Content-Length: 0x5\r\n\r\nhello",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1_0\r\n\r\n0123456789",
        POST + b"Content-Length : 0\r\n\r\n",
        POST + b" Content-Length: 0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        POST + b"X: a\nContent-Length: 0\r\n\r\n",
        POST.replace(b"\r\n", b"\n") + b"\n",
        b"GET /health HTTP/1.1\nHost: x\r\n\r\n",
        POST + b"X: a\rContent-Length: 0\r\n\r\n",
        POST + b"X: \x00\r\n\r\n",
        POST + HOST + b"\r\n",
        b"POST /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1 \r\nHost: x\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /he alth HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\n",
        *(
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
            for chunks in (
                b"5\nhello\r\n0\r\n\r\n",
                b"5\r\nhello0\r\n\r\n",
                b"5\r\nhelloXX0\r\n\r\n",
                b"0x5\r\nhello\r\n0\r\n\r\n",
                b"+5\r\nhello\r\n0\r\n\r\n",
                b" 5\r\nhello\r\n0\r\n\r\n",
                b"5 \r\nhello\r\n0\r\n\r\n",
                b"-1\r\nhello\r\n0\r\n\r\n",
                b"\r\n\r\n",
                b"5;a\nb\r\nhello\r\n0\r\n\r\n",
                b"0\r\nno trailer\r\n\r\n",
                b"0\r\n folded: 1\r\n\r\n",
                b"f" * 5000,
            )
        ),
    ],
)
def test_ambiguous_requests_are_rejected(stand, request_):
    answer = exchange(stand, request_ + HIDDEN)
    # The short response of gunicorn, or ours if the body cannot be read.
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), answer
    assert answer.count(b"HTTP/1.1 2") == 0, "what followed was taken for a request"
    assert answer.count(b"\r\n\r\n") == 1
    assert len(answer) < 1500
    assert b"Traceback" not in answer


def test_valid_chunks_and_pipelined_requests(stand):
    body = b'{"username": "nobody", "password": "x"}'
    chunked = b"Content-Type: application/json\r\nTransfer-Encoding: Chunked\r\n\r\n" + b"".join(
        b"%x;name=value\r\n%c\r\n" % (1, byte) for byte in body
    )
    sent = b"\r\n" + POST + chunked + b"0\r\nX-Trailer: 1\r\n\r\n"
    sent += POST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    sent += b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    whole = exchange(stand, sent)
    client = dial(stand)
    for start in range(0, len(sent), 7):  # in small pieces
        client.sendall(sent[start : start + 7])
    for answer in (whole, read_all(client)):
        statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"401", b"400", b"200"], answer


def test_expect_100_continue(stand):
    wait = b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
    client = dial(stand)
    client.sendall(POST + wait + b"Content-Length: 2\r\nConnection: close\r\n\r\n")
    assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"{}")
    assert read_all(client).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [b"/health", b"/nowhere", b"/api/v1/tasks"])
def test_http_1_1_without_host_is_rejected(stand, path):
    head, body = head_and_body(
        exchange(stand, b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
    )
    assert head.startswith(b"HTTP/1.1 400 ")
    error = json.loads(body)["error"]
    assert (error["code"], error["message"]) == ("BAD_REQUEST", "Missing Host header.")
    assert b"X-Request-ID: " + error["request_id"].encode() in head
    assert exchange(stand, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")
