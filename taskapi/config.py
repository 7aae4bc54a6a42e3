"""Every setting: its name, type, default and meaning, in one place."""

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
    """A setting that must stop the start; the sentence names it."""


def text(raw: str) -> str:
    return raw


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and len(raw) < 20 and low <= int(raw) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
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
        raise ValueError("an address such as https://tasks.example.org")
    return raw.rstrip("/")


def _parts(raw: str) -> SplitResult | None:
    """The parts of an address, or None where it is none."""
    try:
        parts = urlsplit(raw)
        return parts if parts.port != 0 else None  # asking for it is what checks it
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
        # A file: in memory each connection would have a database of its own. A relative path
        # means the instance folder, for the server, migrations and commands alike.
        return f"sqlite:///{INSTANCE / rest[1:]}"
    is_postgres = kind in ("postgres", "postgresql", "postgresql+psycopg")
    if not is_postgres or not rest or _parts(raw) is None:
        raise ValueError("an address such as postgresql://user:password@host/name")
    return f"postgresql+psycopg://{rest}"


def redis_url(raw: str) -> str:
    if _parts(raw) is None or not raw.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("an address such as redis://host:6379/0")
    return "redis+" + raw if raw.startswith("unix://") else raw


def log_level(raw: str) -> str:
    return one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")(raw.upper())


def setting(default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says, checked; a field's name in capitals is the variable's."""

    taskapi_env: str = setting(
        "development", one_of("development", "production"), "`production` on a known platform"
    )
    secret_key: str = setting(
        "",
        text,
        "signs tokens; at least 32 bytes; `new,old` rotates; made and kept in development",
    )
    database_url: str = setting(
        f"sqlite:///{INSTANCE / 'taskapi.sqlite3'}",
        database_url,
        "`postgres://…`; SQLite under `instance/` without it",
    )
    database_pool_size: int = setting(5, whole(1, 1000), "connections kept, per worker")
    database_max_overflow: int = setting(10, whole(0, 1000), "connections beyond, per worker")
    database_prepared: bool = setting(
        True, flag, "0 for a PgBouncer that cannot keep prepared statements"
    )
    database_statement_timeout: int = setting(
        10, whole(1, 3600), "seconds that a statement of a web request may take on PostgreSQL"
    )
    allow_ephemeral_sqlite: bool = setting(False, flag, "1 accepts SQLite on a platform's disk")
    redis_url: str | None = setting(None, redis_url, "where limits are counted; memory without it")
    rate_limit_per_minute: int = setting(60, whole(0, 10_000_000), "requests per client; 0 is off")
    rate_limit_auth_per_minute: int = setting(
        10, whole(0, 10_000_000), "registrations, logins, refreshes per address; 0 is off"
    )
    access_token_expire_minutes: int = setting(30, whole(1, 1440), "how long an access token lives")
    refresh_token_expire_days: int = setting(30, whole(1, 365), "how long a refresh token lives")
    bcrypt_rounds: int = setting(
        12, whole(4, 16), "cost of a password's hash; below 12 only in development"
    )
    password_min_length: int = setting(8, whole(8, 128), "characters a new password needs")
    registration: str = setting("open", one_of("open", "closed"), "who may register: all or none")
    cors_origins: tuple[str, ...] = setting(
        (), origins, "browsers' origins that may call, comma-separated"
    )
    trusted_proxies: int = setting(
        0, whole(0, 10), "proxies in front, counted from the right; 1 with `DYNO`"
    )
    public_url: str | None = setting(
        None, web_address, "for links that must be absolute (reset link, calendar)"
    )
    host: str = setting("127.0.0.1", text, "address to listen on; `0.0.0.0` in production")
    port: int = setting(8000, whole(1, 65535), "port to listen on")
    web_concurrency: int = setting(
        1, whole(1, 128), "worker processes; the cores with Redis, 1 without"
    )
    web_threads: int = setting(4, whole(1, 128), "threads of each worker")
    allow_split_limits: bool = setting(
        False, flag, "1 allows several workers without Redis; limits then add up"
    )
    worker: str = setting(
        "embedded", one_of("embedded", "off"), "`off` where `flask worker` runs by itself"
    )
    webhook_allow_private: bool = setting(
        False, flag, "1 lets webhooks call private addresses; for tests and closed networks"
    )
    log_level: str = setting("INFO", log_level, "least level that is logged")
    metrics_token: str | None = setting(None, text, "opens `/metrics`; 404 without it")
    sentry_dsn: str | None = setting(
        None, text, "reports errors to Sentry where `sentry-sdk` is installed"
    )
    admin_username: str | None = setting(None, text, "for `flask users ensure-admin`")
    admin_email: str | None = setting(None, text, "for `flask users ensure-admin`")
    admin_password: str | None = setting(None, text, "for `flask users ensure-admin`")

    @property
    def is_production(self) -> bool:
        return self.taskapi_env == "production"

    @property
    def uses_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The first signs, all verify."""
        return tuple(part.strip() for part in self.secret_key.split(",") if part.strip())

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check every setting, or raise a sentence that names the faulty one."""
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
        _fill_in_what_depends(given, env)
        settings = cls(**given)
        _refuse_what_hurts(settings, env)
        return settings


SETTING_NAMES = [each.name.upper() for each in fields(Settings)]


def as_environment(config: Mapping[str, Any]) -> dict[str, str]:
    """What a program gives as values, as the environment would say it."""
    words = {True: "1", False: "0", None: ""}
    return {
        name: words[value] if value is None or isinstance(value, bool) else str(value)
        for name, value in config.items()
    }


def _fill_in_what_depends(given: dict[str, Any], env: Mapping[str, str]) -> None:
    platform = next((name for name in PLATFORMS if env.get(name)), None)
    if platform:
        given["taskapi_env"] = "production"
    production = given.get("taskapi_env") == "production"
    if platform == "DYNO":
        given.setdefault("trusted_proxies", 1)
    elif platform and "trusted_proxies" not in given:
        raise ConfigError(
            f"TRUSTED_PROXIES must be set where {platform} is: how many proxies stand in front "
            "of the app (render.yaml sets it)."
        )
    given.setdefault("host", "0.0.0.0" if production else "127.0.0.1")
    if "redis_url" in given:
        if platform == "DYNO":
            given["redis_url"] = _with_herokus_certificate(given["redis_url"])
        given.setdefault("web_concurrency", os.cpu_count() or 1)
    elif not given.get("allow_split_limits"):
        # Without Redis each worker counts for itself, so that limits would add up.
        given["web_concurrency"] = 1
    if not production and "secret_key" not in given:
        given["secret_key"] = kept_secret(INSTANCE / "secret_key")


def _with_herokus_certificate(url: str) -> str:
    """Heroku's Key-Value Store signs its certificate itself: encrypt, and do not verify it."""
    if not url.startswith("rediss://") or "ssl_cert_reqs" in url:
        return url
    return url + ("&" if "?" in url else "?") + "ssl_cert_reqs=none"


def _refuse_what_hurts(settings: Settings, env: Mapping[str, str]) -> None:
    if not settings.secret_keys:
        raise ConfigError(
            "SECRET_KEY must be set in production. Make one with: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    for key in settings.secret_keys:
        if len(key.encode()) < 32:
            raise ConfigError("SECRET_KEY must be at least 32 bytes long (each of them).")
        if settings.is_production and is_weak(key):
            raise ConfigError("SECRET_KEY must be a secret of your own, not a known example.")
    if settings.is_production and settings.bcrypt_rounds < 12:
        raise ConfigError("BCRYPT_ROUNDS must be at least 12 in production.")
    on_ephemeral_disk = env.get("DYNO") or env.get("RENDER")
    if settings.uses_sqlite and on_ephemeral_disk and not settings.allow_ephemeral_sqlite:
        raise ConfigError(
            "DATABASE_URL must name a PostgreSQL database here: this platform's disk is emptied "
            "at every restart. ALLOW_EPHEMERAL_SQLITE=1 accepts that."
        )


def settings() -> Settings:
    """The settings of the application at hand."""
    found: Settings = current_app.extensions["settings"]
    return found
