"""What every request passes through: its id, its log line, its security headers, CORS."""

import logging
import re
import sys
import time
import uuid
from typing import Any

import orjson
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from taskapi.config import Settings, settings
from taskapi.models import event
from taskapi.moments import now

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_SECRET_PATH = re.compile(r"(/calendar/)[^/]+")

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)
STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'"
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
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    app.before_request(_begin)
    app.after_request(_finish)


def client_address() -> str:
    return request.remote_addr or ""


def _begin() -> Response | None:
    g.started = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else str(uuid.uuid4())
    g.user_id = None
    event.origin.set(event.Origin(address=client_address(), request_id=g.request_id))
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return Response(status=204)  # a preflight comes without a token and is never limited
    return None


def _finish(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-ID"] = g.request_id
    for name, value in SECURITY_HEADERS:
        headers[name] = value
    headers.setdefault("Content-Security-Policy", STRICT_POLICY)
    headers.setdefault("Cache-Control", "private, no-cache")
    if request.scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    for name, value in g.get("limit_headers", ()):
        headers[name] = value
    if settings().cors_origins:
        _allow_origin(response)
    _log(response)
    return response


def _allow_origin(response: Response) -> None:
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    allowed = settings().cors_origins
    if not origin or not (origin in allowed or "*" in allowed):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"


def _log(response: Response) -> None:
    fields = {
        "request_id": g.request_id,
        "method": request.method,
        "path": _SECRET_PATH.sub(r"\1…", request.path),
        "status": response.status_code,
        "duration_ms": round((time.perf_counter() - g.started) * 1000, 2),
        "user": g.user_id,
        "address": client_address(),
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
        if "request_id" not in line and g:
            line["request_id"] = g.get("request_id")
        return orjson.dumps(line, default=str).decode()


def log_as_json(level: str) -> None:
    """Send our log lines, and those of the libraries from WARNING up, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("taskapi").setLevel(level)
