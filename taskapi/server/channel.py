"""A client's socket, and how long a client may take."""

import fcntl
import selectors
import socket
import struct
import termios
import time
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any

PIECE = 64 * 1024
KEPT_IN_MEMORY = 256 * 1024
KEPT_AT_MOST = 64 * 1024 * 1024  # of one answer; beyond, its thread waits for the reader
RATE = 1024  # bytes a second, the least that counts as going on
# The systems' own buffers pass a slow reader's progress on in steps of 64 KiB.
ANSWER_GRACE = 60.0


class Patience:
    """A moment at which to give up, which each KiB moves on, at most `grace` seconds ahead."""

    def __init__(self, grace: float):
        self._grace = grace
        self.ends_at = time.monotonic() + grace

    def reward(self, size: int) -> None:
        self.ends_at = min(time.monotonic() + self._grace, self.ends_at + size / RATE)


class Channel(socket.socket):
    """Takes a whole answer at once, and keeps what the client does not take yet."""

    def __init__(self, accepted: socket.socket):
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self.setblocking(False)
        self._gathered = bytearray()
        self._kept: SpooledTemporaryFile[bytes] | None = None
        self._kept_size = self._kept_sent = 0
        self._sent = 0
        self._seen = 0  # of what the client has acknowledged

    @property
    def has_unsent(self) -> bool:
        return self._kept is not None

    def sendall(self, data: Any, flags: int = 0) -> None:
        """What gunicorn's Response calls: head and body then leave together."""
        self._gathered += data
        if len(self._gathered) >= PIECE:
            self.push()

    def push(self) -> None:
        """Send what was gathered, as far as the client takes it now."""
        data = memoryview(bytes(self._gathered))
        self._gathered.clear()
        if self._kept is None:
            data = data[self._send_some(data) :]
        if data:
            self._keep(data)
        if self._kept_size - self._kept_sent > KEPT_AT_MOST:
            self._wait_for_reader()

    def send_kept(self) -> bool:
        """Send on what was kept; is all of it gone?"""
        while self._kept is not None:
            self._kept.seek(self._kept_sent)
            piece = self._kept.read(PIECE)
            sent = self._send_some(piece)
            self._kept_sent += sent
            if self._kept_sent == self._kept_size:
                self._forget_kept()
            elif sent < len(piece):
                return False
        return True

    def newly_taken(self) -> int:
        """How many bytes the client has acknowledged since this was last asked."""
        waiting = bytearray(4)
        with suppress(OSError):  # on a system that cannot tell, what it has accepted must do
            fcntl.ioctl(self, termios.TIOCOUTQ, waiting)
        taken = self._sent - int(struct.unpack("i", waiting)[0])
        self._seen, newly = taken, taken - self._seen
        return newly

    def close(self) -> None:
        self._forget_kept()
        super().close()

    def _send_some(self, data: bytes | memoryview) -> int:
        try:
            sent = self.send(data)
        except BlockingIOError:
            return 0
        self._sent += sent
        return sent

    def _keep(self, data: memoryview) -> None:
        if self._kept is None:
            self._kept = SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115  # see _forget_kept
        self._kept.seek(self._kept_size)
        self._kept.write(data)
        self._kept_size += len(data)

    def _forget_kept(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        self._kept_size = self._kept_sent = 0

    def _wait_for_reader(self) -> None:
        patience = Patience(ANSWER_GRACE)
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_WRITE)
            while not self.send_kept():
                patience.reward(self.newly_taken())
                if time.monotonic() > patience.ends_at:
                    raise TimeoutError("the answer is read too slowly")
                selector.select(1)
