"""The OpenAPI document: complete, valid, and no burden to who does not ask for it."""

import json
import re
import subprocess
from typing import Any

import jsonschema_rs
import pytest

from tests.support.contract import Contract
from tests.support.servers import ROOT

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True),
]


# What a summary begins with.
VERBS = re.compile(
    "(List|Get|Create|Update|Replace|Delete|Restore|Export|Import|Register|Log|Refresh|Reset|"
    r"Change|Revoke|Rotate|Send|Redeliver|Add|Remove|Set|Download|Check|Apply|Show)\b"
)


@pytest.fixture
def document(root) -> Any:
    return root.get("/openapi.json").get_json()


def all_operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_in_it(app, document):
    """Also one that somebody adds without declaring it."""
    routes = {
        (re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, method, _ in all_operations(document)}


def test_operations_are_named_once_tagged_and_explained(document):
    names = [operation["operationId"] for _, _, operation in all_operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for _, _, operation in all_operations(document):
        assert VERBS.match(operation["summary"])
        assert operation["description"]
        for parameter in operation.get("parameters", []):
            assert parameter["description"], parameter
        assert tags[operation["tags"][0]]


def test_every_body_has_an_example_that_fits(document):
    components = document["components"]
    checked = 0
    for path, method, operation in all_operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        answers = [each for each in operation["responses"].values() if "$ref" not in each]
        for body in [*bodies, *answers, *components["responses"].values()]:
            for kind, media in body.get("content", {}).items():
                if "json" not in kind:
                    continue
                validator = jsonschema_rs.Draft202012Validator(
                    {**media["schema"], "components": components}
                )
                for example in media["examples"].values():
                    error = next(validator.iter_errors(example["value"]), None)
                    assert error is None, f"{method} {path}: {error}"
                    checked += 1
    assert checked > 100


def test_it_says_how_to_sign_in_and_what_follows(document):
    created = document["paths"]["/api/v1/tasks"]["post"]["responses"]["201"]
    assert created["links"]["get_task"]["parameters"] == {"task_id": "$response.body#/id"}
    flow = document["components"]["securitySchemes"]["password"]["flows"]["password"]
    assert flow["tokenUrl"] == "/api/v1/auth/login"


def test_it_is_made_once_and_not_sent_twice(root):
    first = root.get("/openapi.json")
    again = root.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data


def test_the_command_prints_it(app, document):
    printed = app.test_cli_runner().invoke(args=["openapi"])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == document


def test_the_suite_notices_an_answer_that_does_not_fit(app, client, alice):
    contract = Contract(app)
    answer = client.post("/tasks", json={"title": "One"}, as_=alice)
    contract.check("POST", "/api/v1/tasks", answer)
    with pytest.raises(AssertionError, match="does not foresee"):
        contract.check("GET", "/api/v1/tasks", answer)
    with pytest.raises(AssertionError, match="no such operation"):
        contract.check("GET", "/api/v1/nothing", answer)
    listed = client.get("/auth/sessions", as_=alice)
    with pytest.raises(AssertionError, match="does not fit"):
        contract.check("GET", "/api/v1/tasks", listed)


@pytest.mark.needs_tools
def test_spectral_finds_nothing(tmp_path, document):
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    ran = subprocess.run(
        ["npx", "--no-install", "spectral", "lint", "--fail-severity=hint", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
