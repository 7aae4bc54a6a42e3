"""Rate limits with Flask-Limiter, counted in memory while Redis is unavailable."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, g
from flask_limiter import RateLimitExceeded
from limits import RateLimitItemPerMinute, WindowStats
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from taskapi.config import Settings, settings
from taskapi.error_handlers import error_response
from taskapi.errors import RateLimited
from taskapi.extensions import limiter
from taskapi.middleware import client_network

TIMEOUT = 0.12  # seconds for each request to Redis
REDIS_OPTIONS: dict[str, Any] = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "retry": Retry(NoBackoff(), 0),
}
MAX_RETRY_GAP = 60.0  # seconds between two attempts to reconnect
log = logging.getLogger("taskapi.limits")

# A moving window and its statistics in one round trip. The strategy of `limits` needs two, which
# cost a tenth of a small request. The list contains the hits, newest first.
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


class DefaultLimit:
    """RATE_LIMIT_PER_MINUTE, without the cost of Flask-Limiter's decorators."""

    def __init__(self, per_minute: int, redis_url: str | None):
        self.limit = RateLimitItemPerMinute(per_minute)
        self._redis_url = redis_url
        self._of_thread = threading.local()
        self._memory = MovingWindowRateLimiter(MemoryStorage())
        self._gap = self._retry_at = 0.0

    def hit(self, client: str) -> tuple[bool, WindowStats]:
        """Count a request. Return whether it is allowed, and the state of the window."""
        now = time.monotonic()
        if self._redis_url is not None and now >= self._retry_at:
            self._retry_at = now + self._gap  # other threads do not retry at the same time
            amount, seconds = self.limit.amount, self.limit.get_expiry()
            try:
                script = self._script(self._redis_url)
                found: Any = script([f"taskapi:window:{client}"], [amount, seconds])
            except RedisError as error:
                self._gap = min(2 * self._gap or 1.0, MAX_RETRY_GAP)
                self._retry_at = time.monotonic() + self._gap
                log.warning("Redis unavailable (%s), counting in memory", type(error).__name__)
            else:
                self._gap = self._retry_at = 0.0
                is_allowed, hits, resets_at = found
                return bool(is_allowed), WindowStats(float(resets_at), amount - hits)
        is_allowed = self._memory.hit(self.limit, client)
        return is_allowed, self._memory.get_window_stats(self.limit, client)

    def _script(self, redis_url: str) -> Any:
        """Return the script on a connection of this thread, which is cheaper than a pool."""
        if not hasattr(self._of_thread, "count"):
            redis = Redis.from_url(redis_url, single_connection_client=True, **REDIS_OPTIONS)
            self._of_thread.count = redis.register_script(MOVING_WINDOW)
        return self._of_thread.count


def init_app(app: Flask, config: Settings) -> None:
    app.config["RATELIMIT_STORAGE_URI"] = config.redis_url or "memory://"
    if config.redis_url:
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {"key_prefix": "taskapi", **REDIS_OPTIONS}
    # If the extension finds itself registered, it adds no hooks, which cost a tenth of a small
    # request. Its decorators work without them.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    app.extensions["limiter_storage"] = limiter.storage
    if config.rate_limit_per_minute:
        app.extensions["default_limit"] = DefaultLimit(
            config.rate_limit_per_minute, config.redis_url
        )
    app.register_error_handler(RateLimitExceeded, _handle_exceeded)
    app.after_request(_add_headers)


def limit_requests(client: str) -> None:
    """Count a request of this client or address; raise RateLimited over the limit."""
    default: DefaultLimit | None = current_app.extensions.get("default_limit")
    if default is not None:
        is_allowed, window = default.hit(client)
        g.rate_limit = default.limit.amount, window
        if not is_allowed:
            raise _too_many(window)


def limit_sign_ins(view: Callable[..., Any]) -> Callable[..., Any]:
    """Apply RATE_LIMIT_AUTH_PER_MINUTE to a route, per address."""
    return limiter.limit(
        lambda: f"{settings().rate_limit_auth_per_minute}/minute",
        key_func=client_network,
        exempt_when=lambda: not settings().rate_limit_auth_per_minute,
    )(view)


def _window_of_sign_in() -> tuple[int, WindowStats] | None:
    limit = limiter.current_limit
    if limit is None:
        return None
    try:
        return limit.limit.amount, WindowStats(limit.reset_at, limit.remaining)
    except RedisError:  # unavailable since the request was counted
        return limit.limit.amount, WindowStats(time.time() + 60, 0)


def _handle_exceeded(_: RateLimitExceeded) -> Response:
    g.rate_limit = _window_of_sign_in()
    return error_response(_too_many(g.rate_limit[1]))


def _too_many(window: WindowStats) -> RateLimited:
    g.is_over_limit = True
    wait = math.ceil(window.reset_time - time.time())
    return RateLimited("Rate limit exceeded.", retry_after=wait)


def _add_headers(response: Response) -> Response:
    if found := g.get("rate_limit") or _window_of_sign_in():
        amount, window = found
        response.headers.extend(
            {
                "X-RateLimit-Limit": amount,
                "X-RateLimit-Remaining": max(0, window.remaining),
                "X-RateLimit-Reset": math.ceil(window.reset_time),
            }
        )
    return response
