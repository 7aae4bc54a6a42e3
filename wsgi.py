"""The WSGI application for gunicorn and the `flask` command."""

import sys

from taskapi import create_app
from taskapi.config import ConfigError
from taskapi.logging import log_as_json

try:
    app = create_app()
except ConfigError as error:
    from taskapi.commands.doctor import doctor_alone

    app = doctor_alone() or sys.exit(f"Cannot start: {error}")
else:
    log_as_json(app.extensions["settings"].log_level)
