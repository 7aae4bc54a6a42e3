"""`flask doctor`: what will hurt in production, before it does."""

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

# What lets the other checks go on after a setting was refused.
REPAIRS = {"SECRET_KEY": os.urandom(32).hex(), "TRUSTED_PROXIES": "0"}
BEHIND_PROXIES = ("FLY_APP_NAME", "K_SERVICE", "KUBERNETES_SERVICE_HOST", "WEBSITE_SITE_NAME")


@dataclass(frozen=True)
class Finding:
    hurts: bool
    text: str


def hurts(text: str) -> Finding:
    return Finding(True, text)


def hint(text: str) -> Finding:
    return Finding(False, text)


@dataclass(frozen=True)
class Case:
    """What is looked at."""

    settings: Settings
    env: Mapping[str, str]

    def has(self, name: str) -> bool:
        return bool(self.env.get(name, "").strip())

    def in_production(self, text: str) -> Finding:
        """Hurts there, and is only a hint before."""
        return Finding(self.settings.is_production, text)


@click.command("doctor")
def doctor() -> None:
    """Say what will hurt in production; exit with 1 if anything will."""
    findings = examine(os.environ)
    for each in sorted(findings, key=lambda found: not found.hurts):
        click.echo(f"{'HURTS' if each.hurts else 'hint '}  {each.text}")
    count = sum(each.hurts for each in findings)
    click.echo(f"{count} thing{'s' * (count != 1)} will hurt." if count else "Nothing will hurt.")
    sys.exit(1 if count else 0)


def examine(env: Mapping[str, str]) -> list[Finding]:
    settings, refusals = read_settings(env)
    findings = [hurts(f"The start is refused: {refusal}") for refusal in refusals]
    case = Case(settings, env)
    for check in CHECKS:
        findings += check(case)
    return findings


def read_settings(env: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The settings, and every reason why the start is refused with them."""
    repaired = dict(env)
    refusals: list[str] = []
    while True:
        try:
            return Settings.from_env(repaired), refusals
        except ConfigError as error:
            sentence = str(error)
            refusals.append(sentence)
            # The sentence begins with the setting's name: without it the next one shows.
            name = sentence.split()[0]
            if name == "DATABASE_URL" and "ALLOW_EPHEMERAL_SQLITE" in sentence:
                repaired["ALLOW_EPHEMERAL_SQLITE"] = "1"
            elif name in REPAIRS:
                repaired[name] = REPAIRS[name]
            else:
                del repaired[name]


def doctor_alone() -> Flask | None:
    """An application with this one command, where settings refuse the real one."""
    if "doctor" not in sys.argv[1:]:
        return None
    app = Flask("taskapi")
    app.cli.add_command(doctor)
    return app


# --- checks -------------------------------------------------------------------------------------


def check_environment(case: Case) -> Iterator[Finding]:
    if not case.settings.is_production:
        yield hint("TASKAPI_ENV is development: set TASKAPI_ENV=production where it is served.")
    if case.env.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no"):
        yield case.in_production("FLASK_DEBUG is on: it shows code to whoever meets an error.")
    if case.has("GUNICORN_CMD_ARGS"):
        yield hurts("GUNICORN_CMD_ARGS is set and overrides gunicorn.conf.py: unset it.")
    if case.settings.log_level == "DEBUG":
        yield hint("LOG_LEVEL=DEBUG is more than production needs: INFO.")


def check_secret(case: Case) -> Iterator[Finding]:
    if not case.has("SECRET_KEY"):
        if not case.settings.is_production:
            yield hint("SECRET_KEY is not set: production refuses to start without one.")
        return
    if not case.settings.is_production and any(map(is_weak, case.settings.secret_keys)):
        yield hint("SECRET_KEY is weak or a known example: production refuses to start with it.")


def check_passwords(case: Case) -> Iterator[Finding]:
    rounds = case.settings.bcrypt_rounds
    if rounds < 12:
        yield hint(f"BCRYPT_ROUNDS={rounds} is refused in production: 12 or more.")
    if rounds > 13:
        yield hint(f"BCRYPT_ROUNDS={rounds}: each sign-in keeps a core busy for a second or more.")
    if case.settings.is_production and case.settings.registration == "open":
        yield hint(
            "REGISTRATION is open: anybody may make an account; REGISTRATION=closed ends it."
        )


def check_limits(case: Case) -> Iterator[Finding]:
    settings = case.settings
    if not settings.redis_url:
        if settings.web_concurrency > 1:
            yield hurts(
                f"Limits are counted in memory by each of {settings.web_concurrency} workers, so "
                "they add up: set REDIS_URL, or unset ALLOW_SPLIT_LIMITS."
            )
        elif case.env.get("WEB_CONCURRENCY", "1").strip() not in ("", "1"):
            yield hint("WEB_CONCURRENCY has no effect without REDIS_URL: one worker runs.")
        elif settings.is_production:
            yield hint("REDIS_URL is not set: limits hold for one machine with one worker.")
    if not settings.rate_limit_auth_per_minute:
        yield case.in_production("RATE_LIMIT_AUTH_PER_MINUTE=0: passwords may be guessed freely.")
    if not settings.rate_limit_per_minute:
        yield case.in_production("RATE_LIMIT_PER_MINUTE=0: one client may take all there is.")


def check_redis(case: Case) -> Iterator[Finding]:
    if not case.settings.redis_url:
        return
    try:
        with Redis.from_url(case.settings.redis_url, socket_timeout=2) as redis:
            redis.ping()
    except (RedisError, OSError) as error:
        yield hurts(
            f"REDIS_URL does not answer ({type(error).__name__}): each process counts for itself. "
            "A self-signed certificate needs ?ssl_cert_reqs=none."
        )


def check_proxies(case: Case) -> Iterator[Finding]:
    hops = case.settings.trusted_proxies
    platform = next(filter(case.has, BEHIND_PROXIES), None)
    if case.has("DYNO"):
        if hops != 1:
            yield hint(f"TRUSTED_PROXIES={hops}: on Heroku it is 1, or 2 with a CDN in front.")
    elif case.has("TRUSTED_PROXIES") or any(map(case.has, PLATFORMS)):
        pass  # set, or the start is refused
    elif platform or case.settings.is_production:
        where = f" ({platform} is set)" if platform else ""
        yield hurts(
            f"TRUSTED_PROXIES is not set{where}: behind a proxy all clients share its address "
            "and its limits. Count the proxies; set 0 if there is none."
        )
    if case.has("FORWARDED_ALLOW_IPS"):
        yield hint("FORWARDED_ALLOW_IPS means nothing here: TRUSTED_PROXIES says whom to believe.")


def check_browsers(case: Case) -> Iterator[Finding]:
    if "*" in case.settings.cors_origins:
        yield hurts("CORS_ORIGINS=* lets every web page call: name the origins.")
    if case.settings.is_production and (case.settings.public_url or "").startswith("http://"):
        yield hint("PUBLIC_URL is not https.")


def check_metrics(case: Case) -> Iterator[Finding]:
    if 0 < len(case.settings.metrics_token or "") < 16:
        yield hurts("METRICS_TOKEN is shorter than 16 characters and may be guessed.")
    if case.settings.sentry_dsn and not sentry.is_installed():
        yield hurts(sentry.MISSING)


def check_worker(case: Case) -> Iterator[Finding]:
    if case.settings.is_production and case.settings.webhook_allow_private:
        yield hurts("WEBHOOK_ALLOW_PRIVATE=1: users' webhooks reach your private network.")


def check_database(case: Case) -> Iterator[Finding]:
    settings = case.settings
    yield from check_disk(case)
    if not settings.uses_sqlite and not settings.database_prepared:
        yield hint(
            "DATABASE_PREPARED=0: behind PgBouncer DATABASE_STATEMENT_TIMEOUT has no effect. "
            "Set it for the role: ALTER ROLE … SET statement_timeout = '10s'."
        )
    if settings.database_pool_size + settings.database_max_overflow < settings.web_threads:
        yield hurts(
            f"WEB_THREADS={settings.web_threads} wait for each other: DATABASE_POOL_SIZE plus "
            "DATABASE_MAX_OVERFLOW is less."
        )
    try:
        revision = revision_of(settings)
        if is_behind(revision):
            yield hurts(f"The start is refused: {what_is_missing(revision)}")
            if settings.uses_sqlite:
                return  # to ask further would make an empty file
        with create_engine(settings.database_url, poolclass=NullPool).connect() as connection:
            if not settings.uses_sqlite:
                yield from check_connections(settings, connection.scalar(text(ALLOWED)))
            if settings.worker == "off" and not is_behind(revision):
                yield from check_signs_of_life(
                    connection.scalar(text(ALIVE), {"since": ago(minutes=5)})
                )
    except DBAPIError as error:
        yield hurts(f"DATABASE_URL cannot be reached ({type(error.orig).__name__}).")


def check_disk(case: Case) -> Iterator[Finding]:
    if not case.settings.uses_sqlite:
        return
    if case.has("RAILWAY_ENVIRONMENT") and not case.has("RAILWAY_VOLUME_MOUNT_PATH"):
        yield hurts("SQLite without a volume: Railway empties the disk at every deployment.")
    elif case.has("DYNO") or case.has("RENDER"):
        if case.has("ALLOW_EPHEMERAL_SQLITE"):
            yield hurts("ALLOW_EPHEMERAL_SQLITE=1: everything is lost at every restart.")
    elif case.settings.is_production:
        yield hint("SQLite serves one machine, and its file must lie on a disk that is kept.")


def check_connections(settings: Settings, allowed: int) -> Iterator[Finding]:
    each = settings.database_pool_size + settings.database_max_overflow
    needed = each * settings.web_concurrency
    sum_of = f"{settings.web_concurrency} x ({settings.database_pool_size} + "
    sum_of += f"{settings.database_max_overflow})"
    if needed > allowed:
        yield hurts(
            f"The pools may open {needed} connections ({sum_of}: WEB_CONCURRENCY x "
            f"(DATABASE_POOL_SIZE + DATABASE_MAX_OVERFLOW)), the database allows {allowed}."
        )
    elif 2 * needed > allowed:
        yield hint(
            f"The pools may open {needed} of {allowed} connections: there is no room for a second "
            "machine, nor for old and new side by side during a deployment."
        )


def check_signs_of_life(workers: int) -> Iterator[Finding]:
    if not workers:
        yield hurts("WORKER=off, and no worker was seen for 5 minutes: run flask worker.")


ALIVE = "SELECT count(*) FROM workers WHERE seen_at > :since"
# What is left for this user after the reserved ones; -1 is no limit.
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
        yield Finding(found.is_missed, found.text)


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
