"""The Postman collection: as the document has it, and one that runs from start to end."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import SETTINGS
from tests.support.servers import ROOT

COMMITTED = ROOT / "docs" / "taskapi.postman_collection.json"
START = "Start here"
# What only somebody else's work brings about: an import of many rows, a delivery, a reset that an
# admin hands out.
MAY_BE_SKIPPED = {"job_id", "delivery_id", "reset_token"}


def test_the_committed_collection_is_the_one_that_the_routes_make(app):
    made = app.test_cli_runner().invoke(args=["openapi", "--postman"])
    assert made.exit_code == 0
    assert COMMITTED.read_text() == made.output, (
        "run: .venv/bin/flask openapi --postman > docs/taskapi.postman_collection.json"
    )


def items_of(collection):
    return [item for folder in collection["item"] for item in folder["item"]]


def test_it_has_every_operation_once_in_folders_with_examples(root):
    collection = json.loads(COMMITTED.read_text())
    document = root.get("/openapi.json").get_json()
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    items = items_of(collection)
    assert sorted(item["name"] for item in items) == sorted(each["summary"] for each in operations)
    folders = {folder["name"] for folder in collection["item"]}
    assert folders == {START} | {tag["name"] for tag in document["tags"]}
    bodies = [item["request"]["body"]["raw"] for item in items if "body" in item["request"]]
    assert all(json.loads(raw) for raw in bodies)
    variables = {each["key"]: each["value"] for each in collection["variable"]}
    assert variables["base_url"] == "http://localhost:8000"
    assert collection["auth"]["bearer"][0]["value"] == "{{access_token}}"


@pytest.mark.needs_tools
def test_newman_runs_it_from_start_to_end(databases, live_server, tmp_path):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url, METRICS_TOKEN="figures-for-one-only")
    collection = json.loads(COMMITTED.read_text())
    report = tmp_path / "report.json"

    def flask(*command, stdin=""):
        subprocess.run(
            [sys.executable, "-m", "flask", *command],
            cwd=ROOT,
            env={**os.environ, **SETTINGS, "DATABASE_URL": url},
            input=stdin,
            text=True,
            check=True,
        )

    def newman(*folders):
        ran = subprocess.run(
            [
                *("npx", "--no-install", "newman", "run", str(COMMITTED)),
                *("--env-var", f"base_url={server.url}", "--reporters", "cli,json"),
                *("--env-var", "metrics_token=figures-for-one-only"),
                *("--reporter-json-export", str(report), "--color", "off"),
                *[option for folder in folders for option in ("--folder", folder)],
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        executions = json.loads(report.read_text())["run"]["executions"]
        return {each["item"]["name"] for each in executions if "response" in each}

    # Somebody who registers is no admin; the rest is shown by one, beside another who stays.
    sent = newman(START)
    assert len(sent) == 2
    flask("users", "promote", "ana")
    flask("users", "create", "other", "--admin", "--password-stdin", stdin="Harbour-Light-9\n")
    sent |= newman(*(folder["name"] for folder in collection["item"] if folder["name"] != START))

    skipped = {item["name"]: item for item in items_of(collection) if item["name"] not in sent}
    for name, item in skipped.items():
        before = next(each for each in item["event"] if each["listen"] == "prerequest")
        assert any(word in str(before["script"]["exec"]) for word in MAY_BE_SKIPPED), name
