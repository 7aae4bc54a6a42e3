"""The OpenAPI document."""

import json
import re
import subprocess
from typing import Any

import jsonschema_rs
import pytest

from tests.support.contract import Contract
from tests.support.servers import ROOT

pytestmark = pytest.mark.sqlite


PASSWORD = "Correct-Horse-7"  # the password in the examples
# The first words of summaries.
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


def test_document_contains_every_route(app, document):
    """Undeclared routes are found as well."""
    routes = {
        (re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, method, _ in all_operations(document)}


def test_operations_have_unique_ids_tags_and_summaries(document):
    names = [operation["operationId"] for _, _, operation in all_operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for _, _, operation in all_operations(document):
        assert VERBS.match(operation["summary"])
        assert operation["description"]
        for parameter in operation.get("parameters", []):
            assert parameter["description"], parameter
        assert tags[operation["tags"][0]]


def test_bodies_have_valid_examples(document):
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


def test_a_plain_user_may_send_the_example_of_every_body(root, document):
    """The example of the registration creates the user, who sends the other examples."""
    examples = {}
    for path, method, operation in all_operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body and not operation["description"].startswith("Only for admins"):
            examples[operation["operationId"]] = (
                method,
                path,
                body["examples"]["example"]["value"],
            )
    del examples["reset_password"]  # only an admin can create its token

    def send(name, as_=None, **ids):
        method, path, example = examples.pop(name)
        answer = root.open(path.format(**ids), method=method.upper(), json=example, as_=as_)
        assert answer.status_code < 300, f"{name} {example}: {answer.text}"
        return answer.json

    ana = send("register")["access_token"]
    send("login")
    task, webhook = send("create_task", ana)["id"], send("create_webhook", ana)["id"]
    comment = send("create_comment", ana, task_id=task)["id"]
    project = send("create_project", ana)["id"]
    root.post("/api/v1/auth/register", json={"username": "ben", "password": PASSWORD})
    member = send("add_member", ana, project_id=project)["user_id"]
    for last in ("refresh", "logout"):
        method, path, example = examples[last]
        session = root.post("/api/v1/auth/login", json={"username": "ana", "password": PASSWORD})
        example["refresh_token"] = session.json["refresh_token"]
        send(last)
    _, _, leave = examples.pop("delete_me")
    ids = {"task_id": task, "webhook_id": webhook, "user_id": "me"}
    ids |= {"comment_id": comment, "project_id": project, "member_id": member}
    for name in sorted(examples, key="change_password".__eq__):
        send(name, ana, **ids)
    assert root.delete("/api/v1/users/me", json=leave, as_=ana).status_code == 204


def test_generators_of_clients_find_types(document):
    """No body is an untyped union, for which generators use the type Any."""
    schemas = document["components"]["schemas"]
    for name in {name for name in schemas if name.endswith("Request")}:
        assert not schemas[name].keys() & {"anyOf", "oneOf", "allOf"}, name
        assert schemas[name]["additionalProperties"] is False
    details = schemas["ErrorFacts"]["properties"]["details"]
    assert details["additionalProperties"] == {"type": "array", "items": {"type": "string"}}
    assert "properties" not in details


def test_it_is_as_strict_as_the_service(root, document):
    def parameter(path, name):
        found = document["paths"][path]["get"]["parameters"]
        return next(each for each in found if each["name"] == name)

    zones = re.compile(parameter("/api/v1/tasks/stats", "tz")["schema"]["pattern"])
    assert zones.match("Europe/Berlin")
    assert not zones.match("Europe/Atlantis")
    for name, other in (("skip", "cursor"), ("cursor", "skip")):
        about = parameter("/api/v1/tasks", name)["description"]
        assert f"Cannot be combined with `{other}`." in about
    register = {**document["components"]["schemas"]["RegisterRequest"]}
    validator = jsonschema_rs.Draft202012Validator(register)
    bodies: list[tuple[dict[str, Any], bool]] = [
        ({"username": "u{}", "password": PASSWORD}, True),
        ({"email": "u{}@example.org", "username": None, "password": PASSWORD}, True),
        ({"password": PASSWORD}, False),
        ({"username": None, "email": None, "password": PASSWORD}, False),
        ({"username": "u{}", "password": "correct-horse-7"}, False),
        ({"username": "u{}", "password": "Correct-Horse"}, False),
        ({"username": "u{}", "password": "Short-7"}, False),
    ]
    for n, (body, is_fine) in enumerate(bodies):
        given = {name: value and value.format(f"ser{n}") for name, value in body.items()}
        answer = root.post("/api/v1/auth/register", json=given)
        assert (validator.is_valid(given), answer.status_code) == (
            (True, 201) if is_fine else (False, 400)
        ), given


def test_document_describes_security_and_links(document):
    created = document["paths"]["/api/v1/tasks"]["post"]["responses"]["201"]
    assert created["links"]["get_task"]["parameters"] == {"task_id": "$response.body#/id"}
    flow = document["components"]["securitySchemes"]["password"]["flows"]["password"]
    assert flow["tokenUrl"] == "/api/v1/auth/login"
    assert flow["refreshUrl"] == "/api/v1/auth/refresh"


def test_command_prints_the_document(app, document):
    printed = app.test_cli_runner().invoke(args=["openapi"])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == document


def test_responses_are_validated_against_the_document(app, client, alice):
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
def test_spectral_reports_nothing(tmp_path, document):
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
