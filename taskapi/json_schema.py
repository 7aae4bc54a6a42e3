"""What apispec's marshmallow plugin cannot know of our schemas; only the document needs this."""

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from taskapi.schemas.fields import RequestSchema

JsonSchema = dict[str, Any]


def _finish(self: Any, field: fields.Field[Any], ret: JsonSchema) -> JsonSchema:
    """Add the schemas of parts, values that are known only now, and examples as 3.1 has them."""
    schemas = field.metadata.get("schemas")
    if schemas:
        ret.clear()
        references = [self.resolve_nested_schema(request_of(schema)) for schema in schemas]
        return {"oneOf": references} if len(references) > 1 else references[0]
    for name, value in ret.items():
        if callable(value):
            ret[name] = value()
    return {"examples": [ret.pop("example")]} if "example" in ret else {}


class Converter(OpenAPIConverter):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.add_attribute_function(_finish)  # type: ignore[no-untyped-call]

    def schema2jsonschema(self, schema: Any) -> JsonSchema:
        made: JsonSchema = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if is_request(schema):
            return {**made, **schema.json_schema}
        # A response may grow: clients should accept fields that they do not know.
        made.pop("additionalProperties", None)
        made["required"] = [
            name for name, each in schema.fields.items() if "optional" not in each.metadata
        ]
        return made


class Plugin(MarshmallowPlugin):
    Converter = Converter

    def __init__(self) -> None:
        super().__init__(schema_name_resolver=name_of_schema)


def is_request(schema: Schema) -> bool:
    """True for what comes in: of a schema for both directions, request_of() made it."""
    return isinstance(schema, RequestSchema) and not schema.dump_fields.keys() - schema.load_fields


def request_of(schema: Schema) -> Schema:
    """The schema without its read-only fields."""
    read_only = schema.dump_fields.keys() - schema.load_fields
    return type(schema)(
        exclude={*schema.exclude, *read_only}, partial=schema.partial, many=schema.many
    )


def name_of_schema(schema: Any) -> str:
    """The class's name, and what the instance leaves out."""
    if isinstance(schema, type):
        schema = schema()
    name: str = type(schema).__name__.removesuffix("Schema")
    if is_request(schema):
        name += "Request"
    if schema.partial:
        name = f"Partial{name}"
    for field in ("user_id",):
        if field in schema.exclude:
            name += "Without" + "".join(word.title() for word in field.split("_"))
    return name
