"""Strict JSON: UTF-8, no duplicate names, NaN, Infinity, NUL or lone surrogates."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from taskapi.errors import ApiError, Invalid

FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\n\r]*")


def parse_json(raw: bytes) -> Any:
    with _decoding():
        text = raw.decode("utf-8")
        value = _DECODER.decode(text)
    if "\\u" in text:
        _refuse_forbidden(value)
    return value


def items_of(text: str) -> Iterator[Any]:
    """Yield the items of an array one by one, to save memory."""
    with _decoding():
        place = _after_space(text, 0)
        if not text.startswith("[", place):
            _DECODER.decode(text)  # malformed, or not an array
            raise Invalid({"body": ["Must be a JSON array of tasks."]})
        place = _after_space(text, place + 1)
        has_more = not text.startswith("]", place)
        number = 0
        while has_more:
            start = place
            number += 1
            value, place = _DECODER.raw_decode(text, start)
            if text.find("\\u", start, place) >= 0:
                _refuse_forbidden(value, row=number)
            yield value
            place = _after_space(text, place)
            has_more = text.startswith(",", place)
            if has_more:
                place = _after_space(text, place + 1)
        if not text.startswith("]", place):
            raise json.JSONDecodeError("", text, place)
        if _after_space(text, place + 1) != len(text):
            raise json.JSONDecodeError("", text, place + 1)


def malformed(message: str) -> ApiError:
    return ApiError(message, code="MALFORMED_JSON")


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found is not None
    return found.end()


@contextmanager
def _decoding() -> Iterator[None]:
    """Turn the errors of the decoder into ours."""
    try:
        yield
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise malformed("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise _invalid(f" (line {error.lineno}, column {error.colno})") from None
    except ValueError:  # more digits than int() accepts
        raise _invalid(": a number is too large") from None


def _invalid(reason: str) -> ApiError:
    return malformed(f"The body is not valid JSON{reason}.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _invalid(": duplicate name in an object")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise _invalid(f": {word} is not a number")


def _finite(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise _invalid(": a number is too large")
    return number


def _refuse_forbidden(value: Any, **place: int) -> None:
    """Raise Invalid for text that a database cannot store."""
    path = _path_of_forbidden(value)
    if path is not None:
        fault = "Must not contain NUL or lone surrogates."
        raise Invalid({".".join(path) or "body": [fault]}, **place)


def _path_of_forbidden(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [] if FORBIDDEN.search(value) else None
    if isinstance(value, list):
        value = dict(enumerate(value))
    for name, each in value.items() if isinstance(value, dict) else ():
        if isinstance(name, str) and FORBIDDEN.search(name):
            return []  # such a name cannot be printed
        path = _path_of_forbidden(each)
        if path is not None:
            return [str(name), *path]
    return None


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, parse_float=_finite
)
