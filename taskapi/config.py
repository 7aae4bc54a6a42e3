"""Settings: name, type, default and meaning of each."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flask import current_app

from taskapi.secret_key import is_weak, kept_secret

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"
MIGRATIONS = ROOT / "migrations"
PLATFORMS = ("DYNO", "RENDER", "RAILWAY_ENVIRONMENT")


class ConfigError(Exception):
    """An invalid or missing setting. The message begins with its name."""


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and len(raw) < 20 and low <= int(raw) <= high):
            raise ValueError(f"an integer from {low} to {high}")
        return int(raw)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in words:
            raise ValueError("one of " + ", ".join(words))
        return raw

    return parse


def flag(raw: str) -> bool:
    return one_of("0", "1")(raw) == "1"


def web_address(raw: str) -> str:
    parts = _parts(raw)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL such as https://tasks.example.org")
    return raw.rstrip("/")


def _parts(raw: str) -> SplitResult | None:
    """Split a URL; None if it is not valid."""
    try:
        parts = urlsplit(raw)
        return parts if parts.port != 0 else None  # reading .port validates it
    except ValueError:
        return None


def origins(raw: str) -> tuple[str, ...]:
    found = tuple(part.strip().rstrip("/") for part in raw.split(",") if part.strip())
    for origin in found:
        if origin != "*" and web_address(origin).count("/") != 2:
            raise ValueError("origins such as https://app.example.org, separated by commas")
    return found


def database_url(raw: str) -> str:
    kind, _, rest = raw.partition("://")
    if kind == "sqlite" and rest.startswith("/") and rest not in ("/", "/:memory:"):
        # A file: in memory every connection would have its own database. A relative path means
        # the instance folder, for the server, migrations and commands alike.
        return f"sqlite:///{INSTANCE / rest[1:]}"
    is_postgres = kind in ("postgres", "postgresql", "postgresql+psycopg")
    if not is_postgres or not rest or _parts(raw) is None:
        raise ValueError("a URL such as postgresql://user:password@host/name")
    return f"postgresql+psycopg://{rest}"


def redis_url(raw: str) -> str:
    if _parts(raw) is None or not raw.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("a URL such as redis://host:6379/0")
    return "redis+" + raw if raw.startswith("unix://") else raw


def log_level(raw: str) -> str:
    return one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")(raw.upper())


def setting(default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The validated settings. Each is read from the variable with its name in capitals."""

    taskapi_env: str = setting(
        "development",
        one_of("development", "production"),
        "`production` on Heroku, Render and Railway",
    )
    secret_key: str = setting(
        "", str, "signs tokens; at least 32 bytes; `new,old` rotates; generated in development"
    )
    database_url: str = setting(
        f"sqlite:///{INSTANCE / 'taskapi.sqlite3'}",
        database_url,
        "`postgresql://…`, or `sqlite:///…` relative to `instance/`",
    )
    database_pool_size: int = setting(5, whole(1, 1000), "connections kept open per worker")
    database_max_overflow: int = setting(10, whole(0, 1000), "additional connections per worker")
    database_prepared: bool = setting(
        True, flag, "0 turns prepared statements off, for PgBouncer before 1.21"
    )
    database_statement_timeout: int = setting(
        10, whole(1, 3600), "seconds after which PostgreSQL cancels a statement of a web request"
    )
    allow_ephemeral_sqlite: bool = setting(False, flag, "1 allows SQLite on an ephemeral disk")
    redis_url: str | None = setting(
        None, redis_url, "where rate limits are counted; in memory if unset"
    )
    rate_limit_per_minute: int = setting(
        60, whole(0, 10_000_000), "requests of a client; 0 is no limit"
    )
    rate_limit_auth_per_minute: int = setting(
        10, whole(0, 10_000_000), "registrations, logins and refreshes of an address; 0 is no limit"
    )
    access_token_expire_minutes: int = setting(30, whole(1, 1440), "lifetime of an access token")
    refresh_token_expire_days: int = setting(30, whole(1, 365), "lifetime of a refresh token")
    bcrypt_rounds: int = setting(
        12, whole(4, 16), "cost of a password hash; below 12 only in development"
    )
    password_min_length: int = setting(8, whole(8, 128), "minimum length of a new password")
    registration: str = setting(
        "open", one_of("open", "closed"), "`open`, or `closed`: only admins create users"
    )
    cors_origins: tuple[str, ...] = setting(
        (), origins, "origins that may call the API from a browser, separated by commas"
    )
    trusted_proxies: int = setting(
        0, whole(0, 10), "number of reverse proxies in front of the service; default 1 on Heroku"
    )
    public_url: str | None = setting(
        None, web_address, "base URL of absolute links (password reset, calendar)"
    )
    host: str = setting("127.0.0.1", str, "address to listen on; `0.0.0.0` in production")
    port: int = setting(8000, whole(1, 65535), "port to listen on")
    web_concurrency: int = setting(
        1, whole(1, 128), "worker processes; one per core with Redis, else 1"
    )
    web_threads: int = setting(4, whole(1, 128), "threads per worker process")
    allow_split_limits: bool = setting(
        False, flag, "1 allows several workers without Redis; each counts limits separately"
    )
    worker: str = setting(
        "embedded", one_of("embedded", "off"), "`off` if `flask worker` runs as a separate process"
    )
    webhook_allow_private: bool = setting(
        False, flag, "1 allows webhooks to private addresses, for tests and closed networks"
    )
    log_level: str = setting("INFO", log_level, "minimum level of log messages")
    metrics_token: str | None = setting(None, str, "bearer token for `/metrics`; 404 without it")
    sentry_dsn: str | None = setting(
        None, str, "reports errors to Sentry if `sentry-sdk` is installed"
    )
    admin_username: str | None = setting(None, str, "username for `flask users ensure-admin`")
    admin_email: str | None = setting(None, str, "e-mail for `flask users ensure-admin`")
    admin_password: str | None = setting(None, str, "password for `flask users ensure-admin`")

    @property
    def is_production(self) -> bool:
        return self.taskapi_env == "production"

    @property
    def uses_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """All keys: the first one signs, each verifies."""
        return tuple(part.strip() for part in self.secret_key.split(",") if part.strip())

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and validate all settings; raise ConfigError for the first invalid one."""
        given: dict[str, Any] = {}
        for each in fields(cls):
            name = each.name.upper()
            raw = env.get(name, "").strip()
            if not raw:
                continue
            try:
                given[each.name] = each.metadata["parse"](raw)
            except ValueError as error:
                raise ConfigError(f"{name} must be {error}.") from None
        _set_dependent_defaults(given, env)
        settings = cls(**given)
        _validate(settings, env)
        return settings


SETTING_NAMES = [each.name.upper() for each in fields(Settings)]


def as_environment(config: Mapping[str, Any]) -> dict[str, str]:
    """Convert values given by a program to environment variables."""
    words = {True: "1", False: "0", None: ""}
    return {
        name: words[value] if value is None or isinstance(value, bool) else str(value)
        for name, value in config.items()
    }


def _set_dependent_defaults(given: dict[str, Any], env: Mapping[str, str]) -> None:
    platform = next((name for name in PLATFORMS if env.get(name)), None)
    if platform:
        given["taskapi_env"] = "production"
    production = given.get("taskapi_env") == "production"
    if platform == "DYNO":
        given.setdefault("trusted_proxies", 1)
    elif platform and "trusted_proxies" not in given:
        raise ConfigError(
            f"TRUSTED_PROXIES must be set on this platform ({platform}): the number of proxies "
            "in front of the service (render.yaml sets it)."
        )
    given.setdefault("host", "0.0.0.0" if production else "127.0.0.1")
    if "redis_url" in given:
        if platform == "DYNO":
            given["redis_url"] = _without_certificate_check(given["redis_url"])
        given.setdefault("web_concurrency", os.cpu_count() or 1)
    elif not given.get("allow_split_limits"):
        # Without Redis each worker process would count limits separately.
        given["web_concurrency"] = 1
    if not production and "secret_key" not in given:
        given["secret_key"] = kept_secret(INSTANCE / "secret_key")


def _without_certificate_check(url: str) -> str:
    """Heroku Key-Value Store uses a self-signed certificate, which cannot be verified."""
    if not url.startswith("rediss://") or "ssl_cert_reqs" in url:
        return url
    return url + ("&" if "?" in url else "?") + "ssl_cert_reqs=none"


def _validate(settings: Settings, env: Mapping[str, str]) -> None:
    if not settings.secret_keys:
        raise ConfigError(
            "SECRET_KEY must be set in production. Generate one with: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    for key in settings.secret_keys:
        if len(key.encode()) < 32:
            raise ConfigError("SECRET_KEY must be at least 32 bytes long.")
        if settings.is_production and is_weak(key):
            raise ConfigError("SECRET_KEY must not be a known example.")
    if settings.is_production and settings.bcrypt_rounds < 12:
        raise ConfigError("BCRYPT_ROUNDS must be at least 12 in production.")
    on_ephemeral_disk = env.get("DYNO") or env.get("RENDER")
    if settings.uses_sqlite and on_ephemeral_disk and not settings.allow_ephemeral_sqlite:
        raise ConfigError(
            "DATABASE_URL must be a PostgreSQL URL on this platform, which deletes local files at "
            "every restart. ALLOW_EPHEMERAL_SQLITE=1 allows SQLite."
        )


def settings() -> Settings:
    """Return the settings of the current application."""
    found: Settings = current_app.extensions["settings"]
    return found
