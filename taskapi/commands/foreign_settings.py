"""Variables of similar systems that have no effect here, and what to set instead."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from taskapi.config import SETTING_NAMES

# Our setting: its names in other systems.
INSTEAD = {
    "DATABASE_URL": """
        DB_HOST DB_PORT DB_NAME DB_USER DB_USERNAME DB_PASSWORD DB_URL DB_SERVER DB_DATABASE
        DB_CONNECTION_STRING DATABASE_HOST DATABASE_NAME DATABASE_USER DATABASE_PASSWORD
        DATABASE_PORT POSTGRES_HOST POSTGRES_PORT POSTGRES_SERVER POSTGRES_DB POSTGRES_USER
        POSTGRES_PASSWORD POSTGRES_URL SQLALCHEMY_DATABASE_URI SQLALCHEMY_DATABASE_URL
        DEV_DATABASE_URL MYSQL_HOST MONGODB_URI MONGO_URI
    """,
    "SECRET_KEY": """
        JWT_SECRET_KEY JWT_SECRET APP_SECRET APP_SECRET_KEY FLASK_SECRET BETTER_AUTH_SECRET
        AUTH_SECRET
    """,
    "ACCESS_TOKEN_EXPIRE_MINUTES": """
        ACCESS_TOKEN_EXPIRE_MIN ACCESS_TOKEN_EXPIRES ACCESS_TOKEN_EXPIRE_SECONDS
        JWT_ACCESS_TOKEN_EXPIRES JWT_EXPIRATION JWT_EXPIRE_MINUTES TOKEN_EXPIRE_MIN
        ACCESS_TOKEN_LIFETIME ACCESS_TOKEN_EXPIRATION JWT_EXPIRES_IN
    """,
    "REFRESH_TOKEN_EXPIRE_DAYS": "JWT_REFRESH_TOKEN_EXPIRES REFRESH_TOKEN_EXPIRE_MINUTES",
    "REDIS_URL": """
        REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_TLS_URL VALKEY_URL RATELIMIT_STORAGE_URI
        RATELIMIT_STORAGE_URL CACHE_REDIS_URL
    """,
    "RATE_LIMIT_PER_MINUTE": "RATELIMIT_DEFAULT RATE_LIMIT RATE_LIMIT_DEFAULT",
    "CORS_ORIGINS": """
        ALLOWED_ORIGINS BACKEND_CORS_ORIGINS CORS_ALLOWED_ORIGINS CORS_ALLOW_ORIGINS FRONTEND_URL
        CORS_ORIGIN
    """,
    "TASKAPI_ENV": "DEBUG FLASK_ENV APP_ENV ENVIRONMENT FLASK_CONFIG APP_SETTINGS",
    "LOG_LEVEL": "LOGLEVEL LOGGING_LEVEL",
    "ADMIN_USERNAME": "FIRST_SUPERUSER SUPERUSER_USERNAME DEFAULT_ADMIN_USERNAME",
    "ADMIN_EMAIL": "FIRST_SUPERUSER_EMAIL DEFAULT_ADMIN_EMAIL",
    "ADMIN_PASSWORD": "FIRST_SUPERUSER_PASSWORD DEFAULT_ADMIN_PASSWORD",
    "WEB_CONCURRENCY": "WORKERS GUNICORN_WORKERS UVICORN_WORKERS MAX_WORKERS",
    "WEB_THREADS": "GUNICORN_THREADS THREADS",
    "BCRYPT_ROUNDS": "BCRYPT_LOG_ROUNDS HASH_ROUNDS",
    "DATABASE_POOL_SIZE": "DB_POOL_SIZE SQLALCHEMY_POOL_SIZE",
    "DATABASE_MAX_OVERFLOW": "DB_MAX_OVERFLOW SQLALCHEMY_MAX_OVERFLOW",
    "PASSWORD_MIN_LENGTH": "MIN_PASSWORD_LENGTH",
    "REGISTRATION": "ALLOW_REGISTRATION USERS_OPEN_REGISTRATION REGISTRATION_ENABLED",
}
NEEDLESS = {
    "ALGORITHM": "tokens are always signed with HS256",
    "JWT_ALGORITHM": "tokens are always signed with HS256",
    "ALLOWED_HOSTS": "no response contains the host",
    "API_PREFIX": "the path is always /api/v1",
    "API_V1_STR": "the path is always /api/v1",
}


def foreign_settings(env: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    """Yield a message for each, and whether the setting that it stands for is missing."""
    known = {name: ours for ours, names in INSTEAD.items() for name in names.split()}
    for name in sorted(env):
        if name in NEEDLESS:
            yield False, f"{name} has no effect: {NEEDLESS[name]}."
        elif name in known:
            yield known[name] not in env, f"{name} has no effect. Set {known[name]} instead."
        elif name not in SETTING_NAMES:
            for ours in get_close_matches(name, SETTING_NAMES, n=1, cutoff=0.9):
                yield False, f"{name} has no effect. Did you mean {ours}?"
