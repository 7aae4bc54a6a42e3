"""Base schemas, and fields and validators that marshmallow does not have."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from taskapi.db import canonical
from taskapi.errors import Invalid
from taskapi.paging import MAX_SKIP

MAX_ID = 2**63 - 1
OPTIONAL = {"optional": True}  # metadata of fields that not every response has
MAX_NAMES = 200  # of a body or a list, checked before its items

# Our names and values, and what similar APIs call them.
_FIELDS = {
    "status": ("is_complete", "is_completed", "complete", "completed", "done", "state"),
    "role": ("is_admin", "is_superuser"),
    "user_id": ("owner", "owner_id"),
    "due_at": ("due", "due_date", "deadline"),
    "title": ("name",),
    "tags": ("labels",),
    "skip": ("offset", "page"),
    "limit": ("per_page", "page_size"),
    "sort_by": ("order_by", "sort"),
    "q": ("search",),
    "refresh_token": ("refresh",),
    "username": ("full_name",),
}
_VALUES = {
    "todo": ("pending", "open", "new"),
    "in_progress": ("in-progress", "in progress", "inprogress", "doing", "started"),
    "done": ("complete", "completed", "closed", "finished"),
    "medium": ("normal",),
    "high": ("urgent", "critical"),
    "admin": ("is_admin", "superuser", "administrator"),
    "user": ("member",),
}
FIELD_SYNONYMS = {theirs: ours for ours, names in _FIELDS.items() for theirs in names}
VALUE_SYNONYMS = {theirs: ours for ours, names in _VALUES.items() for theirs in names}

# In the syntax that Python, JSON Schema and JavaScript share.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_CONTROL_BUT_LINES = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
_SPACES = "".join(c for c in map(chr, range(0x3001)) if unicodedata.category(c) == "Zs")
_RFC3339 = (
    r"^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)


class RequestSchema(Schema):
    """A schema that rejects unknown fields, with a hint for names of similar APIs."""

    class Meta:
        unknown = RAISE

    kind = "field"
    # Additional JSON Schema for the document.
    json_schema: ClassVar[Mapping[str, Any]] = {}
    # For names of similar APIs whose counterpart is not a field here.
    hints: ClassVar[Mapping[str, str]] = {}

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        messages: Any = error.messages
        for name, given in messages.items():
            if given == ["Unknown field."]:
                known = FIELD_SYNONYMS.get(name, "")
                hint = f" Use '{known}'." if known in self.fields else self.hints.get(known, "")
                messages[name] = [f"Unknown {self.kind} '{name[:50]}'.{hint}"]


class QuerySchema(RequestSchema):
    """The parameters of a query string."""

    kind = "parameter"

    @pre_load
    def _parse(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: _parsed(self.fields.get(name), value) for name, value in data.items()}


def _parsed(field: Any, value: Any) -> Any:
    if isinstance(field, fields.Integer) and value.isascii() and value.isdigit():
        return int(value) if len(value) <= 19 else MAX_ID + 1
    if isinstance(field, fields.Boolean):
        return {"true": True, "false": False}.get(value, value)
    return value


def load(schema: Schema, value: Any, **place: int) -> dict[str, Any]:
    """Load the value by the schema, or raise Invalid with the messages for each field."""
    for name, inner in {"body": value, **(value if isinstance(value, dict) else {})}.items():
        if isinstance(inner, dict | list) and len(inner) > MAX_NAMES:
            raise Invalid({name: [f"Must not have more than {MAX_NAMES} entries."]}, **place)
    try:
        loaded: dict[str, Any] = schema.load(value)
    except ValidationError as error:
        messages: Any = error.messages
        faults = {
            "body" if name in ("_schema", "") else name: list(dict.fromkeys(_sentences(inner)))
            for name, inner in messages.items()
        }
        raise Invalid(faults, **place) from None
    return loaded


def _sentences(messages: Any) -> Iterable[str]:
    """Flatten the messages of a field; those of a list are a dict by index."""
    if isinstance(messages, dict):
        return [text for inner in messages.values() for text in _sentences(inner)]
    return messages  # type: ignore[no-any-return]


def trim(value: Any) -> Any:
    """Strip white space, but not control characters, which are rejected."""
    return value.strip(_SPACES) if isinstance(value, str) else value


def trim_lines(value: Any) -> Any:
    """Strip white space and empty lines."""
    return value.strip(_SPACES + "\t\n\r") if isinstance(value, str) else value


def one_line(max_length: int, min_length: int = 1, without: str = "") -> list[validate.Validator]:
    """Return validators of trimmed text without control characters."""
    error = "Must not contain control characters" + (f" or '{without}'." if without else ".")
    return _text(max_length, min_length, f"{_CONTROL}{without}", error)


def multi_line(max_length: int, min_length: int = 1) -> list[validate.Validator]:
    """Return validators of text with no control characters except line breaks and tabs."""
    error = "Must not contain control characters other than line breaks and tabs."
    return _text(max_length, min_length, _CONTROL_BUT_LINES, error)


def _text(max_length: int, min_length: int, forbidden: str, error: str) -> list[validate.Validator]:
    text = f"[^{forbidden}]*"
    # Blank text is too short once it is trimmed; the document says so of text as it is sent.
    documented = rf"^{text}[^{forbidden} \u00a0\t\n\r]{text}$" if min_length else None
    pattern = FullMatch(f"^{text}$", error=error, documented=documented)
    return [validate.Length(min_length, max_length), pattern]


class FullMatch(validate.Regexp):
    """A pattern for the whole text: Python's `$` also matches before a line break at the end."""

    def __init__(self, pattern: str, *, error: str = "Invalid.", documented: str | None = None):
        super().__init__(documented or pattern, error=error)
        self._pattern = re.compile(pattern)

    def __call__(self, value: Any) -> Any:
        if not self._pattern.fullmatch(value):
            raise ValidationError(self.error)
        return value


class OneOf(validate.OneOf):
    """Validate one of several values, with a hint for values of similar APIs."""

    def __call__(self, value: Any) -> Any:
        if value in self.choices:
            return value
        known = VALUE_SYNONYMS.get(value.lower())
        hint = f" Use '{known}'." if known in self.choices else ""
        choices = ", ".join(str(choice) for choice in self.choices)
        raise ValidationError(f"Must be one of: {choices}.{hint}")


class SearchText(fields.String):
    def __init__(self, about: str):
        super().__init__(pre_load=trim, validate=one_line(200, 0), metadata={"description": about})


class Id(fields.Integer):
    """A positive 64-bit integer."""

    def __init__(self, **more: Any):
        metadata = {"format": "int64", "example": 7, **more.pop("metadata", {})}
        limits = validate.Range(1, MAX_ID)
        super().__init__(strict=True, validate=limits, metadata=metadata, **more)


class Count(fields.Integer):
    """A count in a response."""

    def __init__(self, example: int = 3, **more: Any):
        metadata = {"format": "int64", "example": example, **more.pop("metadata", {})}
        super().__init__(validate=validate.Range(0, MAX_ID), metadata=metadata, **more)


class Boolean(fields.Boolean):
    """true or false; marshmallow's own field also accepts 1 and 0."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise self.make_error("invalid", input=value)


class Time(fields.String):
    """An RFC 3339 time with an offset, loaded in the format of the API."""

    def __init__(self, **more: Any):
        example = {"format": "date-time", "example": "2026-12-01T09:00:00.000000Z"}
        super().__init__(
            validate=FullMatch(_RFC3339, error=_BAD_TIME),
            post_load=_in_utc,
            metadata=example | more.pop("metadata", {}),
            **more,
        )


_BAD_TIME = (
    "Must be an RFC 3339 time with an offset, such as 2026-12-01T09:00:00+01:00, "
    "in the years 1900 to 2999."
)


def _in_utc(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError(_BAD_TIME) from None
    if not 1900 <= moment.year <= 2999:
        raise ValidationError(_BAD_TIME)
    return canonical(moment)


class SortBy(fields.String):
    """Comma-separated keys, `-` for descending, loaded as `((name, is_descending), …)`."""

    def __init__(self, keys: Mapping[str, Any], default: str):
        self.keys = ("id", *keys)
        key = f"-?({'|'.join(self.keys)})"
        super().__init__(
            load_default=lambda: self._split(default),
            post_load=self._split,
            metadata={
                # The look-ahead rejects duplicate keys.
                "pattern": rf"^(?!.*\b(\w+)\b.*\b\1\b){key}(,{key})*$",
                "default": default,
                "description": f"One or several of {', '.join(self.keys)}, comma-separated; "
                "`-` for descending.",
            },
        )

    def _split(self, text: str) -> tuple[tuple[str, bool], ...]:
        order: dict[str, bool] = {}
        for part in text.split(","):
            name = part.removeprefix("-")
            if name not in self.keys:
                raise ValidationError(
                    f"Unknown sort key '{name[:50]}'. Use {', '.join(self.keys)}."
                )
            if name in order:
                raise ValidationError(f"Duplicate sort key '{name}'.")
            order[name] = part.startswith("-")
        return tuple(order.items())


class PageQuery(QuerySchema):
    """The parameters of every list."""

    limit = fields.Integer(
        strict=True,
        validate=validate.Range(1, 100),
        load_default=20,
        metadata={"description": "The maximum number of items in a page."},
    )
    skip = fields.Integer(
        strict=True,
        validate=validate.Range(0, MAX_SKIP),
        metadata={
            "description": "The number of items to skip. Cannot be combined with `cursor`.",
            "example": 0,
        },
    )
    cursor = fields.String(
        validate=validate.Length(0, 5000),
        metadata={
            "description": "The `next_cursor` of the page before, with the same filters and order; "
            "empty for the first page. Cannot be combined with `skip`.",
            "format": "cursor",
            "example": "",
        },
    )


class PageSchema(Schema):
    """A page of any list."""

    items = fields.Raw()
    total = Count(1, allow_none=True, metadata={"description": "Null in pages by cursor."})
    skip = Count(0, allow_none=True, metadata={"description": "Null in pages by cursor."})
    limit = fields.Integer(validate=validate.Range(1, 100), metadata={"example": 20})
    next_cursor = fields.String(
        allow_none=True, metadata={"description": "Null on the last page.", "example": None}
    )
