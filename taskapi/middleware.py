"""Request ids, log lines, security headers, CORS and proxies."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from taskapi.config import Settings
from taskapi.errors import ApiError
from taskapi.extensions import cors
from taskapi.logging import log_request
from taskapi.models import event
from taskapi.models.session import network_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_WITH_PORT = re.compile(r"(?:\[([^]]+)\]|([0-9.]+)):[0-9]+", re.ASCII)

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)
DEFAULT_HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "private, no-cache"),
)
# Responses with tokens, and errors of these routes, must not be cached.
NO_STORE = ("Cache-Control", "no-store")
_IS_ABOUT_TOKENS = re.compile(r"/api/v1/(auth|users/[^/]+/reset-token)(/|$)")
HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


def init_app(app: Flask, config: Settings) -> None:
    app.before_request(_require_host)
    app.after_request(_remove_empty_type)
    if config.cors_origins:
        # Escaped, because Flask-CORS takes an origin with brackets (IPv6) for a pattern.
        origins = [re.escape(origin) + r"\Z" for origin in config.cors_origins]
        cors.init_app(app, origins="*" if "*" in config.cors_origins else origins)
        app.after_request(_vary_by_origin)
    app.wsgi_app = RequestMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    if config.trusted_proxies:
        hops = config.trusted_proxies
        # Proxies append to X-Forwarded-For, but most replace X-Forwarded-Proto. With fewer schemes
        # than hops, the scheme of the nearest proxy counts.
        counted = ProxyFix(app.wsgi_app, x_for=0, x_proto=hops, x_host=0)
        app.wsgi_app = ProxyFix(counted, x_for=hops, x_proto=1, x_host=0)  # type: ignore[method-assign]


@lru_cache(maxsize=1024)
def normalized_address(raw: str) -> str:
    """Normalise an address and remove a port; an invalid one becomes an empty string."""
    found = _WITH_PORT.fullmatch(raw.strip())
    host = found[1] or found[2] if found else raw.strip().strip("[]")
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_network() -> str:
    """Return the network for which limits count requests without a token."""
    return network_of(request.remote_addr or "")


def request_id() -> str:
    return event.origin.get().request_id or ""


def _require_host() -> None:
    environ = request.environ
    if "HTTP_HOST" not in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise ApiError("Missing Host header.")  # RFC 9112; gunicorn does not check it


def _remove_empty_type(response: Response) -> Response:
    if request.method == "OPTIONS" and not response.data:  # Flask sets text/html
        del response.headers["Content-Type"]
    return response


def _vary_by_origin(response: Response) -> Response:
    response.vary.add("Origin")  # Flask-CORS does so for the allowed origins only
    return response


class RequestMiddleware:
    """Add the request id, headers and log line to every response."""

    def __init__(self, app: WSGIApplication):
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _VALID_ID.fullmatch(given) else str(uuid.uuid4())
        environ["REMOTE_ADDR"] = address = normalized_address(environ.get("REMOTE_ADDR") or "")
        event.origin.set(event.Origin(address=address, request_id=request_id))
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if _IS_ABOUT_TOKENS.match(path):
                headers.append(NO_STORE)
            names = {name.lower() for name, _ in headers}
            headers.append(("X-Request-ID", request_id))
            headers += SECURITY_HEADERS
            headers += [header for header in DEFAULT_HEADERS if header[0].lower() not in names]
            if environ["wsgi.url_scheme"] == "https":
                headers.append(HSTS)
            log_request(method, path, int(status[:3]), time.perf_counter() - started)
            return start_response(status, headers, exc_info)

        return self._app(environ, start)
