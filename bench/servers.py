"""Start, monitor and stop the services that are compared."""

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.live import PASSED_ON
from tests.support.servers import ROOT, free_port

PEER = ROOT / "bench" / "peer"
PEER_VENV = ROOT / "build" / "bench-peer"
WORKERS = 2
TOKEN_MINUTES = "1440"  # longer than any run


def prepare_peer() -> None:
    """Create the environment of the FastAPI peers if their requirements have changed."""
    requirements = PEER / "requirements.txt"
    stamp = PEER_VENV / "requirements.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return
    print("Making the FastAPI peers' environment (half a minute, once).", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", PEER_VENV], check=True)
    pip = [str(PEER_VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
    pip += ["--no-input", "--disable-pip-version-check", "-r", str(requirements)]
    pip += [] if sys.stderr.isatty() else ["-qq"]
    subprocess.run(pip, check=True, stdout=sys.stderr)
    stamp.write_text(requirements.read_text())


def environment(**env: str) -> dict[str, str]:
    """Return the settings, and the few variables of this process that any program needs."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "FLASK_SKIP_DOTENV": "1"} | env


@dataclass
class Contender:
    """A server under load with its processes."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    cwd: Path = ROOT
    own_pids: list[int] = field(default_factory=list)  # the limiter store
    database_pid: int = 0  # the database server, which all contenders share
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    tokens: list[str] = field(default_factory=list)  # in the order of the users

    def start(self) -> None:
        """Start the server without waiting for it."""
        self.port = free_port()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.command, *self._address()],
                cwd=self.cwd,
                env=self.env | {"HOST": "127.0.0.1", "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is handled by this process, which stops the server
            )

    def _address(self) -> list[str]:
        """Return arguments for the address, for servers that do not read HOST and PORT."""
        if "uvicorn" in self.command:
            return ["--port", str(self.port)]
        return ["--bind", f"127.0.0.1:{self.port}"] if self.name == "flask" else []

    def wait(
        self, path: str = "/api/v1/tasks/0", wanted: tuple[int, ...] = (200, 401, 404)
    ) -> None:
        """Wait for a response with one of these statuses."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                status, _ = self.ask("GET", path, user=0 if self.tokens else None)
            except OSError:
                time.sleep(0.005)
                continue
            if status in wanted:
                return
            raise RuntimeError(f"{self.name} answers {status} to {path}; see {self.log}")
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-3000:]}")

    def ask(
        self, method: str, path: str, body: bytes | None = None, user: int | None = None
    ) -> tuple[int, bytes]:
        """Send a request over a new connection."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if user is not None:
            headers["Authorization"] = f"Bearer {self.tokens[user]}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)
        self.process = None

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes, its store and the database."""
        pid = self.process.pid if self.process else 0
        pids = [pid, *self.own_pids, self.database_pid]
        return sum(process_seconds(each) for each in pids if each)

    def settle(self) -> None:
        """Wait until the work of the last load is finished."""
        end = time.monotonic() + 20
        before = self.cpu_seconds()
        while time.monotonic() < end:
            time.sleep(0.1)
            now = self.cpu_seconds()
            if now - before < 0.02:
                return
            before = now

    def memory(self) -> int:
        """Return the memory of its processes and its store, without counting shared pages twice."""
        pids = [self.process.pid if self.process else 0, *self.own_pids]
        return sum(_memory(process) for pid in pids if pid for process in _tree(pid))


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def process_seconds(pid: int) -> float:
    used = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # the process of a database connection that was closed
        used += times.user + times.system
        if process.pid == pid:  # include its finished children
            used += times.children_user + times.children_system
    return used


def everything() -> float:
    """Return the CPU time of all processes on the machine."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def _memory(process: psutil.Process) -> int:
    used = process.memory_full_info()
    return int(getattr(used, "pss", used.uss))  # macOS has no PSS


def ours(log: Path, database_url: str, redis_url: str) -> Contender:
    """Our service as in production, with rate limits that are never reached."""
    return Contender(
        "ours",
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
        environment(
            TASKAPI_ENV="production",
            SECRET_KEY=secrets.token_urlsafe(48),
            DATABASE_URL=database_url,
            REDIS_URL=redis_url,
            WEB_CONCURRENCY=str(WORKERS),
            RATE_LIMIT_PER_MINUTE="1000000",
            RATE_LIMIT_AUTH_PER_MINUTE="0",
            ACCESS_TOKEN_EXPIRE_MINUTES=TOKEN_MINUTES,
        ),
        log,
    )


def peer(log: Path, database_url: str) -> Contender:
    """The asynchronous FastAPI service."""
    return _fastapi("peer", "app:app", log, _with_driver(database_url))


def sqlmodel(log: Path, database_url: str) -> Contender:
    """The FastAPI service with SQLModel and psycopg."""
    return _fastapi("sqlmodel", "sqlmodel_app:app", log, _with_psycopg(database_url))


def _fastapi(name: str, app: str, log: Path, database_url: str) -> Contender:
    """Run an application with uvicorn as its documentation recommends for production."""
    return Contender(
        name,
        [
            *(str(PEER_VENV / "bin" / "python"), "-m", "uvicorn", app),
            *("--workers", str(WORKERS), "--loop", "uvloop", "--http", "httptools"),
            *("--no-access-log", "--log-level", "warning"),
        ],
        _peer_environment(database_url),
        log,
        cwd=PEER,
    )


def flask(log: Path, database_url: str) -> Contender:
    """The Flask-SQLAlchemy service with our versions of packages and number of threads."""
    return Contender(
        "flask",
        [
            *(sys.executable, "-m", "gunicorn", "flask_app:app"),
            *("--workers", str(WORKERS), "--threads", "4", "--reuse-port"),
        ],
        _peer_environment(_with_psycopg(database_url)),
        log,
        cwd=PEER,
    )


def _peer_environment(database_url: str) -> dict[str, str]:
    return environment(
        SECRET_KEY=secrets.token_urlsafe(48),
        DATABASE_URL=database_url,
        ACCESS_TOKEN_EXPIRE_MINUTES=TOKEN_MINUTES,
    )


def _with_driver(database_url: str) -> str:
    """Return the URL with asynchronous drivers."""
    return database_url.replace("postgresql://", "postgresql+asyncpg://").replace(
        "sqlite:///", "sqlite+aiosqlite:///"
    )


def _with_psycopg(database_url: str) -> str:
    return database_url.replace("postgresql://", "postgresql+psycopg://")


def limit(log: Path, database_url: str) -> Contender:
    """The bare function with our gunicorn settings."""
    return Contender(
        "limit",
        [sys.executable, "-m", "gunicorn", "-c", "bench/limit_gunicorn.py", "bench.limit:app"],
        environment(
            TASKAPI_ENV="production",
            SECRET_KEY=secrets.token_urlsafe(48),
            DATABASE_URL=database_url,
            WEB_CONCURRENCY=str(WORKERS),
        ),
        log,
    )


PEERS = {"peer": peer, "sqlmodel": sqlmodel, "flask": flask, "limit": limit}


def migrate(database_url: str, checkout: Path = ROOT) -> None:
    """Create our tables with `flask db upgrade`."""
    _run([sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"], checkout, database_url)


def make_peer_tables(database_url: str) -> None:
    """Create the tables of all peers and the limit with the asynchronous peer."""
    program = "import asyncio, app; asyncio.run(app.create_tables())"
    _run([str(PEER_VENV / "bin" / "python"), "-c", program], PEER, _with_driver(database_url))


def _run(command: list[str], cwd: Path, database_url: str) -> None:
    env = environment(DATABASE_URL=database_url, SECRET_KEY=secrets.token_urlsafe(48))
    done = subprocess.run(
        command, cwd=cwd, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout.decode()[-3000:]}")
