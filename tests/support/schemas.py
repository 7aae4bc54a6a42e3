"""What Heroku and Render document about their files, as far as these use it: see docs/deploy.md.

Whatever is not listed here is refused, so that a new field has to be looked up first.
"""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
LIST_OF_TEXT: Schema = {"type": "array", "items": TEXT}


def record(needed: dict[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(needed),
        "properties": needed | optional,
        "additionalProperties": False,
    }


def names_to(value: Schema, names: str) -> Schema:
    return {
        "type": "object",
        "patternProperties": {names: value},
        "additionalProperties": False,
    }


# https://devcenter.heroku.com/articles/app-json-schema
APP_JSON = record(
    {"name": {"type": "string", "pattern": r"^[A-Za-z\-_. ]+$", "maxLength": 30}},
    description=TEXT,
    keywords=LIST_OF_TEXT,
    success_url=TEXT,
    stack={"enum": ["heroku-22", "heroku-24"]},
    buildpacks={"type": "array", "items": record({"url": TEXT})},
    addons={
        "type": "array",
        "items": {"type": "string", "pattern": "^heroku-(postgresql|redis):[a-z0-9-]+$"},
    },
    formation=names_to(
        record(
            {"quantity": {"type": "integer", "minimum": 0}},
            size={"enum": ["eco", "basic", "standard-1x", "standard-2x", "performance-m"]},
        ),
        "^[a-z]+$",
    ),
    env=names_to(
        record(
            {"description": TEXT},
            value={"type": "string"},
            required={"type": "boolean"},
            generator={"const": "secret"},
        ),
        "^[A-Z][A-Z0-9_]*$",
    ),
)

# https://render.com/docs/blueprint-spec
ADDRESSES: Schema = {"type": "array", "items": record({"source": TEXT}, description=TEXT)}
VARIABLE: Schema = {
    "oneOf": [
        record({"key": TEXT, "value": {"type": "string"}}),
        record({"key": TEXT, "generateValue": {"const": True}}),
        record({"key": TEXT, "sync": {"const": False}}),
        record(
            {
                "key": TEXT,
                "fromDatabase": record({"name": TEXT, "property": {"const": "connectionString"}}),
            }
        ),
        record(
            {
                "key": TEXT,
                "fromService": record(
                    {"type": TEXT, "name": TEXT, "property": {"const": "connectionString"}}
                ),
            }
        ),
    ]
}
PLANS: Schema = {"enum": ["free", "starter", "standard", "pro", "pro plus"]}
PROCESS: dict[str, Schema] = {
    "name": TEXT,
    "runtime": {"const": "python"},
    "buildCommand": TEXT,
    "startCommand": TEXT,
}
RENDER = record(
    {
        "services": {
            "type": "array",
            "items": {
                "oneOf": [
                    record(
                        {"type": {"const": "web"}, **PROCESS},
                        plan=PLANS,
                        preDeployCommand=TEXT,
                        healthCheckPath={"type": "string", "pattern": "^/"},
                        maxShutdownDelaySeconds={"type": "integer", "minimum": 1, "maximum": 300},
                        envVars={"type": "array", "items": VARIABLE},
                    ),
                    record(
                        {"type": {"const": "worker"}, **PROCESS},
                        # A worker of its own cannot be had for nothing.
                        plan={"enum": ["starter", "standard", "pro", "pro plus"]},
                        maxShutdownDelaySeconds={"type": "integer", "minimum": 1, "maximum": 300},
                        envVars={"type": "array", "items": VARIABLE},
                    ),
                    record(
                        {"type": {"const": "keyvalue"}, "name": TEXT, "ipAllowList": ADDRESSES},
                        plan=PLANS,
                        maxmemoryPolicy={
                            "enum": [
                                *("noeviction", "allkeys-lru", "allkeys-random"),
                                *("volatile-lru", "volatile-random", "volatile-ttl"),
                            ]
                        },
                    ),
                ]
            },
        },
        "databases": {
            "type": "array",
            "items": record(
                {"name": TEXT},
                plan={"type": "string", "pattern": "^(free|(basic|pro|accelerated)-[0-9]+[mg]b)$"},
                postgresMajorVersion={"type": "string", "pattern": "^1[3-8]$"},
                ipAllowList=ADDRESSES,
            ),
        },
    }
)
