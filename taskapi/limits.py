"""Rate limits: Flask-Limiter, which counts in memory while Redis is away."""

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_limiter import RateLimitExceeded
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter
from limits.util import WindowStats
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskapi.config import Settings, settings
from taskapi.error_handlers import answer_error
from taskapi.errors import RateLimited
from taskapi.extensions import limiter
from taskapi.middleware import client_network

TIMEOUT = 0.12  # seconds for each trip to a Redis that does not answer
LONGEST_GAP = 60.0  # seconds between two attempts to reach it again
log = logging.getLogger("taskapi.limits")


# A moving window as the strategy of `limits` counts it, with its statistics in the same trip: two
# trips take a tenth of a small request's time. The list holds the hits, the newest first.
MOVING_WINDOW = """
local time = redis.call('TIME')
local now, window = time[1] + time[2] / 1000000, tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and oldest + window <= now do
  redis.call('RPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], -1)
end
local hits = redis.call('LLEN', KEYS[1])
local allowed = hits < tonumber(ARGV[1])
if allowed then
  redis.call('LPUSH', KEYS[1], string.format('%.6f', now))
  redis.call('EXPIRE', KEYS[1], window)
  hits = hits + 1
end
return {allowed and 1 or 0, hits, string.format('%.6f', (oldest or now) + window)}
"""
Hit = Callable[[RateLimitItem, str], tuple[bool, WindowStats]]


class DefaultLimit:
    """The limit on all requests of a client, counted in the storage of Flask-Limiter.

    Its decorators would take a fifth of a small request's time, and its fallback works only
    inside of them.
    """

    def __init__(self, window: RateLimiter, hit: Hit | None = None):
        self._window = window
        self._hit = hit or partial(_hit, window)
        self._memory = MovingWindowRateLimiter(MemoryStorage())
        self._gap = self._retry_at = 0.0

    def is_reachable(self) -> bool:
        return self._window.storage.check()

    def hit(self, limit: RateLimitItem, client: str) -> tuple[bool, WindowStats]:
        now = time.monotonic()
        if now >= self._retry_at:
            self._retry_at = now + self._gap  # the other threads do not try at the same time
            try:
                taken = self._hit(limit, client)
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


def _hit_redis(url: str, options: dict[str, Any]) -> Hit:
    script = Redis.from_url(url, **options).register_script(MOVING_WINDOW)

    def hit(limit: RateLimitItem, client: str) -> tuple[bool, WindowStats]:
        key = f"taskapi:window:{client}"
        found: Any = script(keys=[key], args=[limit.amount, limit.get_expiry()])
        is_allowed, hits, resets_at = found
        return bool(is_allowed), WindowStats(float(resets_at), limit.amount - hits)

    return hit


def init_app(app: Flask, config: Settings) -> None:
    app.config["RATELIMIT_STORAGE_URI"] = config.redis_url or "memory://"
    hit = None
    if config.redis_url:
        options = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        }
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {"key_prefix": "taskapi", **options}
        hit = _hit_redis(config.redis_url, options)
    limiter.init_app(app)
    app.extensions["default_limit"] = DefaultLimit(MovingWindowRateLimiter(limiter.storage), hit)
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
