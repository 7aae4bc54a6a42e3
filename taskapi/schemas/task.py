"""Tasks and the parameters of their lists."""

import zoneinfo
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from taskapi.models.task import PRIORITIES, STATUSES
from taskapi.models.task_list import LISTING
from taskapi.schemas.fields import (
    MAX_ID,
    OPTIONAL,
    Boolean,
    Count,
    FullMatch,
    Id,
    OneOf,
    PageQuery,
    QuerySchema,
    RequestSchema,
    SearchText,
    SortBy,
    Time,
    multi_line,
    one_line,
    trim,
)

MAX_TAGS = 20


class Tag(fields.String):
    def __init__(self, **more: Any):
        example = {"example": "docs"}
        super().__init__(
            pre_load=trim, validate=one_line(50, without=","), metadata=example, **more
        )


def _unique(tags: list[str]) -> list[str]:
    """Remove duplicates case-insensitively, and sort."""
    first_spelling: dict[str, str] = {}
    for tag in tags:
        first_spelling.setdefault(tag.casefold(), tag)
    if len(first_spelling) > MAX_TAGS:
        raise ValidationError(f"Must not have more than {MAX_TAGS} tags.")
    return [first_spelling[key] for key in sorted(first_spelling)]


class TaskSchema(RequestSchema):
    id = Id(dump_only=True)
    user_id = Id(metadata={"description": "The owner. Only an admin may set it."})
    project_id = Id(metadata={"description": "The project; by default the owner's Inbox."})
    assignee_id = Id(
        allow_none=True, metadata={"description": "An active member of the project, or null."}
    )
    title = fields.String(
        required=True,
        pre_load=trim,
        validate=one_line(200),
        metadata={"example": "Write the README"},
    )
    description = fields.String(
        allow_none=True,
        validate=multi_line(10_000, 0),
        post_load=lambda text: text or None,
        metadata={"example": "Describe installation and first use."},
    )
    status = fields.String(validate=OneOf(STATUSES))
    priority = fields.String(validate=OneOf(PRIORITIES))
    due_at = Time(allow_none=True)
    tags = fields.List(Tag(), post_load=_unique, metadata={"maxItems": MAX_TAGS})
    completed_at = Time(dump_only=True, allow_none=True)
    created_at = Time(dump_only=True)
    updated_at = Time(dump_only=True)
    version = Id(dump_only=True, metadata={"example": 1})
    deleted_at = Time(dump_only=True, metadata=OPTIONAL)


def _assignee(value: str) -> str | int:
    if value in ("me", "none"):
        return value
    if int(value) > MAX_ID:
        raise ValidationError(_BAD_ASSIGNEE)
    return int(value)


_BAD_ASSIGNEE = "Must be the id of a user, 'me' or 'none'."


class TaskFilters(QuerySchema):
    project_id = Id(
        metadata={"description": "Tasks of this project; archived ones are left out without it."}
    )
    assignee_id = fields.String(
        validate=FullMatch("^(me|none|[1-9][0-9]{0,18})$", error=_BAD_ASSIGNEE),
        post_load=_assignee,
        metadata={"description": "Tasks assigned to this user, to me or to none.", "example": "me"},
    )
    status = fields.List(
        fields.String(validate=OneOf(STATUSES)),
        metadata={"description": "Tasks of any of these statuses."},
    )
    priority = fields.List(
        fields.String(validate=OneOf(PRIORITIES)),
        metadata={"description": "Tasks of any of these priorities."},
    )
    tag = fields.List(Tag(), metadata={"description": "Tasks with any of these tags."})
    q = SearchText("Text in the title or the description, in any case.")
    due_before = Time(metadata={"description": "Tasks that are due before this time."})
    due_after = Time(metadata={"description": "Tasks that are due at this time or later."})
    overdue = Boolean(metadata={"description": "Tasks that are past due and not done, or not."})
    created_since = Time(metadata={"description": "Tasks created at this time or later."})
    updated_since = Time(metadata={"description": "Tasks changed at this time or later."})
    completed_since = Time(metadata={"description": "Tasks completed at this time or later."})
    user_id = Id(metadata={"description": "Tasks of this user. Only an admin may set it."})
    deleted = Boolean(metadata={"description": "Tasks in the trash instead of the live ones."})


class TaskQuery(TaskFilters, PageQuery):
    sort_by = SortBy(LISTING.sorts, "-created_at")


class ExportQuery(TaskFilters):
    format = fields.String(
        validate=OneOf(("json", "csv")),
        load_default="json",
        metadata={"description": "The format of the file."},
    )


class ImportQuery(QuerySchema):
    project_id = Id(metadata={"description": "The project; by default the caller's Inbox."})
    dry_run = Boolean(
        load_default=False, metadata={"description": "Check the file without importing it."}
    )


@cache
def _time_zones() -> list[str]:
    # These two are files of the system, not places.
    return sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})


def _check_time_zone(name: str) -> None:
    if name not in _time_zones():
        raise ValidationError("Must be an IANA time zone such as Europe/Berlin.")


class StatsQuery(QuerySchema):
    project_id = Id(metadata={"description": "Only tasks of this project."})
    tz = fields.String(
        load_default="UTC",
        validate=_check_time_zone,
        metadata={
            "description": "The time zone of the days: an IANA name such as Europe/Berlin.",
            "format": "iana-time-zone",
            # Read from disk only when the document is generated.
            # Not by re.escape(), because `\-` is an error in patterns of JavaScript.
            "pattern": lambda: f"^({'|'.join(_time_zones())})$".replace("+", r"\+"),
            "example": "Europe/Berlin",
        },
    )


class BulkCreateSchema(RequestSchema):
    op = fields.String(validate=OneOf(("create",)), required=True)
    data = fields.Dict(required=True, metadata={"schemas": [TaskSchema()]})


class BulkUpdateSchema(RequestSchema):
    op = fields.String(validate=OneOf(("update",)), required=True)
    id = Id(required=True)
    version = Id(metadata={"example": 1})
    data = fields.Dict(required=True, metadata={"schemas": [TaskSchema(partial=True)]})


class BulkDeleteSchema(RequestSchema):
    op = fields.String(validate=OneOf(("delete",)), required=True)
    id = Id(required=True)
    version = Id(metadata={"example": 1})


BULK_OPERATIONS = (BulkCreateSchema(), BulkUpdateSchema(), BulkDeleteSchema())


class BulkSchema(RequestSchema):
    # Operations are validated one after another; the first error is reported.
    operations = fields.List(
        fields.Raw(
            allow_none=True,
            metadata={"schemas": BULK_OPERATIONS},
        ),
        required=True,
        validate=validate.Length(1, 100),
    )


class BulkResultsSchema(Schema):
    results = fields.List(
        fields.Nested(TaskSchema, allow_none=True),
        metadata={"description": "The tasks in the order of the operations; null if deleted."},
    )


class ImportResultSchema(Schema):
    created = Count()
    dry_run = Boolean(metadata=OPTIONAL)
    would_create = Count(metadata=OPTIONAL)


def _counts(words: tuple[str, ...], name: str) -> fields.Nested:
    return fields.Nested(Schema.from_dict({word: Count() for word in words}, name=name))


class DayCountSchema(Schema):
    date = fields.Date(metadata={"example": "2026-12-01"})
    count = Count()


class StatsSchema(Schema):
    total = Count(9)
    by_status = _counts(STATUSES, "CountsByStatus")
    by_priority = _counts(PRIORITIES, "CountsByPriority")
    overdue = Count(1)
    due_today = Count(2)
    done_per_day = fields.List(fields.Nested(DayCountSchema))
    tz = fields.String(metadata={"example": "Europe/Berlin"})
