"""Webhooks and their deliveries."""

from typing import Any

from marshmallow import Schema, fields, validate

from taskapi.models.delivery import STATUSES, message_id
from taskapi.models.event import WEBHOOK_EVENTS, WEBHOOK_TEST
from taskapi.schemas.fields import (
    Boolean,
    Count,
    Id,
    OneOf,
    PageQuery,
    RequestSchema,
    Time,
    one_line,
    trim,
)
from taskapi.worker.addresses import check_url

DELIVERED = OneOf((*WEBHOOK_EVENTS, WEBHOOK_TEST))


class WebhookSchema(RequestSchema):
    id = Id(dump_only=True)
    url = fields.String(
        required=True,
        pre_load=trim,
        validate=[*one_line(2000), check_url],
        metadata={
            "format": "uri",
            "pattern": "^https?://",
            "example": "https://example.org/tasks-happened",
        },
    )
    events = fields.List(
        fields.String(validate=OneOf(WEBHOOK_EVENTS)),
        validate=validate.Length(1),
        post_load=lambda given: [name for name in WEBHOOK_EVENTS if name in given],
        metadata={"description": "The events to send; all of them by default."},
    )
    is_active = Boolean()
    failing_since = Time(dump_only=True, allow_none=True)
    created_at = Time(dump_only=True)
    updated_at = Time(dump_only=True)


class WebhookSecretSchema(WebhookSchema):
    secret = fields.String(dump_only=True, metadata={"example": "whsec_…"})


class DeliveryQuery(PageQuery):
    status = fields.String(
        validate=OneOf(STATUSES), metadata={"description": "Deliveries of this status."}
    )
    event = fields.String(validate=DELIVERED, metadata={"description": "Deliveries of this event."})


class DeliverySchema(Schema):
    id = Id()
    event = fields.String(validate=DELIVERED)
    message_id = fields.String(metadata={"example": "msg_7_1204"})
    status = fields.String(validate=OneOf(STATUSES))
    attempts = Count(1)
    status_code = fields.Integer(
        validate=validate.Range(100, 999), allow_none=True, metadata={"example": 204}
    )
    error = fields.String(allow_none=True)
    created_at = Time()
    last_attempt_at = Time(allow_none=True)
    next_attempt_at = Time(allow_none=True)
    delivered_at = Time(allow_none=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        if attr == "message_id":
            return message_id(obj.webhook_id, obj.event_id)
        return super().get_attribute(obj, attr, default)
