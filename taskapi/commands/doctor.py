"""`flask doctor`: check for production problems."""

import os
import sys
from collections.abc import Iterator, Mapping

import click
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from taskapi import sentry
from taskapi.commands.foreign_settings import foreign_settings
from taskapi.config import PLATFORMS, ConfigError, Settings
from taskapi.db import ago
from taskapi.revision import missing_migrations
from taskapi.secret_key import is_weak

ERROR, HINT = "ERROR", "hint "
# Valid values for rejected settings, so that the other checks can run; others are removed.
REPAIRS = {
    "SECRET_KEY": os.urandom(32).hex(),
    "TRUSTED_PROXIES": "0",
    "ALLOW_EPHEMERAL_SQLITE": "1",
}
BEHIND_PROXIES = ("FLY_APP_NAME", "K_SERVICE", "KUBERNETES_SERVICE_HOST", "WEBSITE_SITE_NAME")

Findings = Iterator[tuple[str, str]]
Env = Mapping[str, str]  # without empty variables


@click.command("doctor")
def doctor() -> None:
    """Check for production problems.

    Print errors and hints, and exit with 1 if there are errors.
    """
    env = {name: value.strip() for name, value in os.environ.items() if value.strip()}
    settings, refusals = read_settings(env)
    findings = [(ERROR, f"The service does not start: {refusal}") for refusal in refusals]
    for check in CHECKS:
        findings += check(settings, env)
    for is_missing, message in foreign_settings(env):
        findings.append((ERROR if is_missing else HINT, message))
    for kind, message in sorted(findings, key=lambda found: found[0] != ERROR):
        click.echo(f"{kind}  {message}")
    count = sum(kind == ERROR for kind, _ in findings)
    click.echo(f"{count or 'No'} problem{'s' * (count != 1)} found.")
    sys.exit(1 if count else 0)


def read_settings(env: Env) -> tuple[Settings, list[str]]:
    """Return the settings and every reason why the service does not start with them."""
    repaired = dict(env)
    refusals: list[str] = []
    while True:
        try:
            return Settings.from_env(repaired), refusals
        except ConfigError as failure:
            refusals.append(str(failure))
            # The message begins with the setting's name. Repair it to find the next one.
            name = refusals[-1].split()[0]
            if "ALLOW_EPHEMERAL_SQLITE=1" in refusals[-1]:
                name = "ALLOW_EPHEMERAL_SQLITE"
            repaired[name] = REPAIRS.get(name, "")


def doctor_alone() -> Flask | None:
    """Return an application with only this command if the settings are invalid."""
    if "doctor" not in sys.argv[1:]:
        return None
    app = Flask("taskapi")
    app.cli.add_command(doctor)
    return app


# --- checks -------------------------------------------------------------------------------------


def check_environment(settings: Settings, env: Env) -> Findings:
    if not settings.is_production:
        yield HINT, "TASKAPI_ENV is development. Set TASKAPI_ENV=production in production."
    if env.get("FLASK_DEBUG", "0").lower() not in ("0", "false", "no"):
        kind = ERROR if settings.is_production else HINT
        yield kind, "FLASK_DEBUG is on. It shows source code on errors."
    if "GUNICORN_CMD_ARGS" in env:
        yield ERROR, "GUNICORN_CMD_ARGS overrides gunicorn.conf.py. Unset it."
    if settings.log_level == "DEBUG":
        yield HINT, "LOG_LEVEL=DEBUG logs more than production needs. Use INFO."


def check_passwords(settings: Settings, env: Env) -> Findings:
    if not settings.is_production:
        if "SECRET_KEY" not in env:
            yield HINT, "SECRET_KEY is not set. It is required in production."
        elif any(map(is_weak, settings.secret_keys)):
            yield HINT, "SECRET_KEY is weak or a known example. It is rejected in production."
    rounds = settings.bcrypt_rounds
    if rounds < 12:
        yield HINT, f"BCRYPT_ROUNDS={rounds} is rejected in production. Use 12 or more."
    if rounds > 13:
        yield HINT, f"BCRYPT_ROUNDS={rounds}: each login uses a core for a second or more."
    if settings.is_production and settings.registration == "open":
        yield HINT, "REGISTRATION is open: anyone can register. REGISTRATION=closed prevents it."


def check_proxies(settings: Settings, env: Env) -> Findings:
    hops = settings.trusted_proxies
    platform = next((name for name in BEHIND_PROXIES if name in env), None)
    if "DYNO" in env:
        if hops != 1:
            yield HINT, f"TRUSTED_PROXIES={hops}. On Heroku it is 1, or 2 with a CDN in front."
    elif "TRUSTED_PROXIES" in env or any(name in env for name in PLATFORMS):
        pass  # it is set, or the service does not start
    elif platform or settings.is_production:
        where = f" ({platform} is set)" if platform else ""
        yield (
            ERROR,
            f"TRUSTED_PROXIES is not set{where}. Behind a proxy all clients would share its "
            "address and limits. Set the number of proxies, 0 if there is none.",
        )
    if "FORWARDED_ALLOW_IPS" in env:
        yield HINT, "FORWARDED_ALLOW_IPS has no effect. Use TRUSTED_PROXIES."


def check_limits(settings: Settings, env: Env) -> Findings:
    if settings.redis_url:
        try:
            with Redis.from_url(settings.redis_url, socket_timeout=2) as redis:
                redis.ping()
        except (RedisError, OSError) as failure:
            yield (
                ERROR,
                f"Cannot connect to REDIS_URL ({type(failure).__name__}). Each process would count "
                "limits in memory. A self-signed certificate needs ?ssl_cert_reqs=none.",
            )
    elif settings.web_concurrency > 1:
        yield (
            ERROR,
            f"Each of {settings.web_concurrency} workers counts limits in memory, so that they "
            "add up. Set REDIS_URL, or unset ALLOW_SPLIT_LIMITS.",
        )
    elif env.get("WEB_CONCURRENCY", "1") != "1":
        yield HINT, "WEB_CONCURRENCY has no effect without REDIS_URL. One worker runs."
    elif settings.is_production:
        yield HINT, "REDIS_URL is not set. Limits work on one machine with one worker."
    kind = ERROR if settings.is_production else HINT
    if not settings.rate_limit_auth_per_minute:
        yield kind, "RATE_LIMIT_AUTH_PER_MINUTE=0 allows unlimited logins and registrations."
    if not settings.rate_limit_per_minute:
        yield kind, "RATE_LIMIT_PER_MINUTE=0 lets one client use all capacity."


def check_exposure(settings: Settings, _: Env) -> Findings:
    if "*" in settings.cors_origins:
        yield ERROR, "CORS_ORIGINS=* allows every website. List the origins."
    if settings.is_production and (settings.public_url or "").startswith("http://"):
        yield HINT, "PUBLIC_URL is not https."
    if 0 < len(settings.metrics_token or "") < 16:
        yield ERROR, "METRICS_TOKEN is shorter than 16 characters."
    if settings.sentry_dsn and not sentry.is_installed():
        yield ERROR, sentry.MISSING
    if settings.is_production and settings.webhook_allow_private:
        yield ERROR, "WEBHOOK_ALLOW_PRIVATE=1 lets webhooks reach your private network."


def check_database(settings: Settings, env: Env) -> Findings:
    if settings.uses_sqlite:
        yield from check_disk(settings, env)
    elif not settings.database_prepared:
        yield (
            HINT,
            "DATABASE_PREPARED=0: behind PgBouncer DATABASE_STATEMENT_TIMEOUT has no effect. "
            "Set it for the role: ALTER ROLE … SET statement_timeout = '10s'.",
        )
    if settings.database_pool_size + settings.database_max_overflow < settings.web_threads:
        yield (
            ERROR,
            f"WEB_THREADS={settings.web_threads} is more than DATABASE_POOL_SIZE plus "
            "DATABASE_MAX_OVERFLOW, so threads wait for connections.",
        )
    try:
        missing = missing_migrations(settings)
        if missing:
            yield ERROR, f"The service does not start: {missing}"
            if settings.uses_sqlite:
                return  # connecting would create an empty file
        with create_engine(settings.database_url, poolclass=NullPool).connect() as connection:
            if not settings.uses_sqlite:
                yield from check_connections(settings, connection.scalar(text(ALLOWED)))
            since = {"since": ago(minutes=5)}
            if settings.worker == "off" and not missing and connection.scalar(text(WAITING), since):
                yield ERROR, "WORKER=off, and work has waited for 5 minutes. Run flask worker."
    except DBAPIError as failure:
        yield ERROR, f"Cannot connect to DATABASE_URL ({type(failure.orig).__name__})."


def check_disk(settings: Settings, env: Env) -> Findings:
    if "RAILWAY_ENVIRONMENT" in env and "RAILWAY_VOLUME_MOUNT_PATH" not in env:
        yield ERROR, "SQLite without a volume. Railway deletes local files at every deployment."
    elif "DYNO" in env or "RENDER" in env:
        if "ALLOW_EPHEMERAL_SQLITE" in env:
            yield ERROR, "ALLOW_EPHEMERAL_SQLITE=1: all data is lost at every restart."
    elif settings.is_production:
        yield HINT, "SQLite works on one machine, with its file on a persistent disk."


def check_connections(settings: Settings, allowed: int) -> Findings:
    workers, pool = settings.web_concurrency, settings.database_pool_size
    overflow = settings.database_max_overflow
    needed = workers * (pool + overflow)
    if needed > allowed:
        yield (
            ERROR,
            f"The pools can open {needed} connections ({workers} x ({pool} + {overflow}): "
            "WEB_CONCURRENCY x (DATABASE_POOL_SIZE + DATABASE_MAX_OVERFLOW)), but the database "
            f"allows {allowed}.",
        )
    elif 2 * needed > allowed:
        yield (
            HINT,
            f"The pools can open {needed} of {allowed} connections: not enough for a second "
            "machine, or for the old and the new version during a deployment.",
        )


WAITING = """
SELECT (SELECT count(*) FROM events WHERE is_undelivered AND at < :since)
    + (SELECT count(*) FROM deliveries WHERE next_attempt_at < :since)
    + (SELECT count(*) FROM jobs WHERE finished_at IS NULL AND run_at < :since
        AND coalesce(claimed_until, run_at) < :since)"""
# Connections available to this user, without reserved ones; -1 means no limit.
ALLOWED = """
SELECT least(
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int,
    nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),
    nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1)
)"""


CHECKS = (
    check_environment,
    check_passwords,
    check_proxies,
    check_limits,
    check_exposure,
    check_database,
)
