"""Examples, put together from those of a schema's parts."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def example_of(schemas: Mapping[str, Json], schema: Json, without: tuple[str, ...] = ()) -> Any:
    """A value that fits the schema, from the examples of its parts."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if schema.get("examples"):
        return schema["examples"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema and "properties" not in schema:
            return example_of(schemas, schema[choice][0], without)
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return {
            name: example_of(schemas, inner, without)
            for name, inner in schema.get("properties", {}).items()
            if name not in without
        }
    if kind == "array":
        return [example_of(schemas, schema.get("items", {}), without)]
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, "text")
