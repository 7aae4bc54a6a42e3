"""Events: the activity of a task, and the audit log."""

from marshmallow import Schema, fields

from taskapi.models.event import ACTIONS
from taskapi.schemas.fields import Id, OneOf, PageQuery, Time


class AuditQuery(PageQuery):
    actor = Id(metadata={"description": "Events caused by this user."})
    action = fields.String(
        validate=OneOf(ACTIONS), metadata={"description": "Events of this kind."}
    )
    since = Time(metadata={"description": "Events at this time or later."})


class ActivitySchema(Schema):
    at = Time()
    actor = Id(attribute="actor_id", allow_none=True)
    action = fields.String(validate=OneOf(ACTIONS))
    changes = fields.Dict(metadata={"example": {"status": ["todo", "done"]}})
    request_id = fields.String(allow_none=True)


class AuditSchema(ActivitySchema):
    id = Id()
    user_id = Id(allow_none=True)
    task_id = Id(allow_none=True)
    project_id = Id(allow_none=True)
    address = fields.String(allow_none=True, metadata={"example": "192.0.2.7"})
