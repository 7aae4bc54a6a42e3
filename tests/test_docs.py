"""The pages: the first one, the documentation and its files."""

import gzip
import re

import pytest

from tests.support.servers import ROOT

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True),
]

STATIC = ROOT / "taskapi" / "static"
ASSETS = {path.name: path for path in STATIC.rglob("*") if path.suffix in (".js", ".css", ".svg")}


def test_the_first_page_is_a_page_for_browsers_and_json_for_programs(root):
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


def test_the_first_page_shows_no_host_that_a_request_made_up(root, make_app, make_client):
    forged = {"Host": "evil.example", "Accept": "text/html"}
    assert "evil.example" not in root.get("/", headers=forged).text
    elsewhere = make_app(PUBLIC_URL="https://tasks.example.org").test_client()
    page = elsewhere.get("/", headers={"Accept": "text/html"}).text
    assert "curl https://tasks.example.org/api/v1/auth/register" in page


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
def test_pages_run_no_script_but_our_files(root, path):
    page = root.get(path, headers={"Accept": "text/html"})
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy.get("script-src", "'none'") in ("'none'", "'self'")
    assert not re.findall(r"<script(?![^>]*\ssrc=)", page.text)
    assert not re.findall(r"\son\w+=", page.text)
    assert "://" not in re.sub(r"curl http://localhost:8000", "", page.text)


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_assets_come_packed_or_not_and_are_not_sent_twice(root, name):
    plain = root.get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
    assert plain.data == ASSETS[name].read_bytes()
    packed = root.get(f"/assets/{name}", headers={"Accept-Encoding": "br, gzip"})
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Vary"] == "Accept-Encoding"
    again = root.get(
        f"/assets/{name}",
        headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]},
    )
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["README.md", "nothing.js", "..%2fopenapi.py", "index.html"])
def test_nothing_but_assets_is_served_there(root, name):
    assert root.get(f"/assets/{name}").status_code == 404


def test_documentation_is_never_limited(make_app):
    client = make_app(RATE_LIMIT_PER_MINUTE="1").test_client()
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/assets/docs.js", "/health"):
        for _ in range(3):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "X-RateLimit-Limit" not in answer.headers
