"""Clients generated from the OpenAPI document, and Authlib, use a real server."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import httpx
import pytest

from tests.support.servers import ROOT

ACCOUNT = {"username": "tess", "password": "Correct-Horse-7"}


def run(*command, cwd=ROOT):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.sqlite
@pytest.mark.needs_tools
def test_openapi_python_client(live_server, tmp_path, monkeypatch):
    url = live_server().url
    config = tmp_path / "config.json"
    overrides = {"text/csv": "application/octet-stream"}  # only text/plain is supported
    config.write_text(json.dumps({"content_type_overrides": overrides}))
    run(
        *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
        *("--url", f"{url}/openapi.json", "--config", config),
        *("--meta", "none", "--output-path", tmp_path / "generated"),
    )
    # Work around openapi-python-client issue 1451, a missing import in version 0.29.
    module = tmp_path / "generated" / "api" / "auth" / "login.py"
    fixed = module.read_text().replace(
        "import UNSET, Response\n", "import UNSET, Response, Unset\n"
    )
    module.write_text(fixed)
    monkeypatch.syspath_prepend(tmp_path)
    generated = import_module("generated")
    for each in walk_packages(generated.__path__, "generated."):
        import_module(each.name)
    models = import_module("generated.models")

    def call(operation, client, *arguments, **options):
        module = import_module(f"generated.api.{operation}")
        response = module.sync_detailed(*arguments, client=client, **options)
        assert response.status_code < 300, response.content
        return response.parsed

    anyone = generated.Client(url, raise_on_unexpected_status=True)
    call("auth.register", anyone, body=models.RegisterRequest(**ACCOUNT))
    login = call("auth.login", anyone, body=models.LoginRequest(**ACCOUNT))
    tess = generated.AuthenticatedClient(url, login.access_token, raise_on_unexpected_status=True)
    created = call("tasks.create_task", tess, body=models.TaskRequest("One", tags=["docs"]))
    assert (created.title, created.user_id, created.due_at) == ("One", login.user.id, None)
    done = models.PartialTaskRequestStatus.DONE
    page = call("tasks.list_tasks", tess, sort_by="-created_at", limit=10)
    assert [task.id for task in page.items] == [created.id]
    patched = call(
        "tasks.update_task", tess, created.id, body=models.PartialTaskRequest(status=done)
    )
    assert (patched.status, patched.completed_at) == (done, patched.updated_at)
    call("tasks.delete_task", tess, created.id)
    assert call("tasks.list_tasks", tess).total == 0


@pytest.mark.sqlite
@pytest.mark.needs_tools
def test_openapi_typescript(live_server, tmp_path):
    url = live_server().url
    npx = ("npx", "--no-install")
    run(*npx, "openapi-typescript", f"{url}/openapi.json", "--output", tmp_path / "api.ts")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "client.ts").write_text((ROOT / "tests" / "data" / "client.ts").read_text())
    options = ("--strict", "--target", "es2022", "--module", "nodenext", "--types", "node")
    run(*npx, "tsc", *options, "client.ts", cwd=tmp_path)
    assert json.loads(run("node", "client.js", url, cwd=tmp_path)) == {
        "isOwn": True,
        "listed": ["Write the README"],
        "total": 1,
        "status": "done",
        "completed": True,
        "code": "NOT_FOUND",
    }


@pytest.mark.sqlite
def test_authlib_logs_in_and_refreshes(live_server, root):
    from authlib.integrations.requests_client import OAuth2Session  # slow to import

    url = live_server().url
    flow = root.get("/openapi.json").json["components"]["securitySchemes"]["password"]["flows"]
    token_url, refresh_url = (url + flow["password"][key] for key in ("tokenUrl", "refreshUrl"))
    assert httpx.post(f"{url}/api/v1/auth/register", json=ACCOUNT).status_code == 201
    for refresh_at in (refresh_url, token_url):
        with OAuth2Session(token_endpoint=token_url) as client:
            token = client.fetch_token(grant_type="password", **ACCOUNT)
            me = client.get(f"{url}/api/v1/users/me").json()
            assert me["username"] == ACCOUNT["username"]
            fresh = client.refresh_token(refresh_at)
            assert fresh["access_token"] != token["access_token"]
            assert fresh["refresh_token"] != token["refresh_token"]
            assert client.get(f"{url}/api/v1/users/me").status_code == 200
