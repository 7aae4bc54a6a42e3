"""Raw requests over sockets."""

import socket
from contextlib import suppress
from urllib.parse import urlsplit

from tests.chaos.ground import Ground

HOST = b"Host: x\r\n"
POST = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST


def dial(stand: Ground, receive_buffer: int | None = None) -> socket.socket:
    address = urlsplit(stand.server.url)
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(40)
    client.connect((address.hostname, address.port))
    return client


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    got = b""
    with suppress(ConnectionResetError):
        while data := client.recv(65536):
            got += data
    client.close()
    return got


def exchange(stand: Ground, sent: bytes) -> bytes:
    client = dial(stand)
    client.sendall(sent)
    return read_all(client)


def head_and_body(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body
