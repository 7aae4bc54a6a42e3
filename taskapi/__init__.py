"""Task API: a REST API for users, projects and tasks."""

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from taskapi import api, cli, db, error_handlers, extensions, limits, metrics, middleware, sentry
from taskapi import auth as authentication
from taskapi.config import INSTANCE, MIGRATIONS, SETTING_NAMES, Settings, as_environment
from taskapi.extensions import migrate
from taskapi.health import Health
from taskapi.version import __version__
from taskapi.views.audit import audit
from taskapi.views.auth import auth
from taskapi.views.calendar import calendar
from taskapi.views.comments import comments
from taskapi.views.import_export import import_export
from taskapi.views.jobs import jobs
from taskapi.views.pages import pages
from taskapi.views.projects import projects
from taskapi.views.system import system
from taskapi.views.tasks import tasks
from taskapi.views.users import users
from taskapi.views.webhooks import webhooks

__all__ = ["__version__", "create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Create the application from the environment and `config`, which takes precedence.

    Names that are not our settings, such as TESTING, go to Flask's configuration.
    """
    settings = Settings.from_env({**os.environ, **as_environment(config or {})})
    app = Flask("taskapi", instance_path=str(INSTANCE))
    app.extensions["settings"] = settings
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.config.update(
        {name: value for name, value in (config or {}).items() if name not in SETTING_NAMES},
    )
    if settings.uses_sqlite:
        INSTANCE.mkdir(exist_ok=True)

    db.init_app(app, settings)
    migrate.init_app(app, extensions.db, directory=str(MIGRATIONS))
    authentication.init_app(app, settings)
    limits.init_app(app, settings)

    metrics.init_app(app, settings)  # first, so that it also counts what a later hook rejects
    middleware.init_app(app, settings)
    error_handlers.init_app(app)
    sentry.init_app(settings)
    api.init_app(app)
    for blueprint in (
        *(auth, users, projects, tasks, comments, import_export, jobs, webhooks, calendar, audit),
        *(system, pages),
    ):
        app.register_blueprint(blueprint)
    app.extensions["health"] = Health(app)
    cli.init_app(app)
    return app
