"""gunicorn with our configuration, in a separate process."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.servers import ROOT, free_port

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
# What runs in the server counts as well. Not in commands: Ctrl-C may hit coverage's tracer while
# it holds a lock, which then nobody gets.
COVERAGE = "COVERAGE_PROCESS_CONFIG"


class LiveServer:
    """A server at `url` that logs to a file, until `stop()`."""

    def __init__(self, log_file: Path, env: dict[str, str]):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log_file = log_file
        environment = {
            name: os.environ[name] for name in (*PASSED_ON, COVERAGE) if name in os.environ
        }
        environment |= {"FLASK_SKIP_DOTENV": "1", "PYTHONUNBUFFERED": "1"}
        environment |= {"HOST": "127.0.0.1", "PORT": str(port)} | env
        with log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "wsgi:app"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all processes can be killed together
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
