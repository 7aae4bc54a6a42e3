"""Jobs."""

from typing import Any

from marshmallow import Schema, fields

from taskapi.models.job import KINDS, STATUSES
from taskapi.schemas.fields import Count, Id, OneOf, PageQuery, Time


class JobQuery(PageQuery):
    status = fields.String(
        validate=OneOf(STATUSES), metadata={"description": "Jobs of this status."}
    )


class ProgressSchema(Schema):
    done = Count(500)
    total = Count(2000, allow_none=True)


class JobSchema(Schema):
    id = Id()
    kind = fields.String(validate=OneOf(KINDS))
    status = fields.String(validate=OneOf(STATUSES))
    progress = fields.Nested(ProgressSchema)
    result = fields.Dict(allow_none=True, metadata={"example": {"created": 2000}})
    error = fields.Dict(allow_none=True, metadata={"example": None})
    created_at = Time()
    finished_at = Time(allow_none=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj if attr == "progress" else super().get_attribute(obj, attr, default)
