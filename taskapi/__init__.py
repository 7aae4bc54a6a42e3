"""A small task service: users, sign-in and tasks over a REST API."""

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from taskapi import auth as authentication
from taskapi import cli, db, extensions
from taskapi.config import INSTANCE, MIGRATIONS, SETTING_NAMES, Settings, as_environment
from taskapi.extensions import migrate
from taskapi.routes.audit import audit
from taskapi.routes.auth import auth
from taskapi.routes.calendar import calendar
from taskapi.routes.jobs import jobs as jobs_routes  # taskapi.jobs is a package
from taskapi.routes.pages import pages
from taskapi.routes.system import system
from taskapi.routes.tasks import tasks
from taskapi.routes.transfer import transfer
from taskapi.routes.users import users
from taskapi.routes.webhooks import webhooks
from taskapi.version import __version__
from taskapi.web import errors, limits, metrics, requests, routing, sentry
from taskapi.web.health import Health

__all__ = ["__version__", "create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The application, set up from the environment and what `config` says instead.

    In `config` a setting may also be a number, a truth or None; what is not one of our settings,
    as TESTING, is Flask's.
    """
    settings = Settings.from_env({**os.environ, **as_environment(config or {})})
    app = Flask("taskapi", instance_path=str(INSTANCE), static_folder=None)
    app.extensions["settings"] = settings
    app.config.update(
        {name: value for name, value in (config or {}).items() if name not in SETTING_NAMES},
    )
    if settings.uses_sqlite:
        INSTANCE.mkdir(exist_ok=True)

    db.init_app(app, settings)
    migrate.init_app(app, extensions.db, directory=str(MIGRATIONS))
    authentication.init_app(app, settings)
    limits.init_app(app, settings)

    requests.init_app(app, settings)
    errors.init_app(app)
    metrics.init_app(app, settings)
    sentry.init_app(settings)
    routing.init_app(app)
    for blueprint in (
        *(auth, users, tasks, transfer, jobs_routes, webhooks, calendar, audit),
        *(system, pages),
    ):
        app.register_blueprint(blueprint)
    app.extensions["health"] = Health(app)
    cli.init_app(app)
    return app
