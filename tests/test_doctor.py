"""`flask doctor`: each thing that will hurt is found, and nothing else."""

import os
import secrets
import subprocess
import sys

import psycopg
import pytest

from tests.support.live import PASSED_ON
from tests.support.servers import ROOT, free_port

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True),
]

HURTS, HINT = "HURTS", "hint"
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
    """An environment in which nothing will hurt."""
    return {**SOUND, "DATABASE_URL": postgres, "REDIS_URL": redis_url}


@pytest.fixture
def found(app):
    """`found(environment, HURTS)`: what the command finds in it."""

    def run(env, kind=None):
        nothing_else = {name: None for name in os.environ if name.isupper() and name != "PATH"}
        ran = app.test_cli_runner().invoke(args=["doctor"], env=nothing_else | env)
        lines = [line.split(maxsplit=1) for line in ran.output.splitlines()]
        assert ran.exit_code == any(each == HURTS for each, _ in lines), ran.output
        return [text for each, text in lines if each in {HURTS, HINT} & {kind or each}]

    return run


def test_nothing_is_found_where_nothing_will_hurt(sound, found):
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
        ({"RATE_LIMIT_AUTH_PER_MINUTE": "0"}, "passwords may be guessed"),
        ({"RATE_LIMIT_PER_MINUTE": "0"}, "one client may take all"),
        ({"WEBHOOK_ALLOW_PRIVATE": "1"}, "WEBHOOK_ALLOW_PRIVATE=1"),
        ({"GUNICORN_CMD_ARGS": "--workers 8"}, "GUNICORN_CMD_ARGS"),
        ({"PORT": "http"}, "PORT must be"),
        ({"DB_HOST": "db", "DATABASE_URL": ""}, "DB_HOST means nothing here: set DATABASE_URL"),
        ({"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}, "REDIS_URL does not answer"),
        ({"DATABASE_URL": f"postgres://h@127.0.0.1:{free_port()}/n"}, "cannot be reached"),
        ({"DYNO": "web.1", "DATABASE_URL": ""}, "deletes local files"),
        (
            {"DYNO": "web.1", "DATABASE_URL": "", "ALLOW_EPHEMERAL_SQLITE": "1"},
            "everything is lost at every restart",
        ),
        ({"RAILWAY_ENVIRONMENT": "production", "DATABASE_URL": ""}, "SQLite without a volume"),
        ({"RENDER": "true", "TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES must be set on this"),
        ({"TASKAPI_ENV": "", "TRUSTED_PROXIES": "", "K_SERVICE": "tasks"}, "(K_SERVICE is set)"),
        ({"WORKER": "off"}, "no worker was seen"),
    ],
)
def test_what_will_hurt_is_found(sound, found, more, words):
    hurting = found(sound | more, HURTS)
    assert any(words in each for each in hurting), hurting
    # And named only once, beside what follows from an empty SQLite.
    assert sum(words in each for each in hurting) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"REGISTRATION": "open"}, "REGISTRATION is open"),
        ({"REDIS_URL": ""}, "WEB_CONCURRENCY has no effect"),
        ({"REDIS_URL": "", "WEB_CONCURRENCY": ""}, "REDIS_URL is not set"),
        ({"TASKAPI_ENV": "development"}, "TASKAPI_ENV is development"),
        ({"DYNO": "web.1", "TRUSTED_PROXIES": "2"}, "on Heroku it is 1"),
        ({"DATABASE_POOL_SIZE": "40"}, "no room for a second machine"),
        ({"BCRYPT_ROUNDS": "15"}, "BCRYPT_ROUNDS=15"),
        ({"LOG_LEVEL": "debug"}, "LOG_LEVEL=DEBUG"),
        ({"PUBLIC_URL": "http://tasks.example.org"}, "PUBLIC_URL is not https"),
        ({"DB_NAME": "tasks"}, "DB_NAME means nothing here: set DATABASE_URL instead"),
        ({"JWT_SECRET_KEY": "x"}, "JWT_SECRET_KEY means nothing here: set SECRET_KEY"),
        ({"ALGORITHM": "RS256"}, "always signed with HS256"),
        ({"DATABASE_URI": "x"}, "is DATABASE_URL meant?"),
        ({"FORWARDED_ALLOW_IPS": "*"}, "FORWARDED_ALLOW_IPS means nothing"),
    ],
)
def test_what_is_worth_a_thought_is_only_a_hint(sound, found, more, words):
    assert [each for each in found(sound | more, HINT) if words in each]
    assert found(sound | more, HURTS) == []


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("JWT_SECRET_KEY", "SECRET_KEY"),
        ("ACCESS_TOKEN_EXPIRE_MIN", "ACCESS_TOKEN_EXPIRE_MINUTES"),
        ("FLASK_ENV", "TASKAPI_ENV"),
        ("ALLOWED_ORIGINS", "CORS_ORIGINS"),
    ],
)
def test_a_variable_of_similar_systems_hurts_when_nothing_says_it_here(found, name, ours):
    (text,) = [each for each in found({name: "x"}, HURTS) if name in each]
    assert f"set {ours} instead" in text


def test_every_reason_to_refuse_is_found_at_once(sound, found):
    bad = {"PORT": "x", "WORKER": "maybe", "SECRET_KEY": "", "BCRYPT_ROUNDS": "5"}
    named = {each.split(": ")[1].split()[0] for each in found(sound | bad) if "refused" in each}
    assert named == set(bad)


def test_connections_that_only_this_user_or_database_lacks_are_counted(all_databases, sound, found):
    url = all_databases("postgres").fresh()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" CONNECTION LIMIT 20')
    (text,) = found(sound | {"DATABASE_URL": url}, HURTS)
    assert "30 connections" in text
    assert "allows 20" in text


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_missing_migrations_are_found(kind, all_databases, sound, found):
    url = all_databases(kind).blank()
    assert any("flask db upgrade" in each for each in found(sound | {"DATABASE_URL": url}))


def run_doctor(**env: str) -> subprocess.CompletedProcess[str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "flask", "doctor"],
        cwd=ROOT,
        env=passed_on | {"FLASK_SKIP_DOTENV": "1", "FLASK_APP": "wsgi.py"} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_so_and_exits_with_0_or_1(sound):
    well = run_doctor(**sound)
    assert (well.returncode, well.stdout, well.stderr) == (0, "Nothing will hurt.\n", "")

    ill = run_doctor(**{**sound, "CORS_ORIGINS": "*", "LOG_LEVEL": "DEBUG"})
    assert ill.returncode == 1
    assert ill.stdout.startswith("HURTS  CORS_ORIGINS=*")
    assert "\nhint   LOG_LEVEL=DEBUG" in ill.stdout
    assert ill.stdout.endswith("1 thing will hurt.\n")


def test_it_runs_where_the_start_is_refused_and_shows_no_secret(sound):
    refused = run_doctor(**{**sound, "SECRET_KEY": "change-me-hidden-" * 3, "PORT": "http"})
    assert refused.returncode == 1
    assert "The start is refused: SECRET_KEY must not be a known example" in refused.stdout
    assert "The start is refused: PORT must be" in refused.stdout
    assert "hidden" not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
