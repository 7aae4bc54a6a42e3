"""What every request passes through: its id, its log line, its security headers, CORS."""

from __future__ import annotations

import logging
import re
import sys
import time
import uuid
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from taskapi.config import Settings
from taskapi.db import now
from taskapi.errors import ApiError
from taskapi.models import event
from taskapi.models.session import network_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_WITH_PORT = re.compile(r"(?:\[([^]]+)\]|([0-9.]+)):[0-9]+", re.ASCII)
SECRET_PATH = re.compile(r"(/calendar/)[^/]+")

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)
UNLESS_GIVEN = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "private, no-cache"),
)
# Tokens are not to be kept, and what goes wrong around them neither.
KEEP_NOTHING = ("Cache-Control", "no-store")
_IS_ABOUT_TOKENS = re.compile(r"/api/v1/(auth|users/[^/]+/reset-token)(/|$)")
HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
EXPOSED = (
    "ETag, Link, Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Request-ID, Idempotency-Replayed"
)
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, X-Request-ID"
)

log = logging.getLogger("taskapi.request")


def init_app(app: Flask, config: Settings) -> None:
    app.before_request(_require_host)
    app.wsgi_app = Frame(app.wsgi_app, config)  # type: ignore[method-assign]
    if config.trusted_proxies:
        hops = config.trusted_proxies
        # Proxies append to the chain of addresses, but most replace the scheme: with fewer
        # schemes than hops, the nearest proxy's word holds.
        counted = ProxyFix(app.wsgi_app, x_for=0, x_proto=hops, x_host=0)
        app.wsgi_app = ProxyFix(counted, x_for=hops, x_proto=1, x_host=0)  # type: ignore[method-assign]


@lru_cache(maxsize=1024)
def plain_address(raw: str) -> str:
    """One spelling for each address; a proxy may add a port, and what is none is left out."""
    found = _WITH_PORT.fullmatch(raw.strip())
    host = found[1] or found[2] if found else raw.strip().strip("[]")
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_network() -> str:
    """Whom limits count where nobody is signed in."""
    return network_of(request.remote_addr or "")


def request_id() -> str:
    return event.origin.get().request_id or ""


def _require_host() -> None:
    environ = request.environ
    if "HTTP_HOST" not in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise ApiError("The Host header is missing.")  # RFC 9112; gunicorn leaves it to us


class Frame:
    """Around the whole application, so that no answer leaves without its id, headers and line."""

    def __init__(self, app: WSGIApplication, config: Settings):
        self._app = app
        self._origins = config.cors_origins

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else str(uuid.uuid4())
        environ["REMOTE_ADDR"] = address = plain_address(environ.get("REMOTE_ADDR") or "")
        event.origin.set(event.Origin(address=address, request_id=request_id))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if _IS_ABOUT_TOKENS.match(environ["PATH_INFO"]):
                headers.append(KEEP_NOTHING)
            names = {name.lower() for name, _ in headers}
            headers.append(("X-Request-ID", request_id))
            headers += SECURITY_HEADERS
            headers += [header for header in UNLESS_GIVEN if header[0].lower() not in names]
            if environ["wsgi.url_scheme"] == "https":
                headers.append(HSTS)
            if self._origins:
                headers += self._cors_headers(environ)
            self._log(environ, int(status[:3]), started)
            return start_response(status, headers, exc_info)

        is_preflight = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        if is_preflight and environ["REQUEST_METHOD"] == "OPTIONS":
            start("204 No Content", [])  # comes without a token and is never limited
            return ()
        return self._app(environ, start)

    def _cors_headers(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        headers = [("Vary", "Origin")]
        origin = environ.get("HTTP_ORIGIN")
        if origin and (origin in self._origins or "*" in self._origins):
            headers.append(("Access-Control-Allow-Origin", origin))
            headers.append(("Access-Control-Expose-Headers", EXPOSED))
            if environ["REQUEST_METHOD"] == "OPTIONS":
                headers.append(("Access-Control-Allow-Methods", METHODS))
                headers.append(("Access-Control-Allow-Headers", REQUEST_HEADERS))
                headers.append(("Access-Control-Max-Age", "600"))
        return headers

    def _log(self, environ: WSGIEnvironment, status: int, started: float) -> None:
        origin = event.origin.get()
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        fields = {
            "request_id": origin.request_id,
            "method": environ["REQUEST_METHOD"],
            "path": SECRET_PATH.sub(r"\1…", path),
            "status": status,
            "duration_ms": round((time.perf_counter() - started) * 1000, 2),
            "user": origin.actor_id,
            "address": origin.address,
        }
        log.info("request", extra={"fields": fields})


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": now(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line.setdefault("request_id", event.origin.get().request_id)
        return orjson.dumps(line, default=str).decode()


def log_as_json(level: str) -> None:
    """Send our log lines, and those of the libraries from WARNING up, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("taskapi").setLevel(level)
    # What our lines do not show need not be looked up for each of them.
    logging.logThreads = logging.logMultiprocessing = False  # gunicorn shows the process
    logging._srcfile = None  # the documented way to say so
