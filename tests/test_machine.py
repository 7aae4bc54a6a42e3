"""A machine of one's own: nginx in front of the app, and systemd's unit."""

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.servers import ROOT, free_port
from tests.test_deploy import OURS, WEB


def write_nginx(folder: Path, port: int, upstream: str) -> Path:
    """deploy/nginx.conf with what docs/deploy.md has one change, in a configuration around it."""
    site = (ROOT / "deploy/nginx.conf").read_text()
    assert site.count("web:8000;") == site.count("listen 80;") == 1
    site = site.replace("web:8000;", f"{upstream};").replace("listen 80;", f"listen {port};")
    (folder / "site.conf").write_text(site)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}include {folder}/site.conf;\n}}\n"
    )
    return config


@pytest.mark.needs_tools
def test_nginx_in_front_of_the_app(tmp_path, live_server):
    server = live_server(TRUSTED_PROXIES="1")
    port = free_port()
    config = write_nginx(tmp_path, port, server.url.removeprefix("http://"))
    tried = subprocess.run(
        ["nginx", "-t", "-c", config], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr
    assert "warn" not in tried.stderr
    nginx = subprocess.Popen(["nginx", "-c", config, "-g", "daemon off;"])
    try:
        wait_for(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
            registered = client.post(
                "/auth/register",
                json={"username": "ana", "password": "Lantern-7-ana"},
                headers={"X-Forwarded-For": "203.0.113.9"},
            )
            token = registered.json()["access_token"]
            client.headers.update({"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
            made = client.post("/tasks", json={"title": "long", "description": "long " * 1000})
            path = made.headers["Location"].removeprefix("/api/v1")

            seen = client.get(path)
            assert seen.headers["Content-Encoding"] == "gzip"
            tag = seen.headers["ETag"]
            assert tag.startswith("W/")
            assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
            for status in (200, 412):
                changed = client.patch(path, json={"status": "done"}, headers={"If-Match": tag})
                assert changed.status_code == status
    finally:
        nginx.terminate()
        nginx.wait(10)
    assert "203.0.113.9" not in server.log()
    assert '"address":"127.0.0.1"' in server.log()


def wait_for(port: int) -> None:
    for _ in range(100):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health")
            return
        except httpx.ConnectError:
            time.sleep(0.05)
    raise AssertionError("nginx did not start")


@pytest.mark.needs_tools
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    unit = (ROOT / "deploy/taskapi.service").read_text()
    programs = set(re.findall(r"^Exec\w+=(/srv/taskapi/\S+)", unit, re.MULTILINE))
    assert {Path(each).name for each in programs} == {"flask", "gunicorn"}
    copy = tmp_path / "taskapi.service"
    here = unit.replace("/srv/taskapi/.venv/bin", str(Path(sys.executable).parent))
    copy.write_text(here.replace("/srv/taskapi", str(ROOT)))
    checked = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    ours = [line for line in checked.stderr.splitlines() if "taskapi.service" in line]
    assert (checked.returncode, ours) == (0, [])


def test_the_unit_sets_only_settings_of_ours():
    unit = (ROOT / "deploy/taskapi.service").read_text()
    names = set(re.findall(r"(\w+)=", re.findall(r"^Environment=(.*)", unit, re.MULTILINE)[0]))
    assert names <= OURS | {"FLASK_APP"}
    assert f"/{WEB}\n" in unit
