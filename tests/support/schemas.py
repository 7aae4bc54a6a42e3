"""Schemas of app.json and render.yaml, from the documentation of Heroku and Render.

Unlisted fields are rejected, so that a new field is looked up first.
"""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
BOOLEAN: Schema = {"type": "boolean"}


def record(needed: dict[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(needed),
        "properties": needed | optional,
        "additionalProperties": False,
    }


def list_of(*items: Schema) -> Schema:
    return {"type": "array", "items": {"oneOf": list(items)}}


def names_to(value: Schema, names: str) -> Schema:
    return {"type": "object", "patternProperties": {names: value}, "additionalProperties": False}


def number(least: int, **more: int) -> Schema:
    return {"type": "integer", "minimum": least, **more}


def one_of(*values: Any) -> Schema:
    return {"enum": list(values)}


def text(pattern: str, **more: Any) -> Schema:
    return {"type": "string", "pattern": pattern, **more}


# https://devcenter.heroku.com/articles/app-json-schema
SIZES = one_of("eco", "basic", "standard-1x", "standard-2x", "performance-m")
VALUE: Schema = {"type": "string"}
APP_JSON = record(
    {"name": text(r"^[A-Za-z\-_. ]+$", maxLength=30)},
    description=TEXT,
    keywords=list_of(TEXT),
    success_url=TEXT,
    stack=one_of("heroku-22", "heroku-24"),
    buildpacks=list_of(record({"url": TEXT})),
    addons=list_of(text("^heroku-(postgresql|redis):[a-z0-9-]+$")),
    formation=names_to(record({"quantity": number(0)}, size=SIZES), "^[a-z]+$"),
    env=names_to(
        record({"description": TEXT}, value=VALUE, required=BOOLEAN, generator=one_of("secret")),
        "^[A-Z][A-Z0-9_]*$",
    ),
)

# https://render.com/docs/blueprint-spec
ADDRESSES = list_of(record({"source": TEXT}, description=TEXT))
DATABASE = record({"name": TEXT, "property": one_of("connectionString")})
SERVICE = record({"type": TEXT, "name": TEXT, "property": one_of("connectionString")})
VARIABLES = list_of(
    record({"key": TEXT, "value": VALUE}),
    record({"key": TEXT, "generateValue": one_of(True)}),
    record({"key": TEXT, "sync": one_of(False)}),
    record({"key": TEXT, "fromDatabase": DATABASE}),
    record({"key": TEXT, "fromService": SERVICE}),
)
PAID = ("starter", "standard", "pro", "pro plus")
COMMANDS = {"name": TEXT, "runtime": one_of("python"), "buildCommand": TEXT, "startCommand": TEXT}
PROCESS = {"maxShutdownDelaySeconds": number(1, maximum=300), "envVars": VARIABLES}
WEB = {"plan": one_of("free", *PAID), "preDeployCommand": TEXT, "healthCheckPath": text("^/")}
POLICIES = ("allkeys-lru", "allkeys-random", "volatile-lru", "volatile-random", "volatile-ttl")
RENDER = record(
    {
        "services": list_of(
            record({"type": one_of("web"), **COMMANDS}, **WEB, **PROCESS),
            # Render has no free plan for workers.
            record({"type": one_of("worker"), **COMMANDS}, plan=one_of(*PAID), **PROCESS),
            record(
                {"type": one_of("keyvalue"), "name": TEXT, "ipAllowList": ADDRESSES},
                plan=one_of("free", *PAID),
                maxmemoryPolicy=one_of("noeviction", *POLICIES),
            ),
        ),
        "databases": list_of(
            record(
                {"name": TEXT},
                plan=text("^(free|(basic|pro|accelerated)-[0-9]+[mg]b)$"),
                postgresMajorVersion=text("^1[3-8]$"),
                ipAllowList=ADDRESSES,
            )
        ),
    }
)
