"""Prometheus metrics."""

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.client import ApiClient
from tests.support.servers import ROOT

pytestmark = pytest.mark.sqlite

TOKEN = "figures-7f3a9c1e5b8d2046"
ALLOWED = {"Authorization": f"Bearer {TOKEN}"}


def figures(text):
    """Return the samples as {(name, ((label, value), …)): value}."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def requests_of(found, route, status):
    labels = (("method", "GET"), ("route", route), ("status", str(status)))
    return found.get(("taskapi_requests_total", labels), 0)


@pytest.fixture
def metered(make_app, make_client):
    client = make_client(make_app(METRICS_TOKEN=TOKEN, RATE_LIMIT_AUTH_PER_MINUTE="8"))
    client.see = lambda: figures(see(client).get_data(as_text=True))
    return client


def see(client):
    # The path is not below /api/v1.
    return super(type(client), client).open("/metrics", headers=ALLOWED)


def test_404_without_metrics_token(root):
    assert root.get("/metrics").status_code == 404
    assert root.get("/metrics", headers=ALLOWED).status_code == 404


def test_metrics_require_the_token(make_app, secrets):
    root = ApiClient(make_app(METRICS_TOKEN=TOKEN, RATE_LIMIT_PER_MINUTE="5"), secrets, base="")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        refused = root.get("/metrics", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.get_json()["error"]["code"] == "UNAUTHORIZED"
    assert root.get(f"/metrics?token={TOKEN}").status_code == 400
    answer = root.get("/metrics", headers=ALLOWED)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    # Requests with a wrong token are limited, those with the right one are not.
    assert [root.get("/metrics", headers={}).status_code for _ in range(3)] == [401, 401, 429]
    assert root.get("/metrics", headers=ALLOWED).status_code == 200


def test_requests_are_counted_by_route_and_status(metered, client, alice):
    made = metered.post("/tasks", json={"title": "one"}, as_=alice)
    for _ in range(3):
        metered.get(f"/tasks/{made.get_json()['id']}", as_=alice)
    metered.get("/tasks/999999999", as_=alice)
    for path in ("/nothing/1", "/nothing/2"):
        metered.get(path, as_=alice)
    metered.open("/tasks", method="BREW")

    found = metered.see()
    assert requests_of(found, "/api/v1/tasks/<id:task_id>", 200) == 3
    assert requests_of(found, "/api/v1/tasks/<id:task_id>", 404) == 1
    assert requests_of(found, "none", 404) == 2
    assert not [key for key in found if "BREW" in str(key) or "nothing" in str(key)]
    timed = (("method", "GET"), ("route", "/api/v1/tasks/<id:task_id>"))
    assert found["taskapi_request_seconds_count", timed] == 4
    assert 0 < found["taskapi_request_seconds_sum", timed] < 10


def test_failed_logins_and_rejected_requests_are_counted(metered, alice):
    wrong = {"username": alice.username, "password": "Not-the-one-7"}
    statuses = [metered.post("/auth/login", json=wrong).status_code for _ in range(10)]
    assert statuses == [401] * 8 + [429] * 2
    found = metered.see()
    assert found["taskapi_failed_logins_total", ()] == 8
    assert found["taskapi_rate_limited_total", ()] == 2


def test_prometheus_client_is_loaded_only_if_needed():
    code = "import sys, wsgi;print('prometheus_client' in sys.modules, 'sentry_sdk' in sys.modules)"
    for token, expected in (("", "False False"), (TOKEN, "True False")):
        told = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "METRICS_TOKEN": token, "SECRET_KEY": "z1x2c3v4b5n6m7" * 3},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == expected


# --- over gunicorn's workers --------------------------------------------------------------------


@pytest.fixture
def server(live_server):
    return live_server(METRICS_TOKEN=TOKEN, WEB_CONCURRENCY="3", ALLOW_SPLIT_LIMITS="1")


def scrape(server):
    answer = httpx.get(f"{server.url}/metrics", headers=ALLOWED)
    assert answer.status_code == 200
    return figures(answer.text)


def ask(server, times):
    """Send requests over separate connections, so that every worker receives some."""
    for _ in range(times):
        assert httpx.get(f"{server.url}/api/v1/tasks").status_code == 401


def folder_of(server):
    """Return the folder of the files that the workers have mapped."""
    for _ in range(100):
        ask(server, 1)
        for worker in psutil.Process(server.process.pid).children():
            for each in worker.memory_maps():
                if "/taskapi-metrics-" in each.path:
                    return Path(each.path).parent
    raise AssertionError("no worker has one")


def test_metrics_are_summed_over_workers(server):
    ask(server, 60)
    for _ in range(6):  # from any worker
        assert requests_of(scrape(server), "/api/v1/tasks", 401) == 60

    limits = ("taskapi_database_connections", (("state", "limit"),))
    workers = psutil.Process(server.process.pid).children()
    assert len(workers) == 3
    assert scrape(server)[limits] in (15, 30, 45)  # of the workers that have handled a request
    workers[0].send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while not (
        len(now := psutil.Process(server.process.pid).children()) == 3
        and workers[0].pid not in {each.pid for each in now}
    ):
        assert time.monotonic() < end
        time.sleep(0.1)
    ask(server, 40)
    for _ in range(6):
        found = scrape(server)
        assert requests_of(found, "/api/v1/tasks", 401) == 100
        assert found[limits] <= 45, "the dead worker's connections are gone"


def test_connections_and_the_queue_are_shown(live_server):
    server = live_server(METRICS_TOKEN=TOKEN)
    httpx.get(f"{server.url}/health/detailed")
    found = scrape(server)
    of_state = {
        state: found["taskapi_database_connections", (("state", state),)]
        for state in ("in_use", "limit")
    }
    assert of_state["in_use"] == 0
    assert of_state["limit"] == 15
    assert found["taskapi_queue_depth", ()] == 0


def test_request_without_host_is_counted(server):
    before = requests_of(scrape(server), "/health", 400)
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"))) as connection:
        connection.putrequest("GET", "/health", skip_host=True)
        connection.endheaders()
        assert connection.getresponse().status == 400
    assert requests_of(scrape(server), "/health", 400) == before + 1


def test_shared_folder_is_removed_at_exit(server):
    folder = folder_of(server)
    counted = requests_of(scrape(server), "/api/v1/tasks", 401)
    before = {each.pid for each in psutil.Process(server.process.pid).children()}
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while before & {each.pid for each in psutil.Process(server.process.pid).children()}:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert requests_of(scrape(server), "/api/v1/tasks", 401) == counted > 0
    assert server.stop() == 0
    assert not folder.exists()
