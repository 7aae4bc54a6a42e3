"""gunicorn and flask commands in separate processes."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.support.servers import ROOT, free_port

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
# Measure the coverage of servers, but not of commands: Ctrl-C can interrupt the tracer while it
# holds a lock, which is then never released.
COVERAGE = "COVERAGE_PROCESS_CONFIG"
SETTINGS = {
    "TASKAPI_ENV": "development",
    "SECRET_KEY": "tests-only-zGq8Lw2Xn5Rv7Kd3Hs9Tb4Yc6Mf1Pj",
    "BCRYPT_ROUNDS": "4",
    "RATE_LIMIT_PER_MINUTE": "0",
    "RATE_LIMIT_AUTH_PER_MINUTE": "0",
    "WORKER": "off",
    "LOG_LEVEL": "DEBUG",
}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings, and the few variables of this process that any program needs."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {"FLASK_SKIP_DOTENV": "1", "FLASK_APP": "wsgi"} | dict(settings)


def run_flask(*command: str, input: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these settings only."""
    return subprocess.run(
        [sys.executable, "-m", "flask", *command],
        cwd=ROOT,
        env=environment(settings),
        input=input,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        timeout=60,
    )


class LiveServer:
    """A server at `url` that logs to a file, until `stop()`."""

    def __init__(self, log_file: Path, env: dict[str, str]):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log_file = log_file
        coverage = {COVERAGE: os.environ[COVERAGE]} if COVERAGE in os.environ else {}
        settings = {"PYTHONUNBUFFERED": "1", "HOST": "127.0.0.1", "PORT": str(port)} | env
        with log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "wsgi:app"],
                cwd=ROOT,
                env=environment(coverage | settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # allows os.killpg()
            )
        try:
            self._wait()
        except BaseException:  # also on Ctrl-C
            self.stop()
            raise

    def _wait(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except urllib.error.URLError:
                time.sleep(0.05)
        raise AssertionError(f"The server did not start:\n{self.log()}")

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(10)
