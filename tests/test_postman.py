"""The Postman collection, run by newman."""

import json
import re
import subprocess

import httpx
import pytest

from tests.support.servers import ROOT

COMMITTED = ROOT / "docs" / "taskapi.postman_collection.json"


COLLECTION = json.loads(COMMITTED.read_text())
OPERATIONS = [
    f"{item['request']['method']} {'/'.join(item['request']['url']['path'])}"
    for folder in COLLECTION["item"]
    for item in folder["item"]
]
PASSWORD = "Harbour-Light-9"
METRICS_TOKEN = "figures-for-one-only"


def test_every_operation_is_in_it_once(root):
    documented = [
        method.upper() + " " + re.sub(r"/{(\w+)}(?=/|$)", r"/:\1", path).lstrip("/")
        for path, methods in root.get("/openapi.json").json["paths"].items()
        for method in methods
    ]
    found = [each.replace("{{calendar_token}}", "{token}") for each in OPERATIONS]
    assert sorted(found) == sorted(documented), "run: script/postman"


@pytest.mark.needs_tools
def test_the_committed_collection_is_what_the_script_makes(tmp_path):
    made = tmp_path / "collection.json"
    subprocess.run([ROOT / "script" / "postman", made], check=True)
    assert made.read_text() == COMMITTED.read_text(), "run: script/postman"


class Newman:
    """Run the collection against a server, and return the status of each failed request."""

    def __init__(self, url, folder):
        self._url = url
        self._report = folder / "report.json"

    def run(self, **variables):
        variables["baseUrl"] = self._url
        command = ["npx", "--no-install", "newman", "run", str(COMMITTED), "--color", "off"]
        command += ["--reporters", "cli,json", "--reporter-json-export", str(self._report)]
        for name, value in variables.items():
            command += ["--env-var", f"{name}={value}"]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        executions = json.loads(self._report.read_text())["run"]["executions"]
        assert len(executions) == len(OPERATIONS)
        return {
            operation: each["response"]["code"]
            for operation, each in zip(OPERATIONS, executions, strict=True)
            if each["response"]["code"] >= 300
        }


# Needs a worker, or has been deleted by an earlier request.
MISSING = {
    "GET api/v1/jobs/:job_id": 404,
    "POST api/v1/webhooks/:webhook_id/deliveries/:delivery_id/redeliver": 404,
    "DELETE api/v1/auth/sessions/:session_id": 404,
    "POST api/v1/auth/logout-all": 401,
}
FOR_ADMINS = {
    "POST api/v1/projects/:project_id/members": 409,  # the only account is the owner
    "PATCH api/v1/projects/:project_id/members/:member_id": 404,
    "DELETE api/v1/projects/:project_id/members/:member_id": 404,
    "POST api/v1/users": 403,
    "GET api/v1/users": 403,
    "GET api/v1/tasks/admin/all": 403,
    "GET api/v1/audit": 403,
    "PATCH api/v1/users/:user_id": 404,
    "DELETE api/v1/users/:user_id": 404,
    "POST api/v1/users/:user_id/reset-token": 404,
    "POST api/v1/auth/password/reset": 400,
    "GET metrics": 401,
}


@pytest.mark.needs_tools
def test_newman_runs_it_as_a_user_and_as_an_admin(databases, live_server, make_app, tmp_path):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url, METRICS_TOKEN=METRICS_TOKEN)
    newman = Newman(server.url, tmp_path)
    client = httpx.Client(base_url=f"{server.url}/api/v1")
    admin = {"username": "root", "password": PASSWORD}
    flask = make_app(DATABASE_URL=url).test_cli_runner()
    made = flask.invoke(
        args=["users", "create", "root", "--admin", "--password-stdin"], input=PASSWORD
    )
    assert made.exit_code == 0, made.output
    token = client.post("/auth/login", json=admin).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    calendar = client.post("/users/me/calendar").json()["url"]
    client.post("/auth/tokens", json={"name": "mine", "scope": "read"})
    client.post("/webhooks", json={"url": "https://example.org/hook", "events": ["task.created"]})
    client.post("/tasks", json={"title": "The admin's"})
    other = client.post("/users", json={"username": "other", "password": PASSWORD}).json()
    client.post("/tasks", json={"title": "Somebody else's", "user_id": other["id"]})

    def everything():
        lists = ("/users", "/projects", "/tasks", "/webhooks", "/auth/tokens", "/auth/sessions")
        found = {path: client.get(path, params={"limit": 100}).json()["items"] for path in lists}
        ids = {path: {each["id"] for each in items} for path, items in found.items()}
        return ids, client.get(f"{server.url}{calendar}").status_code

    before, calendar_status = everything()
    assert calendar_status == 200
    assert newman.run() == MISSING | FOR_ADMINS
    assert newman.run(**admin, metrics_token=METRICS_TOKEN) == MISSING
    after, calendar_status = everything()
    assert calendar_status == 200
    assert {path: ids - after[path] for path, ids in before.items() if ids - after[path]} == {}
    assert after["/users"] == before["/users"], "what was registered is deleted again"
