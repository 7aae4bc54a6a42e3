"""Health, and what a machine or a person asks before they know anything."""

from flask import Response, current_app

from taskapi import metrics
from taskapi.api import Api
from taskapi.responses import json_response
from taskapi.schemas.system import HealthReportSchema, HealthSchema, NotJsonSchema

system = Api("system", __name__)


@system.get("/health", who="anyone", is_limited=False, returns=HealthSchema())
def health() -> dict[str, str]:
    """Is the process up? Touches nothing."""
    return {"status": "ok"}


@system.get(
    "/health/detailed",
    who="anyone",
    is_limited=False,
    returns=HealthReportSchema(),
    also={503: HealthReportSchema()},
)
def health_detailed() -> Response:
    """Is everything there that is needed?"""
    report = current_app.extensions["health"].report()
    if report["status"] == "unavailable":
        return json_response(report, 503, {"Retry-After": "5"})
    return json_response(report)


@system.get(
    "/metrics",
    who="anyone",
    is_limited=False,
    returns=NotJsonSchema(),
    media=("text/plain",),
    errors={
        401: "METRICS_TOKEN was not sent as bearer.",
        404: "There is no METRICS_TOKEN here.",
        429: "Too many requests with a wrong token.",
    },
)
def show_metrics() -> Response:
    """Figures for Prometheus, with METRICS_TOKEN as bearer."""
    return metrics.exposition()
