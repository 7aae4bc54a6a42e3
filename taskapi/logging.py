"""JSON log lines."""

import logging
import re
import sys
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from taskapi.db import now
from taskapi.models import event

SECRET_PATH = re.compile(r"(/calendar/)[^/]+")

log = logging.getLogger("taskapi.request")


class JsonFormatter(OrjsonFormatter):
    """The fields of each line, besides `extra`."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["time"] = now()
        super().add_fields(log_data, record, message_dict)
        log_data.setdefault("request_id", event.origin.get().request_id)


def log_as_json(level: str) -> None:
    """Send our log lines, and those of the libraries from WARNING up, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("taskapi").setLevel(level)
    # Skip lookups of values that our lines do not show.
    logging.logThreads = logging.logMultiprocessing = False  # gunicorn shows the process
    logging._srcfile = None  # the documented way to do this


def log_request(method: str, raw_path: str, status: int, seconds: float) -> None:
    origin = event.origin.get()
    path = raw_path.encode("latin-1").decode("utf-8", "replace")
    fields = {
        "request_id": origin.request_id,
        "method": method,
        "path": SECRET_PATH.sub(r"\1…", path),
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
        "user": origin.actor_id,
        "address": origin.address,
    }
    log.info("request", extra=fields)
