"""A POST to a stranger: over a connection that was checked, for so long and no longer.

The name is looked up here, each of its addresses is judged, and the socket is connected to the
judged address itself, so that no second look-up can lead elsewhere. Redirects are answers like
any other and are not followed; proxies from the environment mean nothing here.
"""

import functools
import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from taskapi.jobs.addresses import is_public

TIMEOUT = 15.0  # seconds for all of it, from the look-up to the end of the answer
ANSWER_LIMIT = 64 * 1024  # bytes, headers included
# The same words for what may not and for what cannot be reached, so that nobody can ask us what
# there is in our network.
UNREACHABLE = "The address could not be reached."
TOO_SLOW = "There was no answer within 15 seconds."


class Outcome(NamedTuple):
    """What came back: a status, or the reason why there is none."""

    status: int | None
    error: str | None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Receiver:
    """A place to post to; its connection is kept from one message to the next."""

    def __init__(self, url: str, *, allows_private: bool):
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._name = parts.netloc
        self._allows_private = allows_private
        self._connection: _Connection | None = None

    def post(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send it, and say what came of it; never raises for what the other side does."""
        deadline = time.monotonic() + TIMEOUT
        was_kept = self._connection is not None
        try:
            try:
                return self._post(headers, body, deadline)
            except (http.client.RemoteDisconnected, ConnectionError):
                if not was_kept:
                    raise
                self.close()  # they had closed the kept connection: nothing is wrong with that
                return self._post(headers, body, deadline)
        except TimeoutError:
            self.close()
            return Outcome(None, TOO_SLOW)
        except ssl.SSLCertVerificationError:
            self.close()
            return Outcome(None, "The TLS certificate is not valid for this host.")
        except _TooMuch:
            self.close()
            return Outcome(None, "The answer was too large.")
        except (OSError, http.client.HTTPException):
            self.close()
            return Outcome(None, UNREACHABLE)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, headers: Mapping[str, str], body: bytes, deadline: float) -> Outcome:
        if self._connection is None:
            self._connection = _Connection(self._host, self._port)
            self._connection.sock = self._connect(deadline)
        sock = self._connection.sock
        sock.limit_to(deadline, ANSWER_LIMIT)
        self._connection.request("POST", self._target, body, {"Host": self._name, **headers})
        response = self._connection.getresponse()
        try:
            response.read()
        except (_TooMuch, TimeoutError):
            self.close()  # the status is there, and the rest of the answer is not wanted
        if response.will_close:
            self.close()
        return Outcome(response.status, _reason(response.status))

    def _connect(self, deadline: float) -> Any:
        last: Exception = OSError(UNREACHABLE)
        for family, address in self._addresses(deadline):
            sock = _Socket(family, socket.SOCK_STREAM)
            sock.limit_to(deadline, ANSWER_LIMIT)
            try:
                sock.settimeout(_remaining(deadline))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._is_tls:
                    return sock
                sock.settimeout(_remaining(deadline))
                encrypted: Any = _tls().wrap_socket(sock, server_hostname=self._host)
                return encrypted
            except OSError as error:
                sock.close()
                last = error
        raise last

    def _addresses(self, deadline: float) -> list[tuple[int, Any]]:
        """Where the name leads; nowhere if a single one of its addresses is not public."""
        found = _look_up(self._host, self._port, deadline)
        if not self._allows_private and not all(is_public(where[0]) for _, where in found):
            raise OSError(UNREACHABLE)
        return found[:4]


class _TooMuch(Exception):
    pass


class _Socket(socket.socket):
    """Receives so much and no more, until a deadline."""

    _deadline = float("inf")
    _left = 0

    def limit_to(self, deadline: float, size: int) -> None:
        self._deadline, self._left = deadline, size

    def recv_into(self, buffer: Any, *_: Any, **__: Any) -> int:
        if self._left <= 0:
            raise _TooMuch
        self.settimeout(_remaining(self._deadline))
        count = super().recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(_remaining(self._deadline))
        super().sendall(*args, **kwargs)


class _TlsSocket(_Socket, ssl.SSLSocket):
    pass


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is already there: it never looks a name up by itself."""

    auto_open = 0
    sock: Any


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = _TlsSocket
    return context


def _look_up(host: str, port: int, deadline: float) -> list[tuple[int, Any]]:
    """The addresses of a name. The system's look-up knows no deadline, so a thread of its own."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=_remaining(deadline))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise OSError(UNREACHABLE) from answer
    return [(family, address) for family, _, _, _, address in answer]


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _reason(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"It answered {status}; redirects are not followed."
    return f"It answered {status}."
