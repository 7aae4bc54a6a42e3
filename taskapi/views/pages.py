"""Pages: the start page and the API documentation."""

import gzip
from typing import Any

import orjson
from flask import Response, current_app, render_template, request

from taskapi.api import Api
from taskapi.config import settings
from taskapi.inputs import JSON
from taskapi.responses import json_response
from taskapi.schemas.system import AboutSchema, NotJsonSchema, OpenApiSchema
from taskapi.version import __version__

pages = Api("pages", __name__)

HTML = "text/html"
DESCRIPTION = (
    "A REST API for users, projects and tasks, with webhooks, a calendar feed, import and export."
)
FIRST_PAGE = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Swagger UI and ReDoc create style elements; scripts come from files only.
DOCUMENTATION = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@pages.get("/", caller="anyone", is_limited=False, returns=AboutSchema(), media=(JSON, HTML))
def index() -> Response:
    """Get the start page."""
    status = current_app.extensions["health"].report()["status"]
    about = {"description": DESCRIPTION, "version": __version__, "status": status}
    if request.accept_mimetypes.best_match([JSON, HTML]) == HTML:
        config = settings()
        # Not from the Host header, which can be forged.
        here = "https://your.host" if config.is_production else f"http://localhost:{config.port}"
        response = _page(FIRST_PAGE, "index.html", **about, base=config.public_url or here)
    else:
        links = {"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json"}
        links |= {"health": "/health/detailed", "api": "/api/v1"}
        response = json_response({"name": "Task API", **about, "links": links})
    response.vary.add("Accept")
    return response


@pages.get("/docs", caller="anyone", is_limited=False, returns=NotJsonSchema(), media=(HTML,))
def docs() -> Response:
    """Show Swagger UI."""
    return _page(
        DOCUMENTATION,
        "docs.html",
        title="documentation",
        style="vendor/swagger-ui.css",
        scripts=("vendor/swagger-ui-bundle.js", "docs.js"),
    )


@pages.get("/redoc", caller="anyone", is_limited=False, returns=NotJsonSchema(), media=(HTML,))
def redoc() -> Response:
    """Show ReDoc."""
    return _page(
        DOCUMENTATION,
        "docs.html",
        title="reference",
        scripts=("vendor/redoc.standalone.js", "redoc.js"),
    )


@pages.get(
    "/openapi.json", caller="anyone", is_limited=False, is_conditional=True, returns=OpenApiSchema()
)
def openapi() -> Response:
    """Get this document."""
    made = current_app.extensions.get("openapi")
    if made is None:
        # Imported here because most processes never need it.
        from taskapi.openapi import make_document

        plain = orjson.dumps(make_document(current_app), option=orjson.OPT_APPEND_NEWLINE)
        made = current_app.extensions["openapi"] = plain, gzip.compress(plain, mtime=0)
    is_packed = request.accept_encodings["gzip"] > 0
    response = Response(made[is_packed], mimetype=JSON)
    response.vary.add("Accept-Encoding")
    if is_packed:
        response.content_encoding = "gzip"
    response.add_etag()
    return response


def _page(policy: str, template: str, **facts: Any) -> Response:
    response = Response(render_template(template, **facts), mimetype=HTML)
    response.headers["Content-Security-Policy"] = policy
    return response
