"""Where gunicorn and the `flask` command find the application."""

import sys

from taskapi import create_app
from taskapi.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"Cannot start: {error}")
