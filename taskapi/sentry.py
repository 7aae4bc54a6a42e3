"""Report errors to Sentry, if SENTRY_DSN is set and sentry-sdk is installed."""

import logging
from importlib.util import find_spec
from typing import Any

from taskapi.config import Settings
from taskapi.logging import SECRET_PATH
from taskapi.models import event
from taskapi.version import __version__

MISSING = "SENTRY_DSN is set, but sentry-sdk is not installed. Run: pip install sentry-sdk"
log = logging.getLogger("taskapi.sentry")


def is_installed() -> bool:
    return find_spec("sentry_sdk") is not None


def init_app(config: Settings) -> None:
    if not config.sentry_dsn:
        return
    if not is_installed():
        log.error(MISSING)
        return
    import sentry_sdk  # not a dependency, and slow to import

    sentry_sdk.init(
        dsn=config.sentry_dsn,
        release=__version__,
        environment=config.taskapi_env,
        before_send=_remove_private_data,
        # Variables, bodies, headers and log lines can contain passwords and tokens.
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_breadcrumb=lambda *_: None,  # even the number of dropped breadcrumbs would be sent
        send_default_pii=False,
    )


def _remove_private_data(report: Any, _: Any) -> Any:
    """Keep only the method, path and id of the request."""
    sent = report.pop("request", None)
    if sent:
        url = SECRET_PATH.sub(r"\1…", sent.get("url", ""))
        report["request"] = {"method": sent.get("method"), "url": url}
        report.setdefault("tags", {})["request_id"] = event.origin.get().request_id
    # `extra` contains sys.argv, with usernames and file names.
    for name in ("user", "server_name", "breadcrumbs", "extra"):
        report.pop(name, None)
    return report
