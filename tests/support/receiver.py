"""A receiver of webhooks."""

import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson
from standardwebhooks import Webhook


class Message(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections, which some tests cause."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Receiver:
    """`answer(message)` returns a status, or writes a response to the handler."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.messages: list[Message] = []
        self.answer: Callable[[Message, Any], int | None] = lambda message, handler: 204
        self._server = Server(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        # Check every 0.02 s whether to stop.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self._server.server_port}{path}"

    def count(self, path: str) -> int:
        """Return the number of messages at a path."""
        return sum(message.path == path for message in self.messages)

    def verified(self, secret: str) -> list[Any]:
        """Verify all messages with the reference library, and return their payloads."""
        reader = Webhook(secret)
        return [reader.verify(message.body, message.headers) for message in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                message = Message(self.path, headers, body, time.time())
                receiver.messages.append(message)
                status = receiver.answer(message, self)
                if status is not None:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        return Handler


def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Wait until the condition returns a true value, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "timeout"
        time.sleep(0.02)
    return found
