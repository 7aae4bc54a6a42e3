"""Our kinds of fields in JSON Schema, for apispec; only the documents need this."""

from collections.abc import Callable, Mapping
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from taskapi.config import settings
from taskapi.models.user import USERNAME
from taskapi.schemas.answers import Answer
from taskapi.schemas.fields import Choice, Flag, Number, SortBy, Text, Time, Truth
from taskapi.schemas.task import Description, Tag, Tags, TimeZone
from taskapi.schemas.user import Email, NewPassword, Password, Username
from taskapi.schemas.webhook import EventNames, Url

JsonSchema = dict[str, Any]

# As the service means them, in the dialect that JSON Schema and every language share.
_NO_CONTROLS = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
_NO_CONTROLS_OR_SPACE = r"[^\u0000-\u0020\u007f-\u00a0\u2028\u2029]"
_NO_CONTROLS_BUT_LINES = r"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"
ONE_LINE = rf"^{_NO_CONTROLS}*{_NO_CONTROLS_OR_SPACE}{_NO_CONTROLS}*$"
MAYBE_EMPTY_LINE = rf"^{_NO_CONTROLS}*$"
LINES = rf"^{_NO_CONTROLS_BUT_LINES}*$"
TAG = ONE_LINE.replace("[^", "[^,")
MOMENT = (
    r"^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)


def _text(field: Text) -> JsonSchema:
    pattern = ONE_LINE if field.shortest else MAYBE_EMPTY_LINE
    return {
        "type": "string",
        "minLength": field.shortest,
        "maxLength": field.longest,
        "pattern": pattern,
        "example": "text",
    }


def _number(field: Number) -> JsonSchema:
    return {
        "type": "integer",
        "format": "int64",
        "minimum": field.low,
        "maximum": field.high,
        "example": max(1, field.low),
    }


def _tag(field: Tag) -> JsonSchema:
    return _text(field) | {"pattern": TAG, "example": "docs"}


def _tags(field: Tags) -> JsonSchema:
    tag = _tag(field.tag)
    return {"type": "array", "items": tag, "maxItems": 20, "example": [tag.pop("example")]}


def _sort_by(field: SortBy) -> JsonSchema:
    key = f"-?({'|'.join(field.keys)})"
    return {
        "type": "string",
        # The look-ahead: no key twice.
        "pattern": rf"^(?!.*\b(\w+)\b.*\b\1\b){key}(,{key})*$",
        "default": field.default,
        "description": f"One or several of {', '.join(field.keys)}; comma-separated, "
        "`-` for descending.",
    }


# The kind nearest to a field's own class counts.
KINDS: Mapping[type[fields.Field[Any]], Callable[[Any], JsonSchema]] = {
    Text: _text,
    Description: lambda field: (
        _text(field) | {"pattern": LINES, "minLength": 0, "example": "What it is, for whom."}
    ),
    Username: lambda field: {
        "type": "string",
        "minLength": field.shortest,
        "maxLength": field.longest,
        "pattern": f"^{USERNAME.pattern}$",
        "example": "ana",
    },
    Email: lambda field: {
        "type": "string",
        "format": "email",
        "minLength": field.shortest,
        "maxLength": field.longest,
        "example": "ana@example.org",
    },
    Password: lambda field: {"format": "password", "example": "Correct-Horse-7"},
    NewPassword: lambda field: {
        "format": "password",
        "minLength": settings().password_min_length,
        "description": "With an upper-case letter and a digit; none of the commonest, "
        "not your own name.",
        "example": "Correct-Horse-7",
    },
    Choice: lambda field: {"type": "string", "enum": [*field.choices]},
    Time: lambda field: {
        "type": "string",
        "format": "date-time",
        "pattern": MOMENT,
        "example": "2026-12-01T09:00:00.000000Z",
    },
    Number: _number,
    Flag: lambda field: {"type": "boolean"},
    Truth: lambda field: {"type": "boolean"},
    Tag: _tag,
    Tags: _tags,
    SortBy: _sort_by,
    Url: lambda field: {
        "type": "string",
        "format": "uri",
        "maxLength": field.longest,
        "pattern": "^https?://",
        "example": "https://example.org/tasks-happened",
    },
    EventNames: lambda field: {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "enum": [*field.name_of_one.choices]},
        "example": list(field.name_of_one.choices[:2]),
    },
    TimeZone: lambda field: {
        "type": "string",
        "format": "iana-time-zone",
        "description": "An IANA name, such as Europe/Berlin.",
        "example": "Europe/Berlin",
    },
}


def _of_our_kind(self: Any, field: fields.Field[Any], ret: JsonSchema) -> JsonSchema:
    """What apispec cannot know of a field, in the words of OpenAPI 3.1."""
    kind = next((KINDS[cls] for cls in type(field).__mro__ if cls in KINDS), None)
    found = {**(kind(field) if kind else {}), **field.metadata}
    found.pop("optional", None)
    one_of = found.pop("one_of", None)
    ret.pop("example", None)
    if one_of:
        ret["items"] = {"oneOf": [self.resolve_nested_schema(schema) for schema in one_of]}
    if "schema" in found:
        found |= self.resolve_nested_schema(found.pop("schema"))
        for name in ("type", "additionalProperties"):
            ret.pop(name, None)
    if "example" in found:
        found["examples"] = [found.pop("example")]
    if field.allow_none and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    return found


class Converter(OpenAPIConverter):
    """apispec's, whose methods have no types, with our kinds of fields and of answers."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.add_attribute_function(_of_our_kind)  # type: ignore[no-untyped-call]

    def schema2jsonschema(self, schema: Any) -> JsonSchema:
        made: JsonSchema = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if isinstance(schema, Answer):
            # An answer may grow: a client is not to break on a field that it does not know.
            made.pop("additionalProperties", None)
            made["required"] = [
                name for name, each in schema.fields.items() if "optional" not in each.metadata
            ]
        return {**made, **getattr(schema, "shape", {})}


class Plugin(MarshmallowPlugin):
    Converter = Converter

    def __init__(self) -> None:
        super().__init__(schema_name_resolver=name_of_schema)


def name_of_schema(schema: Any) -> str:
    """The class's name, and what the instance leaves out."""
    name: str = schema.__name__ if isinstance(schema, type) else type(schema).__name__
    if not isinstance(schema, Schema):
        return name
    without = sorted(schema.exclude)
    if schema.partial:
        name = f"Partial{name}"
    if without:
        name += "Without" + "And".join(each.title().replace("_", "") for each in without)
    return name
