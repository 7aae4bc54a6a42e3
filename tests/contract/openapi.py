"""The OpenAPI document without descriptions."""

import json
from collections import Counter
from typing import Any

# The keywords for bounds, and the formats that matter to clients.
BOUNDS = {
    ("minimum", "maximum"): "",
    ("minLength", "maxLength"): " characters",
    ("minItems", "maxItems"): " items",
}
FORMATS = {"binary", "date", "date-time", "email", "uri", "uuid"}
LIMIT_HEADERS = "X-RateLimit-Limit?, X-RateLimit-Remaining?, X-RateLimit-Reset?"
WIDTH = 100


def promise_of(document: Any) -> dict[str, Any]:
    """Return the operations with parameters, bodies and responses, without references.

    `"name?"` is optional. The bodies of common errors are in `errors`.
    """
    reader = _Reader(document)
    operations = {
        f"{method.upper()} {path}": reader.operation(operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    usual = _usual_errors(operations)
    for operation in operations.values():
        answers = operation.pop("answers")
        of_its_own = {
            each: answers[each] for each in sorted(answers) if answers[each] != usual.get(each)
        }
        operation["answers"] = of_its_own
        operation["errors"] = " ".join(sorted({*answers} - {*of_its_own}))
    promise = {
        "headers": dict(sorted(reader.headers.items())),
        "errors": _merged(usual),
        "operations": dict(sorted(operations.items())),
    }
    if "webhooks" in document:
        promise["webhooks"] = {
            name: reader.operation(methods["post"])
            for name, methods in sorted(document["webhooks"].items())
        }
    return promise


def _usual_errors(operations: dict[str, Any]) -> dict[str, Any]:
    seen: dict[str, Counter[str]] = {}
    for operation in operations.values():
        for status, answer in operation["answers"].items():
            if status >= "400":
                seen.setdefault(status, Counter())[json.dumps(answer)] += 1
    return {status: json.loads(seen[status].most_common(1)[0][0]) for status in sorted(seen)}


def _merged(usual: dict[str, Any]) -> dict[str, Any]:
    """Show the bodies once if they are the same for every status."""
    headers = {status: answer.pop("headers") for status, answer in usual.items()}
    bodies = list(usual.values())
    if all(each == bodies[0] for each in bodies):
        return {"headers": headers, "bodies": bodies[0]}
    return {"headers": headers, "bodies": usual}


class _Reader:
    def __init__(self, document: Any):
        self._document = document
        self.headers: dict[str, str] = {}  # their types by name

    def operation(self, operation: Any) -> dict[str, Any]:
        parameters = [self._followed(each) for each in operation.get("parameters", [])]
        found: dict[str, Any] = {
            "needs_token": bool(operation.get("security")),
            "parameters": {
                _name(each["name"], each.get("required")): (
                    {each["in"]: self._schema(each["schema"], is_input=True)}
                )
                for each in sorted(parameters, key=lambda each: str(each["name"]))
            },
        }
        if "requestBody" in operation:
            body = self._followed(operation["requestBody"])
            name = _name("body", body.get("required"))
            found[name] = self._content(body, is_input=True)
        found["answers"] = {
            status: self._answer(self._followed(answer))
            for status, answer in operation.get("responses", {}).items()
        }
        return found

    def _answer(self, answer: Any) -> dict[str, Any]:
        names = []
        for name, header in sorted(answer.get("headers", {}).items()):
            header = self._followed(header)
            names.append(_name(name, header.get("required")))
            self.headers[name] = self._schema(header["schema"])
        text = ", ".join(names).replace(LIMIT_HEADERS, "X-RateLimit-*?")
        return {"headers": text, **self._content(answer)}

    def _content(self, holder: Any, *, is_input: bool = False) -> dict[str, Any]:
        return {
            kind: self._schema(media.get("schema", {}), is_input=is_input)
            for kind, media in sorted(holder.get("content", {}).items())
        }

    def _followed(self, part: Any) -> Any:
        while "$ref" in part:
            found = self._document
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            part = found
        return part

    def _schema(self, schema: Any, *, is_input: bool = False) -> Any:
        """Return a type as text, `{"field": type}` or `[type of the items]`.

        Bounds and defaults are shown for requests only.
        """
        schema = self._followed(schema)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema and "properties" not in schema:
                return {word: [self._schema(each, is_input=is_input) for each in schema[word]]}
        kinds = schema.get("type", "any")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if len(kinds) == 2 and "null" in kinds and {"object", "array"} & {*kinds}:
            (kind,) = {*kinds} - {"null"}
            return {"anyOf": [self._schema({**schema, "type": kind}, is_input=is_input), "null"]}
        if kinds == ["object"]:
            return self._object(schema, is_input=is_input)
        bounds = self._bounds(schema) if is_input else ""
        if kinds == ["array"]:
            items = self._schema(schema.get("items", {}), is_input=is_input)
            return [items, bounds.strip()] if bounds else [items]
        names = sorted(json.dumps(each).replace('"', "'") for each in schema.get("enum", []))
        if "const" in schema:
            names = [f"'{schema['const']}'"]
        if len(names) > 5:
            return {"enum": names}
        text = " | ".join(names or sorted(kinds, key=lambda kind: kind == "null"))
        if schema.get("format") in FORMATS:
            text += f" ({schema['format']})"
        if is_input and "default" in schema:
            bounds += f" = {schema['default']}"
        return text + bounds

    def _object(self, schema: Any, *, is_input: bool) -> dict[str, Any]:
        required = schema.get("required", [])
        fields = {
            _name(name, name in required): self._schema(each, is_input=is_input)
            for name, each in sorted(schema.get("properties", {}).items())
        }
        others = schema.get("additionalProperties", not fields)
        if others is not False:
            fields["*"] = "any" if others is True else self._schema(others, is_input=is_input)
        for word in ("anyOf", "oneOf"):
            if word in schema:  # one of several fields is required
                fields[word] = [" and ".join(each["required"]) for each in schema[word]]
        return fields

    @staticmethod
    def _bounds(schema: Any) -> str:
        for (low, high), unit in BOUNDS.items():
            if low in schema or high in schema:
                return f" {schema.get(low, '')}..{schema.get(high, '')}{unit}"
        return ""


def _name(name: str, is_required: Any) -> str:
    return name if is_required else f"{name}?"


def readable(value: Any, indent: int = 0, before: str = "") -> str:
    """Format JSON with as much on each line as fits."""
    short = before + json.dumps(value, ensure_ascii=False)
    if len(short) + 2 * indent <= WIDTH or not isinstance(value, dict | list):
        return short
    if isinstance(value, dict):
        parts = [readable(each, indent + 1, f'"{name}": ') for name, each in value.items()]
    else:
        parts = [readable(each, indent + 1) for each in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    inner = "\n" + "  " * (indent + 1)
    return before + left + inner + f",{inner}".join(parts) + "\n" + "  " * indent + right
