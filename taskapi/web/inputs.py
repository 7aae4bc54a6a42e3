"""What comes in: strict JSON, forms and query strings, checked by a schema."""

import json
import re
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from flask import request
from marshmallow import Schema, fields

from taskapi.errors import ApiError, Invalid, TooLarge, UnsupportedMediaType
from taskapi.schemas.fields import load

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"
BODY_LIMIT = 1024 * 1024

_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def read_body(accepts: tuple[str, ...], limit: int) -> bytes:
    """The body, once its size and type are what they may be."""
    request.max_content_length = limit
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"The body may have at most {limit} bytes.")
    raw = request.get_data(cache=True)
    if raw and request.mimetype not in accepts:
        raise UnsupportedMediaType(f"Send the body as {' or '.join(accepts)}.")
    return raw


def parse_json(raw: bytes) -> Any:
    """Strict JSON: UTF-8, no name twice, no NaN or Infinity, no NUL or lone surrogate."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_without_doubles,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if "\\u" in text:
            _refuse_forbidden(value)
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise malformed("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise malformed(f"The body is not valid JSON ({place}).") from None
    except ValueError as error:
        reason = str(error) if isinstance(error, _Refused) else "a number is too large"
        raise malformed(f"The body is not valid JSON: {reason}.") from None
    return value


def malformed(message: str) -> ApiError:
    return ApiError(message, code="MALFORMED_JSON")


def parse_object(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise malformed("The body is empty; send a JSON object.")
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise Invalid({"body": ["Must be a JSON object."]})
    return value


def load_form(schema: Schema, raw: bytes) -> dict[str, Any]:
    values = _pairs(raw)
    doubles = [name for name, given in values.items() if len(given) > 1]
    if doubles:
        raise Invalid({name: ["Was given more than once."] for name in doubles})
    return load(schema, {name: given[0] for name, given in values.items()})


def load_query(schema: Schema) -> dict[str, Any]:
    return dict(_load_query(schema, request.query_string))


@lru_cache(maxsize=1024)
def _load_query(schema: Schema, raw: bytes) -> dict[str, Any]:
    """The same words always mean the same, so that a list that is polled is parsed once."""
    values: dict[str, Any] = {}
    doubles = {}
    for name, given in _pairs(raw).items():
        if isinstance(schema.fields.get(name), fields.List):
            values[name] = given
        elif len(given) > 1:
            doubles[name] = ["Was given more than once."]
        else:
            values[name] = given[0]
    if doubles:
        raise Invalid(doubles)
    return load(schema, values)


def _pairs(raw: bytes) -> dict[str, list[str]]:
    """A query string's or form's values by name; what is not UTF-8 or has a NUL is refused."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200
        )
    except ValueError:
        raise ApiError("The parameters cannot be decoded as UTF-8.") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise ApiError("A parameter contains a NUL character.")
        values.setdefault(name, []).append(value)
    return values


class _Refused(ValueError):
    pass


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Refused("a name stands twice in one object")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise _Refused(f"{word} is not a number")


def _finite(word: str) -> float:
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise _Refused("a number is too large")
    return number


def _refuse_forbidden(value: Any) -> None:
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            raise _Refused("NUL and lone surrogates are not text")
    elif isinstance(value, list):
        for inner in value:
            _refuse_forbidden(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _refuse_forbidden(name)
            _refuse_forbidden(inner)
