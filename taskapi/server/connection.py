"""A client of a worker, and what is known of its request so far."""

import socket
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.parser import RequestParser

from taskapi.server.bodies import ChunkedBody, SizedBody
from taskapi.server.channel import Channel, Patience

LINE_LIMIT = 8 * 1024
HEAD_LIMIT = LINE_LIMIT + 64 * 1024


class Connection:
    def __init__(self, cfg: Any, accepted: socket.socket, client: Any, server: Any):
        self.sock = Channel(accepted)
        self.client = client
        self.server = server
        # It is fed with complete heads, and never reads from the socket itself.
        self.parser = RequestParser(cfg, (), client)
        self.received = bytearray()  # of the next request's head, and what follows it
        self.request: Any = None
        self.body: SizedBody | ChunkedBody | None = None
        self.act: Callable[[Connection], None]  # on the event that is waited for
        self.event = 0
        self.patience: Patience
        self.is_kept = False  # for another request
        self.discarded = 0

    @property
    def address(self) -> str:
        return self.client[0] if self.client else "a local socket"

    def has_head(self) -> bool:
        """Is the next request's head there, or so faulty that the rest would not mend it?"""
        received = self.received
        end = received.find(b"\r\n\r\n")
        if (len(received) if end < 0 else end) > HEAD_LIMIT:
            raise LimitRequestHeaders("the head is too large")
        return (
            end >= 0
            or (len(received) > LINE_LIMIT and b"\r\n" not in received)
            or received.count(b"\n") != received.count(b"\r\n")
        )
