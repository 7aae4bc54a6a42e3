"""A Postman collection (format 2.1), made from the OpenAPI document."""

import json
import re
import uuid
from typing import Any

Json = dict[str, Any]

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
PASSWORD = "Correct-Horse-7"
VARIABLES = {
    "base_url": "http://localhost:8000",
    "username": "ana",
    "password": PASSWORD,
    "access_token": "",
    "refresh_token": "",
    "reset_token": "",
    "metrics_token": "",
}
EXAMPLES = {"user": "me", "name": "page.css"}  # of what no request makes
START = ("register", "login")
ABOUT = """\
1. Set the variable `base_url`, and `username` and `password` if you have an account.
2. Send *Start here / Make an account*, or *Sign in* if you have one.

Every request carries the token from then on, and signs in again when there is none. What a
request makes is remembered: the next ones use its id.
"""
# Without a token: sign in, so that also what ends a session can be sent in the middle of a run.
SIGN_IN = """\
const value = (name) => pm.variables.get(name);
const auth = pm.request.auth;
if (!value("access_token") && !(auth && auth.type === "noauth")) {
  pm.sendRequest({
    url: value("base_url") + "/api/v1/auth/login",
    method: "POST",
    header: { "Content-Type": "application/json" },
    body: {
      mode: "raw",
      raw: JSON.stringify({ username: value("username"), password: value("password") }),
    },
  }, (error, response) => {
    if (!error && response.code === 200) {
      pm.collectionVariables.set("access_token", response.json().access_token);
      pm.collectionVariables.set("refresh_token", response.json().refresh_token);
    }
  });
}
"""
IS_GOOD = """\
pm.test(pm.info.requestName + " succeeds", () => pm.response.to.be.success);
"""
KEEP_TOKENS = """\
if (pm.response.code < 300) {
  pm.collectionVariables.set("access_token", pm.response.json().access_token);
  pm.collectionVariables.set("refresh_token", pm.response.json().refresh_token);
}
"""
KEEP_CALENDAR = """\
const file = pm.response.json().url.split("/").pop();
pm.collectionVariables.set("calendar_token", file.replace(".ics", ""));
"""
FORGET_TOKENS = """\
pm.collectionVariables.unset("access_token");
pm.collectionVariables.unset("refresh_token");
"""


def make_collection(document: Json) -> Json:
    """Folders by tag, in an order in which all of it can be run from start to end."""
    names = [tag["name"] for tag in document["tags"]]
    folders: dict[str, list[Json]] = {"Start here": []}
    # Whoever deletes their own account does it last.
    folders |= {name: [] for name in sorted(names, key=lambda name: name == "users")}
    variables = dict(VARIABLES)
    for path, method, operation in _in_running_order(document):
        is_start = operation["operationId"] in START
        folder = folders["Start here" if is_start else operation["tags"][0]]
        folder.append(_item(document, path, method, operation, variables))
    about = {tag["name"]: tag["description"] for tag in document["tags"]}
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, SCHEMA)),
            "name": document["info"]["title"],
            "description": ABOUT,
            "schema": SCHEMA,
        },
        "auth": _bearer("access_token"),
        "event": [_script("prerequest", SIGN_IN)],
        "variable": [{"key": name, "value": value} for name, value in variables.items()],
        "item": [
            {"name": name, "description": about.get(name, ""), "item": items}
            for name, items in folders.items()
            if items
        ],
    }


def _in_running_order(document: Json) -> list[tuple[str, str, Json]]:
    found = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]

    def phase(entry: tuple[str, str, Json]) -> tuple[int, int]:
        path, method, operation = entry
        if operation["operationId"] in START:
            return START.index(operation["operationId"]) - len(START), 0
        if method == "delete":
            return 4, -len(path)  # what lies within something goes before it
        if path.endswith("/restore"):
            return 5, 0  # out of the trash
        if path.endswith(("/password", "/logout", "/logout-all")):
            return 6, 0  # they end what the others use
        if "201" in operation["responses"]:
            return 0, len(path)
        return {"get": 1, "put": 2, "patch": 2}.get(method, 3), len(path)

    return sorted(found, key=phase)


def _item(
    document: Json, path: str, method: str, operation: Json, variables: dict[str, str]
) -> Json:
    parameters = operation.get("parameters", [])
    inputs = {
        each["name"]: "user" if _may_be_me(each) else _variable(path, each["name"])
        for each in parameters
        if each["in"] == "path"
    }
    for variable in inputs.values():
        variables.setdefault(variable, EXAMPLES.get(variable, ""))
    headers, body = _body(operation)
    query = [
        {
            "key": each["name"],
            "value": _text(each["schema"]),
            "description": each.get("description", ""),
            "disabled": True,
        }
        for each in parameters
        if each["in"] == "query"
    ]
    headers += [
        {"key": each["name"], "value": "", "description": each["description"], "disabled": True}
        for each in parameters
        if each["in"] == "header"
    ]
    segments = re.sub(r"\{(\w+)\}", r":\1", path).strip("/")
    request: Json = {
        "method": method.upper(),
        "description": operation["description"],
        "header": headers,
        "url": {
            "raw": "{{base_url}}/" + segments,
            "host": ["{{base_url}}"],
            "path": segments.split("/"),
            "query": query,
            "variable": [{"key": k, "value": "{{" + v + "}}"} for k, v in inputs.items()],
        },
    }
    if body is not None:
        request["body"] = body
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    if path == "/metrics":  # has a token of its own
        request["auth"] = _bearer("metrics_token")
    needed = [name for name in inputs.values() if name != "user"]
    if '"{{reset_token}}"' in str(body):
        needed.append("reset_token")
    if path == "/metrics":
        needed.append("metrics_token")
    events = [_script("test", IS_GOOD + _what_to_keep(document, path, method, operation))]
    if needed:
        events.insert(0, _script("prerequest", _skip_without(needed)))
    return {"name": operation["summary"], "event": events, "request": request, "response": []}


def _variable(path: str, name: str) -> str:
    """The variable for a path's parameter: what was made under one path is used there only."""
    if name == "token":
        return "calendar_token"
    is_below_user = "/users/{user_id}/" in path and name != "user_id"
    return f"{name}_of_user" if is_below_user else name


def _may_be_me(parameter: Json) -> bool:
    return str(parameter["schema"].get("pattern", "")).startswith("^(me|")


def _body(operation: Json) -> tuple[list[Json], Json | None]:
    content = operation.get("requestBody", {}).get("content", {})
    media = content.get("application/json")
    if media is None:
        return [], None
    example = next(iter(media["examples"].values()))["value"]
    is_start = operation["operationId"] in START
    raw = json.dumps(_with_variables(example, is_start), indent=2, ensure_ascii=False)
    body = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    return [{"key": "Content-Type", "value": "application/json"}], body


def _with_variables(example: Any, is_start: bool) -> Any:
    if isinstance(example, list):
        return [_with_variables(each, is_start) for each in example]
    if not isinstance(example, dict):
        return example
    found = {name: _with_variables(value, is_start) for name, value in example.items()}
    for name, value in found.items():
        if value == PASSWORD:
            found[name] = "{{password}}"
        elif name == "refresh_token":
            found[name] = "{{refresh_token}}"
        elif name == "token":
            found[name] = "{{reset_token}}"
        elif name == "username" and is_start:
            found[name] = "{{username}}"
    if is_start:
        found.pop("email", None)
    return found


def _what_to_keep(document: Json, path: str, method: str, operation: Json) -> str:
    """The script that remembers ids and tokens for the requests that follow."""
    name = operation["operationId"]
    if name in (*START, "refresh"):
        return KEEP_TOKENS
    if name in ("logout", "logout_all"):
        return FORGET_TOKENS
    if path.endswith("/reset-token"):
        return 'pm.collectionVariables.set("reset_token", pm.response.json().token);\n'
    if path.endswith("/calendar") and method == "post":
        return KEEP_CALENDAR
    children = (re.match(r"/\{(\w+)\}", each.removeprefix(path)) for each in document["paths"])
    child = next((found for found in children if found), None)
    if child is None:
        return ""
    variable = _variable(path + "/", child[1])
    if "201" in operation["responses"]:
        return f'pm.collectionVariables.set("{variable}", pm.response.json().id);\n'
    if method == "get":
        return (
            f"const items = pm.response.json().items || [];\n"
            f'if (items.length && !pm.collectionVariables.get("{variable}")) {{\n'
            f'  pm.collectionVariables.set("{variable}", items[items.length - 1].id);\n'
            f"}}\n"
        )
    return ""


def _bearer(variable: str) -> Json:
    token = {"key": "token", "value": "{{" + variable + "}}", "type": "string"}
    return {"type": "bearer", "bearer": [token]}


def _skip_without(names: list[str]) -> str:
    return "".join(
        f'if (!pm.variables.get("{name}")) {{\n  pm.execution.skipRequest();\n}}\n'
        for name in names
    )


def _script(when: str, code: str) -> Json:
    script = {"type": "text/javascript", "exec": code.rstrip("\n").split("\n")}
    return {"listen": when, "script": script}


def _text(schema: Json) -> str:
    inner = schema.get("items", schema)
    value = next(
        (each[0] for each in (inner.get("examples"), inner.get("enum")) if each),
        schema.get("default", ""),
    )
    return {True: "true", False: "false"}.get(value, str(value)) if value != "" else ""
