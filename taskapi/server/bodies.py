"""Bodies as they come in, piece by piece: of a known length, or in chunks."""

import re
from urllib.parse import unquote

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkExtension, InvalidChunkSize

from taskapi.routes.transfer import IMPORT_LIMIT
from taskapi.web.inputs import BODY_LIMIT

# Bodies that are being collected may together take this much of a worker's memory.
HELD_LIMIT = 64 * 1024 * 1024
SMALL_BODY = 64 * 1024
LINE_LIMIT = 4096
TRAILER_LIMIT = 8192

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class SizedBody:
    def __init__(self, length: int):
        self.content = bytearray()
        self.rest = b""  # what came behind it
        self._length = length

    def feed(self, data: bytes) -> bool:
        """Take the next piece; is it complete?"""
        missing = self._length - len(self.content)
        self.content += data[:missing]
        self.rest = data[missing:]
        return len(self.content) == self._length


class ChunkedBody:
    """Strict, because what one server takes for a body another may take for a request."""

    def __init__(self, limit: int):
        self.content = bytearray()
        self._limit = limit
        self._raw = bytearray()
        self._left = 0  # of the chunk at hand
        self._trailers = 0
        self._step = self._read_size
        self._is_done = False

    @property
    def is_too_large(self) -> bool:
        return len(self.content) > self._limit

    @property
    def rest(self) -> bytes:
        return bytes(self._raw)

    def feed(self, data: bytes) -> bool:
        """Take the next piece; is it complete, or too large to go on?"""
        self._raw += data
        while not (self._is_done or self.is_too_large) and self._step():
            pass
        return self._is_done or self.is_too_large

    def _read_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size = _SIZE.match(line)
        if size is None:
            raise InvalidChunkSize(line)
        if not CHUNK_EXT_RE.fullmatch(line, size.end()):
            raise InvalidChunkExtension("not an extension")
        self._left = int(size[0], 16)
        self._step = self._read_data if self._left else self._read_trailer
        return True

    def _read_data(self) -> bool:
        piece = self._raw[: self._left]
        del self._raw[: len(piece)]
        self.content += piece
        self._left -= len(piece)
        if self._left:
            return False
        self._step = self._read_end
        return True

    def _read_end(self) -> bool:
        if len(self._raw) < 2:
            return False
        if self._raw[:2] != b"\r\n":
            raise ChunkMissingTerminator(b"")
        del self._raw[:2]
        self._step = self._read_size
        return True

    def _read_trailer(self) -> bool:
        """Trailers are checked and dropped: nobody here asks for them."""
        line = self._line()
        if line is None:
            return False
        self._is_done = not line
        self._trailers += len(line)
        if line and (self._trailers > TRAILER_LIMIT or not _TRAILER.fullmatch(line)):
            raise InvalidChunkSize(b"")
        return True

    def _line(self) -> bytes | None:
        end = self._raw.find(b"\n")
        if end < 0 and len(self._raw) <= LINE_LIMIT:
            return None
        if not 0 < end <= LINE_LIMIT or self._raw[end - 1 : end] != b"\r":
            raise InvalidChunkSize(b"")
        line = bytes(self._raw[: end - 1])
        del self._raw[: end + 1]
        return line


def body_limit(path: str) -> int:
    """How long a body the application takes there."""
    is_import = unquote(path).rstrip("/").endswith("/tasks/import")
    return IMPORT_LIMIT if is_import else BODY_LIMIT
