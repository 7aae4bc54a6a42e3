"""The start page, the documentation pages and static files."""

import gzip
import re

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.sqlite

STATIC = ROOT / "taskapi" / "static"


def test_start_page_is_html_or_json(root):
    told = root.get("/", headers={"Accept": "*/*"}).get_json()
    assert told["name"] == "Task API"
    assert told["status"] == "ok"
    for link in told["links"].values():
        assert link == "/api/v1" or root.get(link).status_code == 200

    page = root.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.mimetype == "text/html"
    assert page.headers["Vary"] == "Accept"
    assert told["version"] in page.text
    for link in re.findall(r'(?:href|src)="([^"]+)"', page.text):
        assert root.get(link).status_code == 200, link


def test_start_page_ignores_the_host_header(root, make_app, make_client):
    forged = {"Host": "evil.example", "Accept": "text/html"}
    assert "evil.example" not in root.get("/", headers=forged).text
    elsewhere = make_app(PUBLIC_URL="https://tasks.example.org").test_client()
    page = elsewhere.get("/", headers={"Accept": "text/html"}).text
    assert "curl https://tasks.example.org/api/v1/auth/register" in page


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
def test_pages_run_only_our_scripts(root, path):
    page = root.get(path, headers={"Accept": "text/html"})
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy.get("script-src", "'none'") in ("'none'", "'self'")
    assert not re.findall(r"<script(?![^>]*\ssrc=)", page.text)
    assert not re.findall(r"\son\w+=", page.text)
    assert "://" not in re.sub(r"curl http://localhost:8000", "", page.text)


def test_openapi_document_is_compressed(root):
    plain = root.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = root.get("/openapi.json", headers={"Accept-Encoding": "br, gzip"})
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 4
    assert (plain.content_encoding, packed.content_encoding) == (None, "gzip")
    assert packed.headers["ETag"] != plain.headers["ETag"]
    for response in (plain, packed):
        assert response.headers["Vary"] == "Accept-Encoding"
        headers = {
            "Accept-Encoding": response.content_encoding or "identity",
            "If-None-Match": response.headers["ETag"],
        }
        again = root.get("/openapi.json", headers=headers)
        assert (again.status_code, again.data) == (304, b"")
    refused = root.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


def test_static_files_are_cached(root):
    for path in STATIC.rglob("*.*"):
        name = f"/static/{path.relative_to(STATIC)}"
        response = root.get(name)
        assert response.data == path.read_bytes()
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        again = root.get(name, headers={"If-None-Match": response.headers["ETag"]})
        assert again.status_code == 304


@pytest.mark.parametrize("name", ["nothing.js", "..%2fopenapi.py", "../openapi.py", "", "vendor"])
def test_other_files_are_not_served(root, name):
    missing = root.get(f"/static/{name}")
    assert (missing.status_code, missing.json["error"]["code"]) == (404, "NOT_FOUND")


def test_documentation_is_not_rate_limited(make_app):
    client = make_app(RATE_LIMIT_PER_MINUTE="1").test_client()
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/static/docs.js", "/health"):
        for _ in range(3):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "X-RateLimit-Limit" not in answer.headers
