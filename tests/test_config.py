"""Settings: each is checked at the start, and a bad one is named in a sentence."""

import stat

import pytest

from taskapi import config, create_app
from taskapi.config import ConfigError, Settings

SECRET = "xK7-9bQz1mW4vR8tL2nD6yH3cF5jP0sA"
PRODUCTION = {"TASKAPI_ENV": "production", "SECRET_KEY": SECRET}


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "INSTANCE", tmp_path / "instance")
    return lambda **env: Settings.from_env(env)


def test_the_defaults(read):
    found = read()
    assert (found.taskapi_env, found.host, found.port) == ("development", "127.0.0.1", 8000)
    assert (found.rate_limit_per_minute, found.rate_limit_auth_per_minute) == (60, 10)
    assert (found.access_token_expire_minutes, found.refresh_token_expire_days) == (30, 30)
    assert (found.bcrypt_rounds, found.password_min_length) == (12, 8)
    assert (found.registration, found.trusted_proxies, found.web_concurrency) == ("open", 0, 1)
    assert (found.database_pool_size, found.database_max_overflow) == (5, 10)
    assert found.redis_url is None
    assert found.worker == "embedded"


def test_production(read):
    assert read(**PRODUCTION).host == "0.0.0.0"
    for platform in ("DYNO", "RENDER", "RAILWAY_ENVIRONMENT"):
        env = {platform: "x", "SECRET_KEY": SECRET, "DATABASE_URL": "postgres://h/d"}
        assert read(**env, TRUSTED_PROXIES="1", TASKAPI_ENV="development").is_production
    assert read(DYNO="web.1", SECRET_KEY=SECRET, DATABASE_URL="postgres://h/d").trusted_proxies == 1


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("TASKAPI_ENV", ["prod", "Production", "test"]),
        ("SECRET_KEY", ["short", "x" * 31, f"{SECRET},short", ","]),
        ("DATABASE_URL", ["mysql://h/d", "nonsense", "postgresql", "sqlite://", "sqlite:///"]),
        ("DATABASE_URL", ["sqlite:///:memory:", "postgresql://h:port/d", "postgresql://[::/d"]),
        ("DATABASE_POOL_SIZE", ["0", "-1", "x", "1.5", "\u0663", "9" * 5000]),
        ("DATABASE_PREPARED", ["yes", "true", "2"]),
        ("REDIS_URL", ["http://h", "localhost:6379", "redis://h:port/0"]),
        ("RATE_LIMIT_PER_MINUTE", ["-1", "x", "60/minute", "1e3"]),
        ("RATE_LIMIT_AUTH_PER_MINUTE", ["-1", "ten"]),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", ["0", "-5", "30m"]),
        ("REFRESH_TOKEN_EXPIRE_DAYS", ["0", "x"]),
        ("BCRYPT_ROUNDS", ["3", "17", "x"]),
        ("PASSWORD_MIN_LENGTH", ["7", "x"]),
        ("REGISTRATION", ["yes", "OPEN"]),
        ("CORS_ORIGINS", ["example.org", "https://a.example/path", "ftp://a", "https://[::"]),
        ("TRUSTED_PROXIES", ["-1", "all"]),
        ("PUBLIC_URL", ["example.org", "ftp://x", "https://", "https://[::"]),
        ("PORT", ["0", "65536", "http"]),
        ("WEB_CONCURRENCY", ["0", "x"]),
        ("WEB_THREADS", ["0", "x"]),
        ("WORKER", ["on", "1"]),
        ("WEBHOOK_ALLOW_PRIVATE", ["true"]),
        ("LOG_LEVEL", ["LOUD", "5"]),
    ],
)
def test_a_bad_value_is_named_in_a_sentence(read, name, values):
    for value in values:
        with pytest.raises(ConfigError) as caught:
            read(**{name: value})
        said = str(caught.value)
        assert said.startswith(f"{name} must be"), said
        assert "\n" not in said
        assert "Exceeds" not in said
        assert "Invalid" not in said


def test_what_production_refuses(read):
    for name, env in [
        ("SECRET_KEY", {"TASKAPI_ENV": "production"}),
        ("SECRET_KEY", {**PRODUCTION, "SECRET_KEY": "change-me" * 5}),
        ("SECRET_KEY", {**PRODUCTION, "SECRET_KEY": "a" * 40}),
        (
            "SECRET_KEY",
            {**PRODUCTION, "SECRET_KEY": f"{SECRET},your-secret-key-of-a-tutorial-0123"},
        ),
        ("BCRYPT_ROUNDS", {**PRODUCTION, "BCRYPT_ROUNDS": "11"}),
        ("TRUSTED_PROXIES", {"RENDER": "true", "SECRET_KEY": SECRET}),
        ("TRUSTED_PROXIES", {"RAILWAY_ENVIRONMENT": "x", "SECRET_KEY": SECRET}),
        ("DATABASE_URL", {"DYNO": "web.1", "SECRET_KEY": SECRET}),
        ("DATABASE_URL", {"RENDER": "1", "SECRET_KEY": SECRET, "TRUSTED_PROXIES": "1"}),
    ]:
        with pytest.raises(ConfigError, match=name):
            read(**env)
    assert read(DYNO="web.1", SECRET_KEY=SECRET, ALLOW_EPHEMERAL_SQLITE="1").uses_sqlite


def test_development_makes_a_secret_and_keeps_it(read, tmp_path):
    first = read().secret_key
    assert len(first) >= 32
    assert read().secret_key == first
    path = tmp_path / "instance" / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_addresses_of_databases_and_spaces(read):
    for url in ("postgres://u:p@h/d", "postgresql://u:p@h/d", " postgres://u:p@h/d "):
        assert read(DATABASE_URL=url).database_url == "postgresql+psycopg://u:p@h/d"
    assert read(PORT="").port == 8000
    assert read(CORS_ORIGINS=" https://a.example/ ,http://b.example:3000").cors_origins == (
        "https://a.example",
        "http://b.example:3000",
    )


def test_limits_of_several_workers_would_add_up(read):
    assert read(WEB_CONCURRENCY="4").web_concurrency == 1
    assert read(WEB_CONCURRENCY="4", ALLOW_SPLIT_LIMITS="1").web_concurrency == 4
    assert read(WEB_CONCURRENCY="3", REDIS_URL="redis://h/0").web_concurrency == 3


@pytest.mark.parametrize(
    "given",
    [{"WEB_THREADS": "many"}, {"BCRYPT_ROUNDS": 3}, {"PORT": [1]}, {"PORT": False}],
    ids=str,
)
def test_create_app_refuses_a_bad_setting(given):
    with pytest.raises(ConfigError, match=next(iter(given))):
        create_app({"SECRET_KEY": SECRET, **given})


def test_create_app_takes_values_and_what_is_flasks():
    app = create_app(
        {
            "SECRET_KEY": SECRET,
            "DATABASE_PREPARED": False,
            "RATE_LIMIT_PER_MINUTE": 7,
            "REDIS_URL": None,
            "TESTING": True,
        }
    )

    settings = app.extensions["settings"]
    assert settings.database_prepared is False
    assert settings.rate_limit_per_minute == 7
    assert settings.redis_url is None
    assert app.testing
