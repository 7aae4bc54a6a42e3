"""System: health checks and metrics."""

from flask import Response, current_app

from taskapi import metrics
from taskapi.api import Api
from taskapi.responses import json_response
from taskapi.schemas.system import HealthReportSchema, HealthSchema, NotJsonSchema

system = Api("system", __name__)


@system.get("/health", caller="anyone", is_limited=False, returns=HealthSchema())
def health() -> dict[str, str]:
    """Check that the process is running."""
    return {"status": "ok"}


@system.get(
    "/health/detailed",
    caller="anyone",
    is_limited=False,
    returns=HealthReportSchema(),
    also={503: HealthReportSchema()},
)
def health_detailed() -> Response:
    """Check the service and what it depends on."""
    report = current_app.extensions["health"].report()
    if report["status"] == "unavailable":
        return json_response(report, 503, {"Retry-After": "5"})
    return json_response(report)


@system.get(
    "/metrics",
    caller="anyone",
    is_limited=False,
    returns=NotJsonSchema(),
    media=("text/plain",),
    errors={
        401: "The token is missing or wrong.",
        404: "METRICS_TOKEN is not set.",
        429: "Too many requests with a wrong token.",
    },
)
def show_metrics() -> Response:
    """Get metrics for Prometheus.

    Requires METRICS_TOKEN as bearer token.
    """
    return metrics.exposition()
