"""`flask doctor`: check for production problems."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import click
from flask import Flask
from redis import Redis, RedisError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from taskapi import sentry
from taskapi.commands.foreign_settings import foreign_settings
from taskapi.config import PLATFORMS, ConfigError, Settings
from taskapi.db import ago
from taskapi.revision import is_behind, revision_of, what_is_missing
from taskapi.secret_key import is_weak

# Valid values for rejected settings, so that the other checks can run.
REPAIRS = {"SECRET_KEY": os.urandom(32).hex(), "TRUSTED_PROXIES": "0"}
BEHIND_PROXIES = ("FLY_APP_NAME", "K_SERVICE", "KUBERNETES_SERVICE_HOST", "WEBSITE_SITE_NAME")


@dataclass(frozen=True)
class Finding:
    is_error: bool
    text: str


def error(text: str) -> Finding:
    return Finding(True, text)


def hint(text: str) -> Finding:
    return Finding(False, text)


@dataclass(frozen=True)
class Case:
    """The environment that is checked."""

    settings: Settings
    env: Mapping[str, str]

    def has(self, name: str) -> bool:
        return bool(self.env.get(name, "").strip())

    def in_production(self, text: str) -> Finding:
        """Return an error in production and a hint in development."""
        return Finding(self.settings.is_production, text)


@click.command("doctor")
def doctor() -> None:
    """Check for production problems.

    Print errors and hints, and exit with 1 if there are errors.
    """
    findings = examine(os.environ)
    for each in sorted(findings, key=lambda found: not found.is_error):
        click.echo(f"{'ERROR' if each.is_error else 'hint '}  {each.text}")
    count = sum(each.is_error for each in findings)
    click.echo(f"{count or 'No'} problem{'s' * (count != 1)} found.")
    sys.exit(1 if count else 0)


def examine(env: Mapping[str, str]) -> list[Finding]:
    settings, refusals = read_settings(env)
    findings = [error(f"The service does not start: {refusal}") for refusal in refusals]
    case = Case(settings, env)
    for check in CHECKS:
        findings += check(case)
    return findings


def read_settings(env: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return the settings and every reason why the service does not start with them."""
    repaired = dict(env)
    refusals: list[str] = []
    while True:
        try:
            return Settings.from_env(repaired), refusals
        except ConfigError as failure:
            message = str(failure)
            refusals.append(message)
            # The message begins with the setting's name. Remove it to find the next one.
            name = message.split()[0]
            if name == "DATABASE_URL" and "ALLOW_EPHEMERAL_SQLITE" in message:
                repaired["ALLOW_EPHEMERAL_SQLITE"] = "1"
            elif name in REPAIRS:
                repaired[name] = REPAIRS[name]
            else:
                del repaired[name]


def doctor_alone() -> Flask | None:
    """Return an application with only this command if the settings are invalid."""
    if "doctor" not in sys.argv[1:]:
        return None
    app = Flask("taskapi")
    app.cli.add_command(doctor)
    return app


# --- checks -------------------------------------------------------------------------------------


def check_environment(case: Case) -> Iterator[Finding]:
    if not case.settings.is_production:
        yield hint("TASKAPI_ENV is development. Set TASKAPI_ENV=production in production.")
    if case.env.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no"):
        yield case.in_production("FLASK_DEBUG is on. It shows source code on errors.")
    if case.has("GUNICORN_CMD_ARGS"):
        yield error("GUNICORN_CMD_ARGS overrides gunicorn.conf.py. Unset it.")
    if case.settings.log_level == "DEBUG":
        yield hint("LOG_LEVEL=DEBUG logs more than production needs. Use INFO.")


def check_secret(case: Case) -> Iterator[Finding]:
    if not case.has("SECRET_KEY"):
        if not case.settings.is_production:
            yield hint("SECRET_KEY is not set. It is required in production.")
        return
    if not case.settings.is_production and any(map(is_weak, case.settings.secret_keys)):
        yield hint("SECRET_KEY is weak or a known example. It is rejected in production.")


def check_passwords(case: Case) -> Iterator[Finding]:
    rounds = case.settings.bcrypt_rounds
    if rounds < 12:
        yield hint(f"BCRYPT_ROUNDS={rounds} is rejected in production. Use 12 or more.")
    if rounds > 13:
        yield hint(f"BCRYPT_ROUNDS={rounds}: each login uses a core for a second or more.")
    if case.settings.is_production and case.settings.registration == "open":
        yield hint("REGISTRATION is open: anyone can register. REGISTRATION=closed prevents it.")


def check_limits(case: Case) -> Iterator[Finding]:
    settings = case.settings
    if not settings.redis_url:
        if settings.web_concurrency > 1:
            yield error(
                f"Each of {settings.web_concurrency} workers counts limits in memory, so that they "
                "add up. Set REDIS_URL, or unset ALLOW_SPLIT_LIMITS."
            )
        elif case.env.get("WEB_CONCURRENCY", "1").strip() not in ("", "1"):
            yield hint("WEB_CONCURRENCY has no effect without REDIS_URL. One worker runs.")
        elif settings.is_production:
            yield hint("REDIS_URL is not set. Limits work on one machine with one worker.")
    if not settings.rate_limit_auth_per_minute:
        yield case.in_production(
            "RATE_LIMIT_AUTH_PER_MINUTE=0 allows unlimited logins and registrations."
        )
    if not settings.rate_limit_per_minute:
        yield case.in_production("RATE_LIMIT_PER_MINUTE=0 lets one client use all capacity.")


def check_redis(case: Case) -> Iterator[Finding]:
    if not case.settings.redis_url:
        return
    try:
        with Redis.from_url(case.settings.redis_url, socket_timeout=2) as redis:
            redis.ping()
    except (RedisError, OSError) as failure:
        yield error(
            f"Cannot connect to REDIS_URL ({type(failure).__name__}). Each process would count "
            "limits in memory. A self-signed certificate needs ?ssl_cert_reqs=none."
        )


def check_proxies(case: Case) -> Iterator[Finding]:
    hops = case.settings.trusted_proxies
    platform = next(filter(case.has, BEHIND_PROXIES), None)
    if case.has("DYNO"):
        if hops != 1:
            yield hint(f"TRUSTED_PROXIES={hops}. On Heroku it is 1, or 2 with a CDN in front.")
    elif case.has("TRUSTED_PROXIES") or any(map(case.has, PLATFORMS)):
        pass  # it is set, or the service does not start
    elif platform or case.settings.is_production:
        where = f" ({platform} is set)" if platform else ""
        yield error(
            f"TRUSTED_PROXIES is not set{where}. Behind a proxy all clients would share its "
            "address and limits. Set the number of proxies, 0 if there is none."
        )
    if case.has("FORWARDED_ALLOW_IPS"):
        yield hint("FORWARDED_ALLOW_IPS has no effect. Use TRUSTED_PROXIES.")


def check_browsers(case: Case) -> Iterator[Finding]:
    if "*" in case.settings.cors_origins:
        yield error("CORS_ORIGINS=* allows every website. List the origins.")
    if case.settings.is_production and (case.settings.public_url or "").startswith("http://"):
        yield hint("PUBLIC_URL is not https.")


def check_metrics(case: Case) -> Iterator[Finding]:
    if 0 < len(case.settings.metrics_token or "") < 16:
        yield error("METRICS_TOKEN is shorter than 16 characters.")
    if case.settings.sentry_dsn and not sentry.is_installed():
        yield error(sentry.MISSING)


def check_worker(case: Case) -> Iterator[Finding]:
    if case.settings.is_production and case.settings.webhook_allow_private:
        yield error("WEBHOOK_ALLOW_PRIVATE=1 lets webhooks reach your private network.")


def check_database(case: Case) -> Iterator[Finding]:
    settings = case.settings
    yield from check_disk(case)
    if not settings.uses_sqlite and not settings.database_prepared:
        yield hint(
            "DATABASE_PREPARED=0: behind PgBouncer DATABASE_STATEMENT_TIMEOUT has no effect. "
            "Set it for the role: ALTER ROLE … SET statement_timeout = '10s'."
        )
    if settings.database_pool_size + settings.database_max_overflow < settings.web_threads:
        yield error(
            f"WEB_THREADS={settings.web_threads} is more than DATABASE_POOL_SIZE plus "
            "DATABASE_MAX_OVERFLOW, so threads wait for connections."
        )
    try:
        revision = revision_of(settings)
        if is_behind(revision):
            yield error(f"The service does not start: {what_is_missing(revision)}")
            if settings.uses_sqlite:
                return  # connecting would create an empty file
        with create_engine(settings.database_url, poolclass=NullPool).connect() as connection:
            if not settings.uses_sqlite:
                yield from check_connections(settings, connection.scalar(text(ALLOWED)))
            if settings.worker == "off" and not is_behind(revision):
                yield from check_queue(connection.scalar(text(WAITING), {"since": ago(minutes=5)}))
    except DBAPIError as failure:
        yield error(f"Cannot connect to DATABASE_URL ({type(failure.orig).__name__}).")


def check_disk(case: Case) -> Iterator[Finding]:
    if not case.settings.uses_sqlite:
        return
    if case.has("RAILWAY_ENVIRONMENT") and not case.has("RAILWAY_VOLUME_MOUNT_PATH"):
        yield error("SQLite without a volume. Railway deletes local files at every deployment.")
    elif case.has("DYNO") or case.has("RENDER"):
        if case.has("ALLOW_EPHEMERAL_SQLITE"):
            yield error("ALLOW_EPHEMERAL_SQLITE=1: all data is lost at every restart.")
    elif case.settings.is_production:
        yield hint("SQLite works on one machine, with its file on a persistent disk.")


def check_connections(settings: Settings, allowed: int) -> Iterator[Finding]:
    each = settings.database_pool_size + settings.database_max_overflow
    needed = each * settings.web_concurrency
    sum_of = f"{settings.web_concurrency} x ({settings.database_pool_size} + "
    sum_of += f"{settings.database_max_overflow})"
    if needed > allowed:
        yield error(
            f"The pools can open {needed} connections ({sum_of}: WEB_CONCURRENCY x "
            f"(DATABASE_POOL_SIZE + DATABASE_MAX_OVERFLOW)), but the database allows {allowed}."
        )
    elif 2 * needed > allowed:
        yield hint(
            f"The pools can open {needed} of {allowed} connections: not enough for a second "
            "machine, or for the old and the new version during a deployment."
        )


def check_queue(waiting: int) -> Iterator[Finding]:
    if waiting:
        yield error("WORKER=off, and work has waited for 5 minutes. Run flask worker.")


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


def check_foreign_settings(case: Case) -> Iterator[Finding]:
    for found in foreign_settings(case.env):
        yield Finding(found.is_missing, found.text)


CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    check_environment,
    check_secret,
    check_passwords,
    check_proxies,
    check_limits,
    check_redis,
    check_browsers,
    check_metrics,
    check_worker,
    check_database,
    check_foreign_settings,
)
