"""Rate limits: a moving window per client, in one round trip, with memory to fall back on."""

import hashlib
import logging
import math
import threading
import time
from typing import Any, NamedTuple, cast

from flask import Flask, current_app, request
from flask_limiter import Limiter
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import STRATEGIES, MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.retry import Retry

from taskapi.config import Settings, settings
from taskapi.errors import RateLimited
from taskapi.web.requests import client_address

STRATEGY = "one-trip-moving-window"
TIMEOUT = 0.2  # seconds that a Redis in trouble may cost
PAUSE = 1.0  # seconds before it is asked again

log = logging.getLogger("taskapi.limits")

# By Redis's own clock, so that all machines share one. The list holds the window's hits, newest
# first; answers {allowed, hits in the window, microseconds until the oldest leaves it}.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = ARGV[2] * 1000000
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and oldest + window <= now do
  redis.call('RPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], -1)
end
local hits = redis.call('LLEN', KEYS[1])
local allowed = hits < tonumber(ARGV[1])
if allowed then
  redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  hits = hits + 1
end
return {allowed and 1 or 0, hits, (oldest or now) + window - now}
"""


TAKE_SHA = hashlib.sha1(TAKE.encode(), usedforsecurity=False).hexdigest()


class Taken(NamedTuple):
    allowed: bool
    remaining: int
    resets_in: float


class OneTripMovingWindow(MovingWindowRateLimiter):
    """Flask-Limiter's strategy, with the count and the window's end in the same answer."""

    def __init__(self, storage: Any):
        super().__init__(storage)
        self._pool = storage.storage.connection_pool if isinstance(storage, RedisStorage) else None
        self._of_thread = threading.local()

    def take(self, per_minute: int, client: str) -> Taken:
        if self._pool is not None:
            allowed, hits, micros = self._ask_redis(f"taskapi:limit:{client}", per_minute)
            return Taken(bool(allowed), per_minute - hits, micros / 1e6)
        item = RateLimitItemPerMinute(per_minute)
        allowed = self.hit(item, client)
        reset_at, remaining = self.get_window_stats(item, client)
        return Taken(allowed, remaining, reset_at - time.time())

    def _ask_redis(self, key: str, per_minute: int) -> Any:
        """On a connection of this thread: to borrow one costs more than to ask."""
        connection = getattr(self._of_thread, "connection", None)
        if connection is None:
            assert self._pool is not None
            connection = self._of_thread.connection = self._pool.make_connection()
        arguments = (1, key, per_minute, 60)
        try:
            return self._send(connection, "EVALSHA", TAKE_SHA, *arguments)
        except (NoScriptError, RedisConnectionError):  # a Redis that has started anew
            return self._send(connection, "EVAL", TAKE, *arguments)

    @staticmethod
    def _send(connection: Any, *command: Any) -> Any:
        try:
            connection.send_command(*command, check_health=False)
            return connection.read_response()
        except NoScriptError:
            raise
        except BaseException:
            connection.disconnect()  # whatever still comes answers something else
            raise


STRATEGIES[STRATEGY] = OneTripMovingWindow


class Store:
    """Where limits are counted: Flask-Limiter's storage, and memory while that is away."""

    def __init__(self, window: OneTripMovingWindow) -> None:
        self.away_until = 0.0
        self._window = window
        self._memory: OneTripMovingWindow | None = None

    def is_reachable(self) -> bool:
        return bool(self._window.storage.check())

    def take(self, per_minute: int, client: str) -> Taken:
        if time.monotonic() >= self.away_until:
            try:
                return self._window.take(per_minute, client)
            except self._window.storage.base_exceptions as error:
                self.away_until = time.monotonic() + PAUSE
                log.warning("limits are counted in memory: %s", type(error).__name__)
        if self._memory is None:
            self._memory = OneTripMovingWindow(MemoryStorage())
        return self._memory.take(per_minute, client)


def init_app(app: Flask, config: Settings) -> None:
    options: Any = {
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }
    limiter = Limiter(
        client_address,
        # An application of its own: in ours its hooks would run at each request, and ask again
        # what routing asks once it knows who is calling.
        app=Flask("limits"),
        strategy=STRATEGY,
        storage_uri=config.redis_url or "memory://",
        storage_options=options if config.redis_url else {},
    )
    app.extensions["limiter"] = {limiter}
    app.extensions["limit_store"] = Store(cast(OneTripMovingWindow, limiter.limiter))


def limit_requests(client: str) -> None:
    _limit(settings().rate_limit_per_minute, client)


def limit_sign_ins(kind: str, address: str) -> None:
    """The tighter bucket of each kind of request that tries credentials."""
    _limit(settings().rate_limit_auth_per_minute, f"{kind}:{address}")


def _limit(per_minute: int, client: str) -> None:
    if not per_minute:
        return
    taken = current_app.extensions["limit_store"].take(per_minute, client)
    request.environ["taskapi.limit_headers"] = (
        ("X-RateLimit-Limit", str(per_minute)),
        ("X-RateLimit-Remaining", str(max(0, taken.remaining))),
        ("X-RateLimit-Reset", str(math.ceil(time.time() + taken.resets_in))),
    )
    if not taken.allowed:
        request.environ["taskapi.is_over_limit"] = True
        raise RateLimited("Too many requests; slow down.", retry_after=math.ceil(taken.resets_in))
