"""Prometheus metrics, summed over gunicorn's workers, if METRICS_TOKEN is set."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from hmac import compare_digest
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, request
from sqlalchemy import event

from taskapi.auth import bearer
from taskapi.config import Settings, settings
from taskapi.db import DATABASE_ERRORS
from taskapi.errors import NotFound, Unauthorized
from taskapi.extensions import db
from taskapi.limits import limit_requests
from taskapi.middleware import client_network
from taskapi.worker.queue import queue_state

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LOGIN = "/api/v1/auth/login"
QUEUE_GAUGES = {
    "depth": "Deliveries and jobs that are due.",
    "oldest_seconds": "Age of the oldest of them.",
    "in_progress": "Webhooks and jobs that are claimed.",
}
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
PREFIX = "taskapi-metrics-"


def make_shared_folder(parent: str | None) -> None:
    """Create the folder in which gunicorn's workers share their metrics.

    Once, because gunicorn reads its configuration again on HUP.
    """
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix=PREFIX, dir=parent)


def mark_worker_dead(pid: int) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # it has no types


def remove_shared_folder() -> None:
    folder = Path(os.environ[FOLDER])
    if folder.name.startswith(PREFIX):  # not a folder that the operator has set
        shutil.rmtree(folder, ignore_errors=True)


def init_app(app: Flask, config: Settings) -> None:
    if config.metrics_token:
        limit = config.database_pool_size + config.database_max_overflow
        metrics = app.extensions["metrics"] = Metrics()
        app.before_request(_begin)
        app.after_request(metrics.count)
        with app.app_context():
            event.listen(db.engine, "connect", lambda *_: metrics.connection_limit.set(limit))
            event.listen(db.engine, "checkout", lambda *_: metrics.connections_in_use.inc())
            event.listen(db.engine, "checkin", lambda *_: metrics.connections_in_use.dec())


def exposition() -> Response:
    """Return all metrics, or raise Unauthorized without METRICS_TOKEN."""
    expected = settings().metrics_token
    if not expected:
        raise NotFound()
    if not compare_digest((bearer() or "").encode(), expected.encode()):
        limit_requests(client_network())  # against brute force
        raise Unauthorized("Send METRICS_TOKEN as bearer token.")
    metrics: Metrics = current_app.extensions["metrics"]
    return Response(metrics.text(), content_type=metrics.content_type)


class Metrics:
    """The metrics of this process, or of all workers of gunicorn if they share a folder."""

    def __init__(self) -> None:
        # Slow to import. It reads PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py sets, once.
        import prometheus_client as client

        self._client = client
        self.content_type = client.CONTENT_TYPE_PLAIN_0_0_4
        self._registry = registry = client.CollectorRegistry()
        self._requests = client.Counter(
            "taskapi_requests", "Requests.", ("method", "route", "status"), registry=registry
        )
        self._seconds = client.Histogram(
            "taskapi_request_seconds",
            "Time to the start of the response.",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self._limited = client.Counter(
            "taskapi_rate_limited", "Requests rejected by a rate limit.", registry=registry
        )
        self._failed_logins = client.Counter(
            "taskapi_failed_logins",
            "Logins with a wrong username or password, or rejected after too many failures.",
            registry=registry,
        )
        connections = client.Gauge(
            "taskapi_database_connections",
            "Connections of the pools; `limit` is their maximum.",
            ("state",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.connections_in_use = connections.labels("in_use")
        self.connection_limit = connections.labels("limit")  # of processes with connections

    def count(self, response: Response) -> Response:
        # Labels are known routes and methods only, because clients can send any path and method.
        route = str(request.url_rule or "none")
        method = request.method if request.method in METHODS else "other"
        self._requests.labels(method, route, response.status_code).inc()
        self._seconds.labels(method, route).observe(time.perf_counter() - g.metrics_began)
        if "is_over_limit" in g:
            self._limited.inc()
        elif route == LOGIN and response.status_code in (401, 429):
            self._failed_logins.inc()
        return response

    def text(self) -> bytes:
        registry = self._client.CollectorRegistry()
        if FOLDER in os.environ:
            from prometheus_client.multiprocess import MultiProcessCollector

            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        else:
            registry.register(self._registry)
        registry.register(self)
        text: bytes = self._client.generate_latest(registry)
        return text

    def collect(self) -> Iterator[Any]:
        """Yield the state of the queue, as a collector of `prometheus_client`."""
        try:
            state = queue_state()
        except DATABASE_ERRORS:
            return  # report the other metrics
        for name, meaning in QUEUE_GAUGES.items():
            if state[name] is not None:
                family = self._client.metrics_core.GaugeMetricFamily
                yield family(f"taskapi_queue_{name}", meaning, value=state[name])


def _begin() -> None:
    g.metrics_began = time.perf_counter()
