"""The requests whose answers are recorded, in the order in which they are sent.

Each scenario begins with an empty database, the users alice and bob, and the admin root. `{name}`
is replaced by a value of an earlier response (`keep`), the latest ETag (`{tag}`), the id of a user,
their password (`{alice_password}`), or the URL of a webhook receiver. Paths are below /api/v1,
except those that begin with `//`.
"""

from tests.contract.asking import JSON, Request, ask, bulk, by, form, login, set_password, stale

PASSWORD = "Lantern-and-7-rivers"
OTHER_PASSWORD = "Harbour-and-8-bridges"
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
SCENARIOS: dict[str, list[Request]] = {}

ACCOUNT = {"username": "ana", "email": "Ana@Example.org", "password": PASSWORD}
TASK = {
    "title": "Write the README",
    "description": "What it is.\nFor whom.",
    "status": "in_progress",
    "priority": "high",
    "due_at": "2030-12-01T09:00:00+01:00",
    "tags": ["docs", "Plan"],
}

SCENARIOS["register and log in"] = [
    *[ask("POST /auth/register", json=ACCOUNT)] * 2,
    ask("POST /auth/register", json={"email": "ben@example.org", "password": PASSWORD}),
    ask("POST /auth/register", json={"username": "a", "password": "short"}),
    ask("POST /auth/register", json={"username": "cleo", "password": PASSWORD, "is_admin": True}),
    ask("POST /auth/register", json={"password": PASSWORD}),
    ask("POST /auth/register", data="username=ana"),
    ask("POST /auth/register", data='{"username": ', headers={"Content-Type": JSON}),
    login("ANA", PASSWORD),
    ask("POST /auth/login", json={"email": "ana@example.ORG", "password": PASSWORD}),
    login("ana", "Wrong-horse-7"),
    login("nobody", "Wrong-horse-7"),
    ask("POST /auth/login", json={"username": "ana"}),
    form("POST /auth/login", f"grant_type=password&username=ana&password={PASSWORD}"),
    form("POST /auth/login", "grant_type=password&username=ana&password=Wrong-horse-7"),
    form("POST /auth/login", f"grant_type=implicit&username=ana&password={PASSWORD}"),
]

BOTH = {"access": "access_token", "refresh": "refresh_token"}
SCENARIOS["sessions"] = [
    login("alice", keep=BOTH),
    ask("POST /auth/refresh", json={"refresh_token": "{refresh}"}, keep={"new": "refresh_token"}),
    ask("POST /auth/refresh", "{new}", keep={"newest": "refresh_token", "access": "access_token"}),
    ask("POST /auth/refresh", json={"refresh_token": "made-up"}),
    ask("POST /auth/refresh", json={}),
    ask("GET /auth/sessions", "{access}"),
    ask("GET /auth/sessions?limit=1", "{access}", keep={"session": "items.0.id"}),
    ask("GET /auth/sessions"),
    ask("GET /auth/sessions?limit=0", "{access}"),
    ask("POST /auth/refresh", json={"refresh_token": "{refresh}"}),  # an old token: theft
    ask("GET /auth/sessions", "{access}"),
    login("bob"),
    ask("GET /auth/sessions?limit=1", "bob", keep={"session": "items.0.id"}),
    *by(["bob", "bob", None], "DELETE /auth/sessions/{session}"),
    login("bob", keep=BOTH),
    *by(["{access}", "{access}"], "POST /auth/logout"),
    ask("POST /auth/logout", json={"refresh_token": "made-up"}),
    ask("POST /auth/logout"),
    *by(["bob", "bob", "made-up"], "POST /auth/logout-all"),
]

SCENARIOS["passwords"] = [
    set_password("{alice_password}", PASSWORD),
    set_password("Wrong-horse-7", OTHER_PASSWORD),
    set_password(PASSWORD, "short"),
    ask("POST /auth/password", json={"current_password": "a", "new_password": "b"}),
    ask("POST /users/{bob}/reset-token", "root", keep={"reset": "token"}),
    ask("POST /users/{bob}/reset-token", "alice"),
    ask("POST /users/9000000/reset-token", "root"),
    ask("POST /auth/password/reset", json={"token": "{reset}", "new_password": "short"}),
    ask("POST /auth/password/reset", json={"token": "{reset}", "new_password": PASSWORD}),
    ask("POST /auth/password/reset", json={"token": "{reset}", "new_password": PASSWORD}),
    login("bob", PASSWORD),
]

BACKUP = {"name": "backup", "scope": "read", "expires_at": "2999-01-01T00:00:00Z"}
SCENARIOS["personal access tokens"] = [
    ask("POST /auth/tokens", "alice", BACKUP, keep={"read": "token", "id": "id"}),
    ask("POST /auth/tokens", "alice", {"name": "w", "scope": "write"}, keep={"write": "token"}),
    ask("POST /auth/tokens", "alice", {"name": "", "scope": "all"}),
    ask("POST /auth/tokens", "alice", {"name": "mine", "scope": "admin"}),
    ask("POST /auth/tokens", json={"name": "mine", "scope": "read"}),
    ask("GET /tasks", "{read}"),
    ask("POST /tasks", "{read}", {"title": "Refused"}),
    ask("POST /tasks", "{write}", {"title": "Made"}),
    *by(["alice", "{write}"], "GET /auth/tokens"),
    ask("GET /auth/tokens?page=2", "alice"),
    *by(["bob", "alice"], "DELETE /auth/tokens/{id}"),
    ask("GET /tasks", "{read}"),
]

CLEO = {"username": "cleo", "password": PASSWORD, "role": "user", "is_active": False}
CLEO = {"username": "cleo", "password": PASSWORD, "role": "user", "is_active": False}
ALICE = {"current_password": "{alice_password}"}
SCENARIOS["users"] = [
    ask("GET /users/me", "alice", keep={"version": "version"}),
    *by([None, "made-up"], "GET /users/me"),
    ask("PATCH /users/me", "alice", {"email": "alice@example.org"}),
    ask("PATCH /users/me", "alice", {"email": "alice@example.org", **ALICE}),
    ask("PATCH /users/me", "alice", {"email": "bob@example.org", **ALICE}),
    stale("PATCH /users/me", "alice", {"username": "alicia", **ALICE}),
    ask("GET /users?sort_by=username&limit=2", "root", keep={"cursor": "next_cursor"}),
    ask("GET /users?sort_by=username&limit=2&cursor={cursor}", "root"),
    ask("GET /users?role=admin&is_active=true&q=ROOT", "root"),
    ask("GET /users?sort_by=password", "root"),
    ask("GET /users", "alice"),
    ask("POST /users", "root", CLEO, keep={"cleo": "id"}),
    ask("POST /users", "root", {"username": "CLEO", "password": PASSWORD}),
    ask("POST /users", "root", {"username": "dora", "password": PASSWORD, "role": "owner"}),
    ask("POST /users", "bob", {"username": "dora", "password": PASSWORD}),
    *by(["root", "bob"], "GET /users/{cleo}"),
    ask("GET /users/9000000", "root"),
    ask("PATCH /users/{cleo}", "root", {"is_active": True, "role": "admin"}),
    ask("PATCH /users/{cleo}", "root", {"username": "bob"}),
    stale("PATCH /users/{cleo}", "root", {"role": "admin"}),
    ask("PATCH /users/{cleo}", "root", {"role": None}),
    ask("PATCH /users/{cleo}", "alice", {"role": "admin"}),
    ask("DELETE /users/{cleo}?reassign_to=9000000", "root"),
    ask("DELETE /users/{cleo}?reassign_to={bob}", "root"),
    ask("DELETE /users/{cleo}", "root"),
    ask("DELETE /users/{bob}", "alice"),
    ask("PATCH /users/{root}", "root", {"role": "user"}),
    ask("DELETE /users/me", "root", {"current_password": "{root_password}"}),
    ask("DELETE /users/me", "bob", {"current_password": "Wrong-horse-7"}),
    ask("DELETE /users/me", "bob", {}),
    ask("DELETE /users/me", "bob", {"current_password": "{bob_password}"}),
    ask("GET /users/me", "bob"),
]

SCENARIOS["one task"] = [
    ask("POST /tasks", "alice", TASK, keep={"task": "id"}),
    ask("POST /tasks", "alice", {"title": "Only a title"}, keep={"plain": "id"}),
    ask("POST /tasks", "alice", {"title": " ", "status": "open", "tags": ["a,b"], "due_at": "x"}),
    ask("POST /tasks", "alice", {"title": "Mine", "is_complete": False}),
    ask("POST /tasks", "alice", {"title": "Mine", "user_id": "{bob}"}),
    ask("POST /tasks", "alice", [{"title": "Mine"}]),
    ask("POST /tasks", json={"title": "Mine"}),
    ask("POST /tasks", "alice", {"title": ""}, headers={"Accept": "application/problem+json"}),
    ask("GET /tasks/{task}", "alice"),
    ask("GET /tasks/{task}", "alice", headers={"If-None-Match": "{tag}"}),
    ask("HEAD /tasks/{task}", "alice"),
    ask("GET /tasks/{task}", "bob"),
    ask("GET /tasks/abc", "alice"),
    ask("GET /tasks/{task}/", "root"),
    ask("PATCH /tasks/{task}", "alice", {"status": "done"}, headers={"If-Match": "{tag}"}),
    ask("PATCH /tasks/{task}", "alice", {"status": "done"}, headers={"If-Match": "W/{tag}"}),
    ask("PATCH /tasks/{task}", "alice", data='{"description": null}', headers=MERGE_PATCH),
    ask("PATCH /tasks/{task}", "alice", {"title": None, "version": 3}),
    stale("PATCH /tasks/{task}", "alice", {"title": "New"}),
    ask("PATCH /tasks/{task}", "bob", {"title": "New"}),
    ask("PATCH /tasks/{task}", "alice", data="title=New"),
    ask("PUT /tasks/{task}", "alice", {"title": "Replaced"}),
    ask("PUT /tasks/{task}", "alice", {"status": "todo"}),
    stale("PUT /tasks/{task}", "alice", {"title": "New"}),
    ask("PUT /tasks/9000000", "alice", {"title": "New"}),
    ask("PATCH /tasks/{plain}", "root", {"user_id": "{bob}"}),
    ask("PATCH /tasks/{task}", "root", {"user_id": 9000000}),
    stale("DELETE /tasks/{task}", "alice"),
    *by(["alice", "alice"], "DELETE /tasks/{task}"),
    ask("GET /tasks?deleted=true", "alice"),
    *by(["alice", "alice", "bob"], "POST /tasks/{task}/restore"),
    ask("GET /tasks/{task}/activity?limit=3", "alice", keep={"cursor": "next_cursor"}),
    ask("GET /tasks/{task}/activity?limit=3&cursor={cursor}", "alice"),
    ask("GET /tasks/{task}/activity", "bob"),
    ask("GET /tasks/{task}/activity?since=now", "alice"),
]

SCENARIOS["lists"] = [
    ask("GET /tasks", "alice"),
    bulk(
        {"op": "create", "data": TASK},
        {"op": "create", "data": {"title": "Late", "due_at": "2001-01-01T00:00:00Z"}},
        {"op": "create", "data": {"title": "Over", "status": "done"}},
        keep={"task": "results.0.id", "late": "results.1.id"},
    ),
    ask("GET /tasks?sort_by=priority,-title&limit=2", "alice"),
    ask("GET /tasks?sort_by=priority,-title&limit=2&skip=2", "alice"),
    ask("GET /tasks?sort_by=-due_at&limit=2&cursor=", "alice", keep={"cursor": "next_cursor"}),
    ask("GET /tasks?sort_by=-due_at&limit=2&cursor={cursor}", "alice"),
    ask("GET /tasks?sort_by=title&cursor={cursor}", "alice"),
    ask("GET /tasks?cursor=made-up", "alice"),
    ask("GET /tasks?status=todo&status=done&overdue=true&q=late", "alice"),
    ask("GET /tasks?tag=DOCS&priority=high&due_after=2029-01-01T00:00:00Z", "alice"),
    ask("GET /tasks?created_since=2026-01-01T00:00:00Z&due_before=2002-01-01T00:00:00Z", "alice"),
    ask("GET /tasks?completed_since=2026-01-01T00:00:00Z", "alice"),
    ask("GET /tasks?updated_since=yesterday&limit=101&status=open", "alice"),
    ask("GET /tasks?order_by=title", "alice"),
    ask("GET /tasks?limit=1&limit=2", "alice"),
    ask("GET /tasks?user_id={bob}", "alice"),
    ask("GET /tasks?user_id={alice}&limit=1", "root"),
    ask("GET /tasks/admin/all?limit=1&sort_by=id", "root"),
    ask("GET /tasks/admin/all?sort_by=id,id", "root"),
    ask("GET /tasks/admin/all", "alice"),
    ask("GET /tasks/stats?tz=Europe/Berlin", "alice"),
    ask("GET /tasks/stats?tz=Moon", "alice"),
    ask("GET /tasks/stats"),
    bulk(
        {"op": "update", "id": "{task}", "version": 1, "data": {"priority": "low"}},
        {"op": "delete", "id": "{late}"},
    ),
    bulk(),
    bulk({"op": "create", "data": {}}),
    bulk({"op": "delete", "id": "{late}"}),
    bulk(
        {"op": "create", "data": {"title": "Undone"}},
        {"op": "update", "id": "{task}", "version": 1, "data": {"title": "Stale"}},
    ),
]

SCENARIOS["projects"] = [
    ask("GET /projects", "alice", keep={"inbox": "items.0.id"}),
    ask("POST /projects", "alice", {"name": "Website"}, keep={"project": "id"}),
    ask("POST /projects", "alice", {"name": "", "owner": "bob"}),
    ask("POST /projects", json={"name": "Website"}),
    ask("GET /projects?q=web&is_archived=false&sort_by=-name", "alice"),
    ask("GET /projects", "root"),
    ask("GET /projects?sort_by=role", "alice"),
    ask("GET /projects/{project}", "alice"),
    ask("GET /projects/{project}", "alice", headers={"If-None-Match": "{tag}"}),
    *by(["root", "bob"], "GET /projects/{project}"),
    ask("PATCH /projects/{project}", "alice", {"description": "All of it"}),
    ask("PATCH /projects/{project}", "alice", {"is_archived": None}),
    stale("PATCH /projects/{project}", "alice", {"name": "x"}),
    ask("PATCH /projects/{project}", "bob", {"name": "x"}),
    ask("PATCH /projects/{inbox}", "alice", {"name": "x"}),
    ask("DELETE /projects/{inbox}", "alice"),
    *[ask("POST /projects/{project}/members", "alice", {"user": "bob", "role": "viewer"})] * 2,
    ask("POST /projects/{project}/members", "alice", {"user": "nobody", "role": "boss"}),
    ask("POST /projects/{project}/members", "bob", {"user": "root", "role": "viewer"}),
    ask("POST /projects/{inbox}/members", "alice", {"user": "bob", "role": "viewer"}),
    ask("GET /projects/{project}/members", "bob"),
    ask("GET /projects/{project}/members?role=owner", "bob"),
    ask("GET /projects/{project}", "bob"),
    ask("PATCH /projects/{project}", "bob", {"name": "x"}),
    ask("POST /projects/{project}/tasks", "alice", {"title": "Shared"}, keep={"task": "id"}),
    ask("POST /projects/{project}/tasks", "bob", {"title": "Refused"}),
    ask("POST /projects/{project}/tasks", "alice", {}),
    ask("GET /projects/{project}/tasks?sort_by=due_at", "bob"),
    ask("GET /projects/9000000/tasks", "bob"),
    ask("POST /tasks", "bob", {"title": "Refused", "project_id": "{project}"}),
    ask("POST /tasks", "bob", {"title": "Refused", "project_id": 9000000}),
    ask("PATCH /tasks/{task}", "bob", {"title": "Refused"}),
    ask("PATCH /tasks/{task}", "alice", {"assignee_id": "{bob}"}),
    ask("PATCH /tasks/{task}", "alice", {"assignee_id": "{root}"}),
    ask("GET /tasks?assignee_id=me&project_id={project}", "bob"),
    ask("GET /tasks?assignee_id=nobody", "bob"),
    ask("GET /tasks/stats?project_id={inbox}", "bob"),
    ask("POST /tasks/{task}/comments", "alice", {"text": "Well"}, keep={"comment": "id"}),
    ask("POST /tasks/{task}/comments", "alice", {"text": ""}),
    ask("POST /tasks/{task}/comments", "bob", {"text": "Refused"}),
    ask("GET /tasks/{task}/comments", "bob"),
    ask("GET /tasks/9000000/comments", "bob"),
    ask("PATCH /tasks/{task}/comments/{comment}", "alice", {"text": "Better"}),
    ask("PATCH /tasks/{task}/comments/{comment}", "root", {"text": "Refused"}),
    *by(["bob", "root"], "DELETE /tasks/{task}/comments/{comment}"),
    ask("GET /tasks/{task}/activity", "bob"),
    ask("PATCH /projects/{project}/members/{bob}", "alice", {"role": "editor"}),
    ask("PATCH /projects/{project}/members/{alice}", "alice", {"role": "viewer"}),
    ask("DELETE /projects/{project}/members/{alice}", "alice"),
    *by(["bob", "alice"], "DELETE /projects/{project}/members/{bob}"),
    *by(["bob", "alice"], "DELETE /projects/{project}"),
    ask("GET /tasks?deleted=true", "alice"),
]

SCENARIOS["safe retries"] = [
    ask("POST /tasks", "alice", {"title": "Once"}, headers={"Idempotency-Key": "k1"}),
    ask("POST /tasks", "alice", {"title": "Once"}, headers={"Idempotency-Key": "k1"}),
    ask("POST /tasks", "alice", {"title": "Twice"}, headers={"Idempotency-Key": "k1"}),
    ask("POST /tasks", "alice", {"title": "Once"}, headers={"Idempotency-Key": "k" * 256}),
]

SCENARIOS["tasks of a user"] = [
    ask("POST /users/me/tasks", "alice", {"title": "Mine"}, keep={"task": "id"}),
    ask("POST /users/{alice}/tasks", "root", {"title": "Also hers"}),
    ask("POST /users/{alice}/tasks", "bob", {"title": "Refused"}),
    ask("POST /users/{alice}/tasks", "alice", {"title": 7}),
    ask("GET /users/{alice}/tasks?sort_by=id", "root"),
    ask("GET /users/{alice}/tasks", "bob"),
    ask("GET /users/9000000/tasks", "root"),
    ask("GET /users/me/tasks/{task}", "alice"),
    ask("GET /users/{bob}/tasks/{task}", "root"),
    ask("GET /users/{alice}/tasks/{task}", "bob"),
    ask("PUT /users/me/tasks/{task}", "alice", {"title": "Replaced"}),
    ask("PUT /users/me/tasks/{task}", "alice", {}),
    ask("PUT /users/{alice}/tasks/{task}", "bob", {"title": "Refused"}),
    ask("PATCH /users/{alice}/tasks/{task}", "root", {"status": "done"}),
    stale("PATCH /users/me/tasks/{task}", "alice", {"title": "x"}),
    ask("PATCH /users/{alice}/tasks/{task}", "bob", {"status": "todo"}),
    ask("DELETE /users/{alice}/tasks/{task}", "bob"),
    *by(["alice", "alice"], "DELETE /users/me/tasks/{task}"),
]

ROWS = [{"title": f"Row {number}", "tags": ["a", "b"]} for number in range(101)]
CSV = {"Content-Type": "text/csv"}
CSV_FILE = 'title,status,tags\r\nFrom a file,done,"a,b"\r\n'

SCENARIOS["files and jobs"] = [
    ask("POST /tasks/import", "alice", [TASK, {"title": "=1+1"}]),
    ask("POST /tasks/import?dry_run=true", "alice", ROWS[:3]),
    ask("POST /tasks/import", "alice", data=CSV_FILE, headers=CSV),
    ask("POST /tasks/import", "alice", [{"title": "Right"}, {"title": ""}]),
    ask("POST /tasks/import", "alice", data="title,color\r\nx,y\r\n", headers=CSV),
    ask("POST /tasks/import", "alice", data="<task/>", headers={"Content-Type": "text/xml"}),
    ask("POST /tasks/import", json=[TASK]),
    ask("GET /tasks/export?sort_by=id", "alice"),
    ask("GET /tasks/export?tag=docs", "alice"),
    ask("GET /tasks/export?format=csv&status=todo", "alice"),
    ask("GET /tasks/export?format=xml", "alice"),
    ask("GET /tasks/export"),
    ask("POST /tasks/import", "alice", ROWS, keep={"job": "id"}),
    ask("GET /jobs/{job}", "alice", until="finished_at"),
    ask("GET /jobs/{job}", "bob"),
    ask("GET /jobs?status=done", "alice"),
    ask("GET /jobs?status=over", "alice"),
    ask("POST /tasks/import", "alice", [*ROWS, {"title": ""}], keep={"job": "id"}),
    ask("GET /jobs/{job}", "alice", until="finished_at"),
]

CREATED = ["task.created"]
SCENARIOS["webhooks"] = [
    ask("POST /webhooks", "alice", {"url": "{receiver}", "events": CREATED}, keep={"hook": "id"}),
    ask("POST /webhooks", "alice", {"url": "mailto:ana@example.org", "events": ["task.made"]}),
    ask("POST /webhooks", json={"url": "{receiver}"}),
    *by(["alice", "bob"], "GET /webhooks"),
    ask("GET /webhooks?limit=x", "alice"),
    *by(["alice", "bob"], "GET /webhooks/{hook}"),
    ask("PATCH /webhooks/{hook}", "alice", {"events": ["task.created", "task.deleted"]}),
    ask("PATCH /webhooks/{hook}", "alice", {"secret": "whsec_mine"}),
    ask("PATCH /webhooks/{hook}", "bob", {"is_active": False}),
    ask("POST /webhooks/{hook}/test", "alice", keep={"delivery": "id"}),
    ask("POST /webhooks/{hook}/test", "bob"),
    ask("GET /webhooks/{hook}/deliveries", "alice", until="items.0.delivered_at"),
    ask("GET /webhooks/{hook}/deliveries?status=failed&event=task.created", "alice"),
    ask("GET /webhooks/{hook}/deliveries?status=lost", "alice"),
    ask("GET /webhooks/{hook}/deliveries", "bob"),
    ask("POST /webhooks/{hook}/deliveries/{delivery}/redeliver", "alice"),
    ask("POST /webhooks/{hook}/deliveries/9000000/redeliver", "alice"),
    *by(["alice", "bob"], "POST /webhooks/{hook}/rotate-secret"),
    ask("PATCH /webhooks/{hook}", "alice", {"is_active": False}),
    ask("POST /webhooks/{hook}/test", "alice"),
    *by(["bob", "alice", "alice"], "DELETE /webhooks/{hook}"),
]

SCENARIOS["calendar"] = [
    ask("POST /tasks", "alice", {"title": "Due", "due_at": "2030-12-01T09:00:00Z"}),
    ask("POST /users/me/calendar", "alice", keep={"calendar": "url"}),
    ask("POST /users/me/calendar"),
    ask("GET /{calendar}"),
    ask("GET /{calendar}", headers={"If-None-Match": "{tag}"}),
    ask("GET //calendar/made-up.ics"),
    *by(["alice", "alice"], "DELETE /users/me/calendar"),
    ask("GET /{calendar}"),
]

SCENARIOS["audit"] = [
    login("alice", "Wrong-horse-7"),
    ask("GET /audit?action=login.failed", "root"),
    ask("GET /audit?actor={alice}&limit=1&since=2026-01-01T00:00:00Z", "root"),
    ask("GET /audit?action=user.seen", "root"),
    ask("GET /audit", "alice"),
]

SCENARIOS["pages"] = [
    ask("GET //", headers={"Accept": JSON}),
    ask("GET //", headers={"Accept": "text/html"}),
    ask("GET //docs"),
    ask("GET //redoc"),
    ask("GET //openapi.json"),
    ask("GET //openapi.json", headers={"If-None-Match": "{tag}"}),
    ask("GET //static/missing.js"),
    ask("GET //health"),
    ask("GET //health?verbose=1"),
    ask("GET //health/detailed"),
    *by(["a-token-for-figures-only", None], "GET //metrics"),
    *by(["alice", None], "GET /nothing"),
    ask("DELETE /tasks", "alice"),
    ask("POST //health"),
    ask("OPTIONS /tasks", headers=PREFLIGHT),
    ask("GET /tasks", "alice", headers={"Origin": "https://app.example"}),
    ask("GET /tasks", "alice", headers={"Origin": "https://other.example"}),
]

SCENARIOS["sizes and limits"] = [
    ask("POST /tasks", "alice", data="[" * (2**20 + 1), headers={"Content-Type": JSON}),
    ask("GET /tasks", "bob", times=6),
    login("bob", "Wrong-horse-7", times=11),
    login("bob"),
]
