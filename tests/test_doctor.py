"""`flask doctor` finds each production problem, and nothing else."""

import os
import secrets

import psycopg
import pytest

from tests.support.live import run_flask
from tests.support.rows import Rows, ago
from tests.support.servers import free_port

pytestmark = pytest.mark.sqlite

ERROR, HINT = "ERROR", "hint"
SOUND = {
    "TASKAPI_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "TRUSTED_PROXIES": "1",
    "REGISTRATION": "closed",
    "WEB_CONCURRENCY": "2",
}


@pytest.fixture(scope="module")
def postgres(all_databases):
    return all_databases("postgres").fresh()


@pytest.fixture
def sound(postgres, redis_url):
    """An environment without problems."""
    return {**SOUND, "DATABASE_URL": postgres, "REDIS_URL": redis_url}


@pytest.fixture
def found(app):
    """`found(environment, ERROR)` returns the messages of `flask doctor`."""

    def run(env, kind=None):
        nothing_else = {name: None for name in os.environ if name.isupper() and name != "PATH"}
        ran = app.test_cli_runner().invoke(args=["doctor"], env=nothing_else | env)
        lines = [line.split(maxsplit=1) for line in ran.output.splitlines()]
        assert ran.exit_code == any(each == ERROR for each, _ in lines), ran.output
        return [text for each, text in lines if each in {ERROR, HINT} & {kind or each}]

    return run


def test_a_sound_environment_has_no_findings(sound, found):
    assert found(sound) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"REDIS_URL": "", "ALLOW_SPLIT_LIMITS": "1"}, "add up"),
        ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES is not set"),
        ({"CORS_ORIGINS": "https://a.example,*"}, "CORS_ORIGINS=*"),
        ({"FLASK_DEBUG": "1"}, "FLASK_DEBUG"),
        ({"DATABASE_POOL_SIZE": "90"}, "200 connections (2 x (90 + 10)"),
        ({"DATABASE_POOL_SIZE": "1", "DATABASE_MAX_OVERFLOW": "0"}, "WEB_THREADS=4"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be at least 32 bytes"),
        ({"SECRET_KEY": "change-me-" * 5}, "SECRET_KEY must not be a known example"),
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
        ({"BCRYPT_ROUNDS": "5"}, "BCRYPT_ROUNDS must be at least 12"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN is shorter"),
        ({"RATE_LIMIT_AUTH_PER_MINUTE": "0"}, "RATE_LIMIT_AUTH_PER_MINUTE=0"),
        ({"RATE_LIMIT_PER_MINUTE": "0"}, "one client use all"),
        ({"WEBHOOK_ALLOW_PRIVATE": "1"}, "WEBHOOK_ALLOW_PRIVATE=1"),
        ({"GUNICORN_CMD_ARGS": "--workers 8"}, "GUNICORN_CMD_ARGS"),
        ({"PORT": "http"}, "PORT must be"),
        ({"DB_HOST": "db", "DATABASE_URL": ""}, "DB_HOST has no effect. Set DATABASE_URL"),
        ({"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}, "connect to REDIS_URL"),
        ({"DATABASE_URL": f"postgres://h@127.0.0.1:{free_port()}/n"}, "connect to DATABASE_URL"),
        ({"DYNO": "web.1", "DATABASE_URL": ""}, "deletes local files"),
        (
            {"DYNO": "web.1", "DATABASE_URL": "", "ALLOW_EPHEMERAL_SQLITE": "1"},
            "all data is lost at every restart",
        ),
        ({"RAILWAY_ENVIRONMENT": "production", "DATABASE_URL": ""}, "SQLite without a volume"),
        ({"RENDER": "true", "TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES must be set on this"),
        ({"TASKAPI_ENV": "", "TRUSTED_PROXIES": "", "K_SERVICE": "tasks"}, "(K_SERVICE is set)"),
    ],
)
def test_problems_are_errors(sound, found, more, words):
    errors = found(sound | more, ERROR)
    assert any(words in each for each in errors), errors
    # The problem is reported only once.
    assert sum(words in each for each in errors) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"REGISTRATION": "open"}, "REGISTRATION is open"),
        ({"REDIS_URL": ""}, "WEB_CONCURRENCY has no effect"),
        ({"REDIS_URL": "", "WEB_CONCURRENCY": ""}, "REDIS_URL is not set"),
        ({"TASKAPI_ENV": "development"}, "TASKAPI_ENV is development"),
        ({"DYNO": "web.1", "TRUSTED_PROXIES": "2"}, "On Heroku it is 1"),
        ({"DATABASE_POOL_SIZE": "40"}, "not enough for a second"),
        ({"BCRYPT_ROUNDS": "15"}, "BCRYPT_ROUNDS=15"),
        ({"LOG_LEVEL": "debug"}, "LOG_LEVEL=DEBUG"),
        ({"PUBLIC_URL": "http://tasks.example.org"}, "PUBLIC_URL is not https"),
        ({"DB_NAME": "tasks"}, "DB_NAME has no effect. Set DATABASE_URL instead"),
        ({"JWT_SECRET_KEY": "x"}, "JWT_SECRET_KEY has no effect. Set SECRET_KEY"),
        ({"ALGORITHM": "RS256"}, "always signed with HS256"),
        ({"DATABASE_URI": "x"}, "Did you mean DATABASE_URL?"),
        ({"FORWARDED_ALLOW_IPS": "*"}, "FORWARDED_ALLOW_IPS has no effect"),
    ],
)
def test_minor_problems_are_hints(sound, found, more, words):
    assert [each for each in found(sound | more, HINT) if words in each]
    assert found(sound | more, ERROR) == []


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("JWT_SECRET_KEY", "SECRET_KEY"),
        ("ACCESS_TOKEN_EXPIRE_MIN", "ACCESS_TOKEN_EXPIRE_MINUTES"),
        ("FLASK_ENV", "TASKAPI_ENV"),
        ("DEBUG", "TASKAPI_ENV"),
        ("BETTER_AUTH_SECRET", "SECRET_KEY"),
        *((f"DB_{part}", "DATABASE_URL") for part in ("HOST", "PORT", "USER", "PASSWORD", "NAME")),
        ("ALLOWED_ORIGINS", "CORS_ORIGINS"),
    ],
)
def test_a_foreign_variable_is_an_error_if_our_setting_is_missing(found, name, ours):
    (text,) = [each for each in found({name: "x"}, ERROR) if name in each]
    assert f"Set {ours} instead" in text


def test_all_invalid_settings_are_reported_at_once(sound, found):
    bad = {"PORT": "x", "WORKER": "maybe", "SECRET_KEY": "", "BCRYPT_ROUNDS": "5"}
    messages = [each for each in found(sound | bad) if "does not start" in each]
    named = {each.split(": ")[1].split()[0] for each in messages}
    assert named == set(bad)


def test_connection_limits_of_the_database_are_considered(all_databases, sound, found):
    url = all_databases("postgres").fresh()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" CONNECTION LIMIT 20')
    (text,) = found(sound | {"DATABASE_URL": url}, ERROR)
    assert "30 connections" in text
    assert "allows 20" in text


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_work_that_no_worker_takes_is_found(kind, all_databases, sound, found):
    env = sound | {"WORKER": "off", "DATABASE_URL": all_databases(kind).fresh()}
    if kind == "postgres":
        assert found(env) == []
    rows = Rows(env["DATABASE_URL"])
    event = {"action": "task.created", "changes": "{}", "is_audit": False, "at": ago(minutes=6)}
    rows.insert("events", [event | {"is_undelivered": True}])
    assert [each for each in found(env, ERROR) if "Run flask worker" in each]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_missing_migrations_are_found(kind, all_databases, sound, found):
    url = all_databases(kind).blank()
    assert any("flask db upgrade" in each for each in found(sound | {"DATABASE_URL": url}))


def test_exit_code_is_1_if_there_are_errors(sound):
    well = run_flask("doctor", **sound)
    assert (well.returncode, well.stdout, well.stderr) == (0, "No problems found.\n", "")

    ill = run_flask("doctor", **{**sound, "CORS_ORIGINS": "*", "LOG_LEVEL": "DEBUG"})
    assert ill.returncode == 1
    assert ill.stdout.startswith("ERROR  CORS_ORIGINS=*")
    assert "\nhint   LOG_LEVEL=DEBUG" in ill.stdout
    assert ill.stdout.endswith("1 problem found.\n")


def test_it_runs_with_invalid_settings_and_prints_no_secret(sound):
    refused = run_flask(
        "doctor", **{**sound, "SECRET_KEY": "change-me-hidden-" * 3, "PORT": "http"}
    )
    assert refused.returncode == 1
    assert "The service does not start: SECRET_KEY must not be a known example" in refused.stdout
    assert "The service does not start: PORT must be" in refused.stdout
    assert "hidden" not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
