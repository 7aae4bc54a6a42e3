"""Fixtures: real databases, the application, users, a live server."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import flask_migrate
import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from taskapi import create_app
from taskapi.extensions import db
from taskapi.logging import JsonFormatter
from tests.chaos.ground import Ground, ground
from tests.support.calls import at_once
from tests.support.client import ApiClient, Cast, Person
from tests.support.databases import Databases, PostgresDatabases, SqliteDatabases
from tests.support.live import SETTINGS, LiveServer
from tests.support.projects import Team, new_team
from tests.support.receiver import Receiver
from tests.support.rows import Rows
from tests.support.secrets import Secrets
from tests.support.servers import Servers, addresses
from tests.support.worker import Worker, working

Request = Callable[[], TestResponse]

# --- servers: one PostgreSQL and one Valkey for all processes of a run -------------------------

servers_key = pytest.StashKey[Servers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-contract",
        action="store_true",
        help="record the files under tests/contract again (with tests/test_contract.py)",
    )
    parser.addoption(
        "--record-database",
        action="store_true",
        help="record a database of this version in tests/data (with tests/test_old_database.py)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Ignore settings in .env and the environment.
    os.environ["FLASK_SKIP_DOTENV"] = "1"
    if not hasattr(config, "workerinput"):
        config.stash[servers_key] = Servers(os.environ)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a database with each kind, or with the one of its marker."""
    if "backend" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker
    sqlite = (
        pytest.param("sqlite", marks=pytest.mark.slow) if marker("slow_on_sqlite") else "sqlite"
    )
    marked = [each for each in ("sqlite", "postgres") if marker(each)]
    metafunc.parametrize("backend", marked or [sqlite, "postgres"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the servers before the worker processes of pytest-xdist."""
    node.workerinput["servers"] = str(node.config.stash[servers_key].start())


def pytest_unconfigure(config: pytest.Config) -> None:
    if servers_key in config.stash:
        config.stash[servers_key].stop()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> dict[str, str]:
    """The URLs of the `postgres` and `redis` servers."""
    workerinput: dict[str, Any] | None = getattr(pytestconfig, "workerinput", None)
    if workerinput is not None:
        return addresses(Path(workerinput["servers"]))
    return addresses(pytestconfig.stash[servers_key].start())


@pytest.fixture
def redis_url(servers: dict[str, str]) -> str:
    """An empty Redis database that no other test process uses."""
    assert servers["redis"], "no Redis was found: name one in TEST_REDIS_URL"
    server = urlsplit(servers["redis"])
    number = int(server.path.strip("/") or 0)
    number += int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    url = server._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
    return url


# --- databases and the application --------------------------------------------------------------


def _new_app(settings: dict[str, str]) -> Flask:
    return create_app(SETTINGS | settings)


def _dispose(app: Flask) -> None:
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def _migrate(url: str) -> None:
    app = _new_app({"DATABASE_URL": url})
    with app.app_context():
        flask_migrate.upgrade()
    _dispose(app)


@pytest.fixture(scope="session")
def all_databases(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Databases]]:
    """The databases of each kind, created when they are needed."""
    made: dict[str, Databases] = {}

    def of_kind(kind: str) -> Databases:
        if kind not in made:
            if kind == "sqlite":
                made[kind] = SqliteDatabases(tmp_path_factory.mktemp("sqlite"), _migrate)
            else:
                server = request.getfixturevalue("servers")["postgres"]
                made[kind] = PostgresDatabases(server, _migrate)
        return made[kind]

    yield of_kind
    for databases in made.values():
        databases.close()


@pytest.fixture
def databases(backend: str, all_databases: Callable[[str], Databases]) -> Databases:
    return all_databases(backend)


@pytest.fixture(scope="session")
def shared_apps() -> Iterator[dict[str, Flask]]:
    """Applications by settings, because creating one takes longer than most tests."""
    apps: dict[str, Flask] = {}
    yield apps
    for app in apps.values():
        _dispose(app)


@pytest.fixture
def app_settings() -> dict[str, str]:
    """Additional settings of a test module."""
    return {}


@pytest.fixture
def app(
    databases: Databases,
    app_settings: dict[str, str],
    shared_apps: dict[str, Flask],
    suite_log: None,
) -> Flask:
    """The application with an empty database."""
    databases.empty()
    settings = {"DATABASE_URL": databases.shared()} | app_settings
    if (key := str(settings)) not in shared_apps:
        shared_apps[key] = _new_app(settings)
    return shared_apps[key]


@pytest.fixture
def rows(app: Flask, databases: Databases) -> Rows:
    """The rows of the application's database."""
    return Rows(databases.shared())


@pytest.fixture
def make_app(databases: Databases, app: Flask) -> Iterator[Callable[..., Flask]]:
    """`make_app(REGISTRATION="closed")` creates another application with the same database."""
    made: list[Flask] = []

    def make(**settings: str) -> Flask:
        made.append(_new_app({"DATABASE_URL": databases.shared()} | settings))
        return made[-1]

    yield make
    for each in made:
        _dispose(each)


@pytest.fixture
def client(app: Flask, secrets: Secrets) -> ApiClient:
    """A client for paths below /api/v1."""
    return ApiClient(app, secrets)


@pytest.fixture
def root(app: Flask, secrets: Secrets) -> ApiClient:
    """A client for other paths, such as /health and /docs."""
    return ApiClient(app, secrets, base="")


@pytest.fixture
def make_client(secrets: Secrets) -> Callable[[Flask], ApiClient]:
    """A client for an application of `make_app`."""
    return lambda app: ApiClient(app, secrets)


# --- users --------------------------------------------------------------------------------------


@pytest.fixture
def cast(app: Flask, client: ApiClient) -> Cast:
    return Cast(app, client)


@pytest.fixture
def alice(cast: Cast) -> Person:
    return cast.user("alice")


@pytest.fixture
def bob(cast: Cast) -> Person:
    return cast.user("bob", email="bob@example.org")


@pytest.fixture
def admin(cast: Cast) -> Person:
    return cast.admin()


@pytest.fixture
def team(client: ApiClient, cast: Cast) -> Team:
    return new_team(client, cast)


# --- concurrent requests ------------------------------------------------------------------------


@pytest.fixture
def prepare(app: Flask, make_client: Callable[[Flask], ApiClient]) -> Callable[..., Request]:
    """`prepare("POST", path, …)` returns a function that sends the request with a new client."""

    def request(method: str, path: str, **options: Any) -> Request:
        return partial(make_client(app).open, path, method=method, **options)

    return request


@pytest.fixture
def send_at_once(prepare: Callable[..., Request]) -> Callable[..., list[TestResponse]]:
    """`send_at_once((alice, "POST", path, body), …)` returns the responses in this order."""

    def run(*requests: tuple[Any, ...]) -> list[TestResponse]:
        return at_once(
            [
                prepare(method, path, as_=person, **({"json": body[0]} if body else {}))
                for person, method, path, *body in requests
            ]
        )

    return run


@pytest.fixture
def holding(rows: Rows) -> Callable[..., AbstractContextManager[Any]]:
    """`with holding("UPDATE …") as start:` commits the statement once the requests wait for it.

    `start(request)` runs a request of `prepare` in a thread; its `.result()` is available after
    the block.
    """

    @contextmanager
    def run(statement: str, waiting: int = 1, **values: Any) -> Iterator[Any]:
        with ThreadPoolExecutor(5) as pool, rows.held(statement, **values):
            yield pool.submit
            rows.until_blocked(waiting)

    return run


# --- observing ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def secrets() -> Secrets:
    """All passwords and tokens that clients of this process have used."""
    return Secrets()


@pytest.fixture(scope="session")
def suite_log(tmp_path_factory: pytest.TempPathFactory, secrets: Secrets) -> Iterator[None]:
    """Record all log lines, and check at the end that they contain no secret."""
    path = tmp_path_factory.mktemp("log") / "suite.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    logging.getLogger("taskapi").setLevel(logging.DEBUG)
    yield
    logging.getLogger().removeHandler(handler)
    handler.close()
    text = path.read_text()
    assert text or not secrets, "requests were made, and none was logged"
    given_away = secrets.found_in(text)
    assert not given_away, f"logged with a password or token: {given_away[:5]}"


@contextmanager
def _statements(app: Flask) -> Iterator[list[str]]:
    seen: list[str] = []
    connect = sqlite3.dbapi2.connect

    def note(statement: str) -> None:
        if not statement.startswith("PRAGMA"):  # as each new connection begins
            seen.append(statement)

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(note)
        return connection

    _dispose(app)  # its connections are opened before the block
    with mock.patch.object(sqlite3.dbapi2, "connect", traced):
        yield seen
    _dispose(app)


@pytest.fixture
def statements(app: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """`with statements() as seen:` records the SQL statements of the block on SQLite."""
    return lambda: _statements(app)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def worker(app: Flask) -> Iterator[Worker]:
    """A running worker."""
    with working(app) as worker:
        yield worker


# --- servers in separate processes --------------------------------------------------------------


@pytest.fixture(scope="module")
def stand() -> Iterator[Ground]:
    """A server for all tests of a module, which do not change it."""
    with ground("sqlite", WEB_CONCURRENCY="1", WEB_THREADS="4") as made:
        yield made


@pytest.fixture
def live_server(
    databases: Databases, tmp_path: Path, secrets: Secrets
) -> Iterator[Callable[..., LiveServer]]:
    """`live_server(WEB_THREADS="8")` starts gunicorn with a separate database."""
    started: list[LiveServer] = []

    def start(**env: str) -> LiveServer:
        settings = SETTINGS | {"DATABASE_URL": env.get("DATABASE_URL") or databases.fresh()} | env
        started.append(LiveServer(tmp_path / f"server-{len(started)}.log", settings))
        return started[-1]

    yield start
    for server in started:
        server.stop()
    given_away = [line for server in started for line in secrets.found_in(server.log())]
    assert not given_away, f"logged with a password or token: {given_away[:5]}"
