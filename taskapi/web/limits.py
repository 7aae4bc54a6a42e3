"""Rate limits: Flask-Limiter, which counts in memory while Redis is away."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_limiter import RateLimitExceeded
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter
from limits.util import WindowStats
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskapi.config import Settings, settings
from taskapi.errors import RateLimited
from taskapi.extensions import limiter
from taskapi.web.errors import answer_error
from taskapi.web.requests import client_network

TIMEOUT = 0.12  # seconds for each of the two trips to a Redis that does not answer
LONGEST_GAP = 60.0  # seconds between two attempts to reach it again
log = logging.getLogger("taskapi.limits")


class DefaultLimit:
    """The limit on all requests of a client, counted by Flask-Limiter's own strategy.

    Its decorators would take a fifth of a small request's time, and its fallback works only
    inside of them.
    """

    def __init__(self, window: RateLimiter):
        self._window = window
        self._memory = MovingWindowRateLimiter(MemoryStorage())
        self._gap = self._retry_at = 0.0

    def is_reachable(self) -> bool:
        return self._window.storage.check()

    def hit(self, limit: RateLimitItem, client: str) -> tuple[bool, WindowStats]:
        now = time.monotonic()
        if now >= self._retry_at:
            self._retry_at = now + self._gap  # the other threads do not try at the same time
            try:
                taken = _hit(self._window, limit, client)
            except self._window.storage.base_exceptions as error:
                self._gap = min(2 * self._gap or 1.0, LONGEST_GAP)
                self._retry_at = time.monotonic() + self._gap
                log.warning("Limits are counted in memory: %s", type(error).__name__)
            else:
                self._gap = self._retry_at = 0.0
                return taken
        return _hit(self._memory, limit, client)


def _hit(window: RateLimiter, limit: RateLimitItem, client: str) -> tuple[bool, WindowStats]:
    is_allowed = window.hit(limit, client)
    return is_allowed, window.get_window_stats(limit, client)


def init_app(app: Flask, config: Settings) -> None:
    app.config["RATELIMIT_STORAGE_URI"] = config.redis_url or "memory://"
    if config.redis_url:
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {
            "key_prefix": "taskapi",
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        }
    limiter.init_app(app)
    app.extensions["default_limit"] = DefaultLimit(MovingWindowRateLimiter(limiter.storage))
    app.register_error_handler(RateLimitExceeded, _answer_exceeded)
    app.after_request(_add_headers)


def limit_requests(client: str) -> None:
    """Count a request of this client, or of this address; raise beyond RATE_LIMIT_PER_MINUTE."""
    if per_minute := settings().rate_limit_per_minute:
        default: DefaultLimit = current_app.extensions["default_limit"]
        is_allowed, window = default.hit(RateLimitItemPerMinute(per_minute), client)
        g.rate_limit = per_minute, window
        if not is_allowed:
            raise _too_many(window)


def limit_sign_ins(view: Callable[..., Any]) -> Callable[..., Any]:
    """The tighter limit of each route that tries credentials, for an address."""
    return limiter.limit(
        lambda: f"{settings().rate_limit_auth_per_minute}/minute",
        key_func=client_network,
        exempt_when=lambda: not settings().rate_limit_auth_per_minute,
    )(view)


@limiter.request_filter
def _has_no_sign_in() -> bool:
    """Spare all other requests most of what Flask-Limiter does for each."""
    return request.blueprint != "auth"


def _window_of_sign_in() -> tuple[int, WindowStats] | None:
    limit = limiter.current_limit
    if limit is None:
        return None
    try:
        return limit.limit.amount, limit.window
    except limiter.storage.base_exceptions:  # Redis went away since it was counted there
        return limit.limit.amount, WindowStats(time.time() + 60, 0)


def _answer_exceeded(_: RateLimitExceeded) -> Response:
    g.rate_limit = _window_of_sign_in()
    return answer_error(_too_many(g.rate_limit[1]))


def _too_many(window: WindowStats) -> RateLimited:
    g.is_over_limit = True
    wait = math.ceil(window.reset_time - time.time())
    return RateLimited("Too many requests; slow down.", retry_after=wait)


def _add_headers(response: Response) -> Response:
    if found := g.get("rate_limit") or _window_of_sign_in():
        amount, window = found
        response.headers["X-RateLimit-Limit"] = str(amount)
        response.headers["X-RateLimit-Remaining"] = str(max(0, window.remaining))
        response.headers["X-RateLimit-Reset"] = str(math.ceil(window.reset_time))
    return response
