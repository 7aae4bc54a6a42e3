"""The scripts, in a new checkout whose path contains a space."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.servers import ROOT, free_port

SETTINGS = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
NOT_CHECKED_IN = shutil.ignore_patterns(
    *(".git", ".venv", "instance", "node_modules", "htmlcov", ".*cache", "__pycache__", ".env"),
    *("build", ".hypothesis", ".schemathesis"),
    ".coverage*",  # temporary files of a test run
)
STAMP = """
{ cat requirements.txt %s | cksum; readlink -f .venv/bin/python; pwd -P; } >.venv/stamp-%s
"""


def environment(**more: str) -> dict[str, str]:
    """Return the environment without our settings, with options for a fast installation."""
    mine = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return mine | {"PIP_NO_COMPILE": "1", "PYTHON": sys.executable} | more


def run(
    *command: Path | str, cwd: Path | str = "/", **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment(**env), capture_output=True, text=True, check=False
    )


def copy_of_the_project(to: Path) -> Path:
    return Path(shutil.copytree(ROOT, to, ignore=NOT_CHECKED_IN, symlinks=True))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with a fake .venv that runs the programs of this environment."""
    place = copy_of_the_project(tmp_path_factory.mktemp("scripts") / "my projects" / "task api")
    programs = place / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in (("python", ""), ("gunicorn", "-m gunicorn")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    for files, kind in (("", "runtime"), ("requirements-dev.txt", "dev")):
        assert run("sh", "-c", STAMP % (files, kind), cwd=place).returncode == 0
    return place


class Server:
    """`script/server`, started from another folder through a symbolic link."""

    def __init__(self, checkout: Path, folder: Path):
        port = free_port()
        self.url = f"http://localhost:{port}"
        link = folder / "serve"
        link.symlink_to(checkout / "script" / "server")
        self._log = folder / "log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [link],
                cwd=folder,
                env=environment(PORT=str(port)),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self._log.read_text()

    def wait(self) -> None:
        for _ in range(400):
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except urllib.error.URLError:
                assert self._process.poll() is None, self.said()
                time.sleep(0.05)
        raise AssertionError(self.said())

    def terminate(self) -> int:
        self._process.terminate()
        return self._process.wait(30)

    def interrupt(self) -> int:
        """Send SIGINT to all processes, as Ctrl-C does."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(30)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def server(checkout: Path, tmp_path: Path):
    started = Server(checkout, tmp_path)
    yield started
    started.kill()


def test_server_prints_hints_and_stops_on_sigterm(server, checkout):
    begin = time.monotonic()
    server.wait()
    assert time.monotonic() - begin < 10

    said = server.said()
    assert f"{server.url}/docs" in said
    assert "flask users create NAME --admin" in said
    assert "curl" in said
    assert list((checkout / "instance").glob("*.sqlite3"))
    assert server.terminate() == 0, server.said()
    assert "Traceback" not in server.said()


def test_ctrl_c_stops_the_server_with_status_0(server):
    server.wait()
    assert server.interrupt() == 0, server.said()
    assert "Traceback" not in server.said()


def test_port_in_use(server, checkout):
    server.wait()
    port = server.url.rpartition(":")[2]
    refused = run(checkout / "script" / "server", PORT=port)
    assert refused.returncode == 1
    assert f"Port {port} is in use." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_invalid_setting(checkout):
    refused = run(checkout / "script" / "server", PORT="http")
    assert refused.returncode == 1
    assert "PORT must be" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_unavailable_database(checkout):
    nobody = f"postgresql://ana:not-told@127.0.0.1:{free_port()}/tasks"
    refused = run(checkout / "script" / "server", PORT=str(free_port()), DATABASE_URL=nobody)
    assert refused.returncode == 1
    assert "Cannot connect to DATABASE_URL" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "not-told" not in refused.stderr


@pytest.mark.slow  # it installs everything
def test_concurrent_setups_of_an_incomplete_environment(tmp_path):
    place = copy_of_the_project(tmp_path / "task api")
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    setup = place / "script" / "setup"
    both = [
        subprocess.Popen([setup], cwd="/", env=environment(), stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=300)[1].decode() for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert sorted("Installing requirements.txt" in each for each in said) == [False, True], said

    begin = time.monotonic()
    again = run(setup)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert time.monotonic() - begin < 1

    server = Server(place, tmp_path)
    try:
        server.wait()
        assert server.terminate() == 0, server.said()
    finally:
        server.kill()


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH with the programs that the scripts need, but without Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "grep", "readlink"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def fake_python(folder: Path, body: str) -> None:
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def test_missing_or_old_python(tmp_path, bare_path):
    place = copy_of_the_project(tmp_path / "checkout")
    for program in ("exit 127", "exit 1"):
        fake_python(bare_path, program)
        refused = run(place / "script" / "server", PATH=str(bare_path), PYTHON="")
        assert refused.returncode == 1
        assert refused.stderr.startswith("Python 3.11 or newer is required")


def test_python_without_venv(tmp_path, bare_path):
    place = copy_of_the_project(tmp_path / "checkout")
    fake_python(bare_path, f'case $2 in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"')
    refused = run(place / "script" / "setup", PATH=str(bare_path), PYTHON="")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert refused.returncode == 1
    assert f"apt-get install python{version}-venv" in refused.stderr


@pytest.mark.parametrize("name", ["setup", "server", "test", "test-all"])
def test_every_script_has_help(name):
    for option in ("-h", "--help"):
        told = run(ROOT / "script" / name, option)
        assert told.returncode == 0
        assert "Usage:" in told.stdout


@pytest.mark.parametrize("name", ["setup", "server"])
def test_unknown_argument(name):
    refused = run(ROOT / "script" / name, "--faster")
    assert refused.returncode == 2
    assert refused.stderr


def test_script_test_prints_a_summary(checkout):
    none = run(checkout / "script" / "test", "tests/test_support.py", "-k", "no_such_test")
    assert none.returncode == 5, none.stdout + none.stderr
    assert " deselected in " in none.stdout.splitlines()[-1]


def test_missing_programs_are_named(bare_path):
    refused = run(ROOT / "script" / "test-all", PATH=str(bare_path))
    assert refused.returncode == 1
    assert "apt-get install chromium" in refused.stderr
