"""Comments on tasks."""

from marshmallow import fields

from taskapi.schemas.fields import Id, RequestSchema, Time, multi_line, trim_lines


class CommentSchema(RequestSchema):
    id = Id(dump_only=True)
    task_id = Id(dump_only=True)
    user_id = Id(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The author; null where the account was deleted."},
    )
    username = fields.String(dump_only=True, allow_none=True, metadata={"example": "ana"})
    text = fields.String(
        required=True,
        pre_load=trim_lines,
        validate=multi_line(5000),
        metadata={"example": "Looks good."},
    )
    created_at = Time(dump_only=True)
    updated_at = Time(dump_only=True)
    version = Id(dump_only=True, metadata={"example": 1})
