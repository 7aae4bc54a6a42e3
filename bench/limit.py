"""The upper limit: a WSGI function with one raw SQL statement and a JSON dump.

Tokens are not checked: the bearer is the id of the user. It uses the tables of the peers and the
gunicorn settings of the service.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import bcrypt
import orjson
import psycopg

FIELDS = (
    "id, user_id, title, description, status, priority, due_at, tags, completed_at,"
    " created_at, updated_at, version"
)
NAMES = FIELDS.split(", ")
WANTED = "FROM tasks WHERE user_id = %(user)s AND status = %(status)s"
LIST = (
    f"SELECT {FIELDS}, (SELECT count(*) {WANTED}) {WANTED}"
    " ORDER BY created_at DESC, id DESC LIMIT 20"
)
GET = f"SELECT {FIELDS} FROM tasks WHERE id = %(id)s AND user_id = %(user)s"
CREATE = (
    "INSERT INTO tasks (user_id, title, status, priority, tags, created_at, updated_at, version)"
    " VALUES (%(user)s, %(title)s, 'todo', %(priority)s, %(tags)s, now(), now(), 1)"
    f" RETURNING {FIELDS}"
)
PASSWORD_HASH = "SELECT password_hash FROM users WHERE username = %(username)s"

_of_thread = threading.local()


def rows(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = psycopg.connect(
            os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0
        )
    return list(_of_thread.connection.execute(sql, values).fetchall())


def task_json(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(NAMES, row, strict=False))


def answer(environ: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "POST":
        data = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        if path == "/api/v1/auth/login":
            [(password_hash,)] = rows(PASSWORD_HASH, data)
            assert bcrypt.checkpw(data["password"].encode(), password_hash.encode())
            return "200 OK", {"access_token": data["username"]}
        user = int(environ["HTTP_AUTHORIZATION"][7:])
        return "201 Created", task_json(rows(CREATE, {"user": user, **data})[0])
    user = int(environ.get("HTTP_AUTHORIZATION", "Bearer 0")[7:])
    if path == "/api/v1/tasks":
        status = parse_qs(environ["QUERY_STRING"])["status"][0]
        found = rows(LIST, {"user": user, "status": status})
        items = [task_json(row) for row in found]
        return "200 OK", {"items": items, "total": found[0][-1], "skip": 0, "limit": 20}
    found = rows(GET, {"id": int(path.rpartition("/")[2]), "user": user})
    return ("200 OK", task_json(found[0])) if found else ("404 Not Found", {})


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, content = answer(environ)
    body = orjson.dumps(content)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
