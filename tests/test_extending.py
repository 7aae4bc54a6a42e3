"""The steps of docs/extending.md, applied to a copy of the code."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.support.live import environment
from tests.support.servers import ROOT

DOCUMENT = (ROOT / "docs" / "extending.md").read_text()
COLUMN, FIELD = re.findall(r"```python\n +(estimate.+)\n", DOCUMENT)

TRY = """
import csv, io, json, time
from taskapi import create_app
from taskapi.worker.loop import EmbeddedWorker

app = create_app()
client = app.test_client()
body = {"username": "ana", "password": "Lantern-and-7-rivers"}
token = client.post("/api/v1/auth/register", json=body).json["access_token"]
headers = {"Authorization": f"Bearer {token}"}

def ask(method, path, status=200, **options):
    answer = client.open(f"/api/v1{path}", method=method, headers=headers, **options)
    assert answer.status_code == status, answer.text
    return answer

made = ask("POST", "/tasks", 201, json={"title": "a", "estimate": 30}).json
assert made["estimate"] == 30
assert ask("POST", "/tasks", 201, json={"title": "b"}).json["estimate"] is None
ask("POST", "/tasks", 400, json={"title": "c", "estimate": "long"})
one = f"/tasks/{made['id']}"
assert ask("PATCH", one, json={"estimate": 45}).json["estimate"] == 45
assert ask("PUT", one, json={"title": "a"}).json["estimate"] is None
assert ask("PUT", one, json={"title": "a", "estimate": 60}).json["estimate"] == 60
assert ask("GET", one).json["estimate"] == 60
assert [t["estimate"] for t in ask("GET", "/tasks?sort_by=id").json["items"]] == [60, None]
assert ask("GET", f"{one}/activity").json["items"][0]["changes"]["estimate"] == [None, 60]
change = {"op": "update", "id": made["id"], "data": {"estimate": 5}}
create = {"op": "create", "data": {"title": "bulk", "estimate": 6}}
results = ask("POST", "/tasks/bulk", json={"operations": [change, create]}).json["results"]
assert [task["estimate"] for task in results] == [5, 6]

as_json = ask("GET", "/tasks/export?format=json").json
as_csv = ask("GET", "/tasks/export?format=csv").text
assert [row["estimate"] for row in csv.DictReader(io.StringIO(as_csv))] == ["5", "", "6"]
ask("POST", "/tasks/import", json=as_json)
ask("POST", "/tasks/import", data=as_csv, content_type="text/csv")
worker = EmbeddedWorker(app)
job = ask("POST", "/tasks/import", 202, json=[{"title": "many", "estimate": 9}] * 101)
while (state := client.get(job.headers["Location"], headers=headers).json)["status"] != "done":
    assert state["error"] is None
    time.sleep(0.05)
worker.stop()
found = [task["estimate"] for task in ask("GET", "/tasks/export").json]
assert found == [5, None, 6] * 3 + [9] * 101, found

document = client.get("/openapi.json").json["components"]["schemas"]
for name in ("Task", "TaskRequest", "PartialTaskRequest"):
    assert document[name]["properties"]["estimate"]["maximum"] == 100_000
print("tried")
"""


def insert_below(path, line, new):
    """Insert a line below the only one that begins with `line`, with its indentation."""
    text = path.read_text()
    ((before, indentation),) = re.findall(rf"^(( +){re.escape(line)}.*\n)", text, re.MULTILINE)
    path.write_text(text.replace(before, f"{before}{indentation}{new}\n"))


@pytest.mark.slow
def test_documented_steps_add_a_field(tmp_path):
    copy = tmp_path / "copy"
    for folder in ("taskapi", "migrations"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "wsgi.py", copy)
    env = environment({"DATABASE_URL": f"sqlite:///{tmp_path / 'tasks.sqlite3'}"})

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    insert_below(copy / "taskapi" / "models" / "task.py", "tags: Mapped", COLUMN)
    insert_below(copy / "taskapi" / "schemas" / "task.py", "due_at = ", FIELD)
    run("-m", "flask", "db", "upgrade")
    run("-m", "flask", "db", "migrate", "-m", "estimate of tasks")
    run("-m", "flask", "db", "upgrade")
    assert run("-c", TRY) == "tried\n"
