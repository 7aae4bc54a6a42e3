"""Tasks as they come in."""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError, fields, validate

from taskapi.models.task import LISTING, PRIORITIES, STATUSES
from taskapi.schemas.fields import (
    BIGGEST_ID,
    Choice,
    Digits,
    Fields,
    Flag,
    Number,
    PageQuery,
    Parameters,
    SortBy,
    Text,
    Time,
)


class Description(Text):
    """Text of several lines, kept as it is; empty is the same as none."""

    def __init__(self, **more: Any):
        super().__init__(
            10_000, shortest=0, has_lines=True, is_trimmed=False, allow_none=True, **more
        )

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value) or None


class Tag(Text):
    """A name without commas."""

    def __init__(self, **more: Any):
        super().__init__(50, **more)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        name: str = super()._deserialize(value)
        if "," in name:
            raise ValidationError("A tag must not contain a comma.")
        return name


class Tags(fields.Field[list[str]]):
    """Tags without doubles by any case, in the order of their casefolded spelling."""

    tag = Tag()

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValidationError("Must be a list of names.")
        first_spelling: dict[str, str] = {}
        for each in value:
            name: Any = self.tag.deserialize(each)
            first_spelling.setdefault(name.casefold(), name)
        if len(first_spelling) > 20:
            raise ValidationError("At most 20 tags.")
        return [first_spelling[key] for key in sorted(first_spelling)]


class TimeZone(fields.Field[str]):
    """An IANA name."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValidationError("Must be a time zone such as Europe/Berlin.") from None


class TaskFields(Fields):
    title = Text(200, required=True, metadata={"example": "Write the README"})
    description = Description()
    status = Choice(STATUSES)
    priority = Choice(PRIORITIES)
    due_at = Time(allow_none=True)
    tags = Tags()
    user_id = Number(1, BIGGEST_ID)


class Filters(Parameters):
    status = fields.List(Choice(STATUSES))
    priority = fields.List(Choice(PRIORITIES))
    tag = fields.List(Tag())
    q = Text(200, shortest=0)
    due_before = Time()
    due_after = Time()
    overdue = Flag()
    created_since = Time()
    updated_since = Time()
    completed_since = Time()
    user_id = Digits(1, BIGGEST_ID)
    deleted = Flag()


class TaskQuery(Filters, PageQuery):
    sort_by = SortBy(LISTING.sorts, "-created_at")


class ExportQuery(Filters):
    format = Choice(("json", "csv"), load_default="json")


class ImportQuery(Parameters):
    dry_run = Flag(load_default=False)


class StatsQuery(Parameters):
    tz = TimeZone(load_default="UTC")


class BulkCreate(Fields):
    op = Choice(("create",), required=True)
    data = fields.Dict(required=True, metadata={"schema": TaskFields()})


class BulkUpdate(Fields):
    op = Choice(("update",), required=True)
    id = Number(1, BIGGEST_ID, required=True)
    version = Number(1, BIGGEST_ID)
    data = fields.Dict(required=True, metadata={"schema": TaskFields(partial=True)})


class BulkDelete(Fields):
    op = Choice(("delete",), required=True)
    id = Number(1, BIGGEST_ID, required=True)
    version = Number(1, BIGGEST_ID)


class Bulk(Fields):
    operations = fields.List(
        fields.Raw(allow_none=True),  # each is checked in its turn: the first that fails counts
        required=True,
        metadata={"one_of": (BulkCreate(), BulkUpdate(), BulkDelete())},
        validate=validate.Length(1, 100, error="Must be 1 to 100 operations."),
    )
