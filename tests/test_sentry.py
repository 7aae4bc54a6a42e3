"""Error reports to Sentry."""

import gzip
import json
import subprocess
import sys
import sysconfig
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.servers import ROOT

PASSWORD = "Lantern-7-sentry"


@pytest.fixture
def sentry():
    """A fake Sentry server: the value for SENTRY_DSN, and the received bodies."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            came.append(body.decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments):
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://key@127.0.0.1:{server.server_port}/1", came
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.postgres
def test_reports_contain_no_private_data(live_server, databases, sentry):
    address, came = sentry
    url = databases.fresh()
    server = live_server(DATABASE_URL=url, SENTRY_DSN=address)
    with httpx.Client(base_url=f"{server.url}/api/v1") as client:
        registered = client.post("/auth/register", json={"username": "ana", "password": PASSWORD})
        token = registered.json()["access_token"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE tasks RENAME TO elsewhere")
        failed = client.post(
            "/tasks",
            json={"title": "confidential"},
            headers={"Authorization": f"Bearer {token}", "X-Request-ID": "seen-in-sentry"},
        )
        searched = client.get("/tasks?q=confidential", headers={"Authorization": f"Bearer {token}"})
        assert (failed.status_code, searched.status_code) == (500, 500)
        assert client.get("/nothing").status_code == 404  # expected errors are not reported
    end = time.monotonic() + 10
    while len(came) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert server.stop() == 0

    reports = [
        json.loads(line) for each in came for line in each.splitlines() if '"exception"' in line
    ]
    assert len(reports) == 2
    (report,) = [each for each in reports if each["tags"]["request_id"] == "seen-in-sentry"]
    assert report["request"] == {"method": "POST", "url": f"{server.url}/api/v1/tasks"}
    assert report["exception"]["values"][-1]["type"] == "UndefinedTable"
    assert report["environment"] == "development"
    everything = "".join(came)
    for private in (PASSWORD, token, "confidential", "Bearer", "breadcrumbs", "sys.argv"):
        assert private not in everything, private


def without_sentry(folder: Path) -> Path:
    """Return a copy of the environment without sentry-sdk."""
    here = Path(sysconfig.get_path("purelib"))
    for each in here.iterdir():
        if not each.name.startswith("sentry_sdk"):
            (folder / each.name).symlink_to(each)
    return folder


def test_missing_sentry_sdk_is_reported(tmp_path):
    installed = {
        "SENTRY_DSN": "http://key@127.0.0.1:1/1",
        "FLASK_SKIP_DOTENV": "1",
        "FLASK_APP": "wsgi.py",
    }
    run: dict[str, Any] = {
        "cwd": ROOT,
        "env": installed | {"PYTHONPATH": str(without_sentry(tmp_path))},
        "capture_output": True,
        "text": True,
        "check": False,
    }
    python = Path(sys.executable).resolve()  # the base interpreter, which has no packages
    code = "from wsgi import app; print(app.test_client().get('/health').status_code)"
    served = subprocess.run([python, "-S", "-c", code], **run)
    assert (served.returncode, served.stdout) == (0, "200\n"), served.stderr
    assert "pip install sentry-sdk" in served.stderr
    examined = subprocess.run([python, "-S", "-m", "flask", "doctor"], **run)
    assert "ERROR  SENTRY_DSN is set, but sentry-sdk is not installed" in examined.stdout
    examined = subprocess.run([sys.executable, "-m", "flask", "doctor"], **run | {"env": installed})
    assert examined.stdout
    assert "SENTRY" not in examined.stdout
