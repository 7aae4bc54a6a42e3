"""The kinds of values that come in: strict, trimmed, and with our own words for what is wrong."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from taskapi.db import canonical
from taskapi.errors import Invalid
from taskapi.paging import MAX_SKIP

BIGGEST_ID = 2**63 - 1
MOST_NAMES = 200  # far beyond any schema; to name each of thousands would take its time

# What similar systems call it, and what it is called here.
OUR_NAMES = {
    "is_complete": "status",
    "is_completed": "status",
    "complete": "status",
    "completed": "status",
    "done": "status",
    "state": "status",
    "is_admin": "role",
    "is_superuser": "role",
    "owner": "user_id",
    "owner_id": "user_id",
    "due": "due_at",
    "due_date": "due_at",
    "deadline": "due_at",
    "name": "title",
    "labels": "tags",
    "offset": "skip",
    "page": "skip",
    "per_page": "limit",
    "page_size": "limit",
    "order_by": "sort_by",
    "sort": "sort_by",
    "search": "q",
    "refresh": "refresh_token",
    "full_name": "username",
}
OUR_WORDS = {
    "pending": "todo",
    "open": "todo",
    "new": "todo",
    "in-progress": "in_progress",
    "in progress": "in_progress",
    "inprogress": "in_progress",
    "doing": "in_progress",
    "started": "in_progress",
    "complete": "done",
    "completed": "done",
    "closed": "done",
    "finished": "done",
    "normal": "medium",
    "urgent": "high",
    "critical": "high",
    "is_admin": "admin",
    "superuser": "admin",
    "administrator": "admin",
    "member": "user",
}

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Fields(Schema):
    """A schema that refuses what it does not know, with our word for it where we have one."""

    class Meta:
        unknown = RAISE

    kind = "field"
    shape: ClassVar[Mapping[str, Any]] = {}  # what its JSON Schema says beyond the fields

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        if not isinstance(error.messages, dict):
            return
        for name, messages in error.messages.items():
            if messages == ["Unknown field."]:
                ours = OUR_NAMES.get(str(name))
                hint = f"; here it is '{ours}'" if ours in self.fields else ""
                error.messages[name] = [f"Unknown {self.kind}{hint}."]


class Parameters(Fields):
    """The parameters of a query string."""

    kind = "parameter"


def load(schema: Schema, value: Any, **place: int) -> dict[str, Any]:
    """What the schema makes of the value, or Invalid with our words for each fault."""
    if isinstance(value, dict) and len(value) > MOST_NAMES:
        raise Invalid({"body": [f"Must not have more than {MOST_NAMES} fields."]}, **place)
    try:
        loaded: dict[str, Any] = schema.load(value)
    except ValidationError as error:
        faults = flatten(error.messages)
        if isinstance(schema, Parameters):  # of a repeated one: `status`, not `status.0`
            faults = {name.partition(".")[0]: messages for name, messages in faults.items()}
        raise Invalid(faults, **place) from None
    return loaded


def flatten(messages: Any, prefix: str = "") -> dict[str, list[str]]:
    """Nested faults as `{"tags.0": [sentences]}`."""
    if not isinstance(messages, dict):
        return {prefix or "body": [str(message) for message in messages]}
    faults: dict[str, list[str]] = {}
    for name, inner in messages.items():
        label = "" if name == "_schema" else str(name)
        faults |= flatten(inner, f"{prefix}.{label}".strip("."))
    return faults


def parse_time(text: str) -> str:
    """An RFC 3339 time in canonical form, or ValueError."""
    found = _RFC3339.fullmatch(text)
    if not found:
        raise ValueError("not an RFC 3339 time")
    *numbers, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    micros = int((fraction or "0")[:6].ljust(6, "0"))  # what is finer is cut
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None
    if not 1900 <= moment.year <= 2999:
        raise ValueError("out of range")
    return canonical(moment)


class Text(fields.Field[str]):
    """Text of some length without control characters."""

    def __init__(
        self,
        longest: int,
        *,
        shortest: int = 1,
        has_lines: bool = False,
        is_trimmed: bool = True,
        **more: Any,
    ):
        super().__init__(**more)
        self.shortest, self.longest, self.is_trimmed = shortest, longest, is_trimmed
        self._forbidden = _CONTROL_BUT_LINES if has_lines else _CONTROL

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise ValidationError("Must be text.")
        if self._forbidden.search(value):
            raise ValidationError("Must not contain control characters.")
        text = value.strip() if self.is_trimmed else value
        if not self.shortest <= len(text) <= self.longest:
            raise ValidationError(f"Must have {self.shortest} to {self.longest} characters.")
        return text


class Opaque(fields.String):
    """Text that is taken as it comes: a password, a token."""

    def __init__(self, longest: int, *, shortest: int = 1, **more: Any):
        error = f"Must have {shortest} to {longest} characters."
        length = validate.Length(shortest, longest, error=error)
        super().__init__(validate=length, error_messages={"invalid": "Must be text."}, **more)


class Choice(fields.Field[str]):
    """One of a few words."""

    def __init__(self, choices: tuple[str, ...], **more: Any):
        super().__init__(**more)
        self.choices = choices

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        ours = OUR_WORDS.get(value.lower()) if isinstance(value, str) else None
        hint = f"; for '{value}' say '{ours}'" if ours in self.choices else ""
        raise ValidationError(f"Must be one of {', '.join(self.choices)}{hint}.")


class Time(fields.Field[str]):
    """An RFC 3339 time with an offset."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if isinstance(value, str):
            try:
                return parse_time(value)
            except ValueError:
                pass
        raise ValidationError(
            "Must be an RFC 3339 time with an offset, as in 2026-12-01T09:00:00+01:00, "
            "in the years 1900 to 2999."
        )


class Number(fields.Field[int]):
    """A whole number, from JSON."""

    def __init__(self, low: int, high: int, **more: Any):
        super().__init__(**more)
        self.low, self.high = low, high

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if type(value) is int and self.low <= value <= self.high:
            return value
        raise ValidationError(f"Must be a whole number from {self.low} to {self.high}.")


class Digits(Number):
    """A whole number, from a query string."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        is_number = isinstance(value, str) and value.isascii() and value.isdigit()
        number = int(value) if is_number and len(value) <= 19 else None
        return super()._deserialize(number)


class Flag(fields.Field[bool]):
    """true or false, from a query string."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if value in ("true", "false"):
            return bool(value == "true")
        raise ValidationError("Must be true or false.")


class Truth(fields.Field[bool]):
    """true or false, from JSON."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValidationError("Must be true or false.")


class SortBy(fields.Field[Any]):
    """One or several keys, comma-separated, `-` for descending, as `((name, descending), …)`."""

    def __init__(self, keys: Mapping[str, Any], default: str, **more: Any):
        super().__init__(load_default=lambda: self._deserialize(default), **more)
        self.keys = ("id", *keys)
        self.default = default

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        order: list[tuple[str, bool]] = []
        for part in str(value).split(","):
            name = part.removeprefix("-")
            if name not in self.keys:
                raise ValidationError(f"'{name}' is not one of {', '.join(self.keys)}.")
            if any(name == known for known, _ in order):
                raise ValidationError(f"'{name}' stands here twice.")
            order.append((name, part.startswith("-")))
        return tuple(order)


class PageQuery(Parameters):
    """The parameters of every list."""

    limit = Digits(1, 100, load_default=20)
    skip = Digits(0, MAX_SKIP)
    cursor = Opaque(5000, shortest=0, metadata={"format": "cursor"})
