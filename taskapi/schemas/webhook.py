"""Webhooks as they come in."""

from typing import Any

from marshmallow import ValidationError, fields

from taskapi.config import settings
from taskapi.models.delivery import STATUSES
from taskapi.models.event import WEBHOOK_EVENTS, WEBHOOK_TEST
from taskapi.schemas.fields import Choice, Fields, PageQuery, Text, Truth
from taskapi.worker.addresses import BadUrl, check_url


class Url(Text):
    """Where to send to: https, and not into our own network."""

    def __init__(self, **more: Any):
        super().__init__(2000, **more)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        url: str = super()._deserialize(value)
        config = settings()
        try:
            check_url(
                url,
                is_production=config.is_production,
                allows_private=config.webhook_allow_private,
            )
        except BadUrl as error:
            raise ValidationError(str(error)) from None
        return url


class EventNames(fields.Field[list[str]]):
    """Which events to tell of, each once."""

    name_of_one = Choice(WEBHOOK_EVENTS)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or not value:
            raise ValidationError("Must be a list of at least one event.")
        given = {self.name_of_one.deserialize(each) for each in value}
        return [name for name in WEBHOOK_EVENTS if name in given]


class WebhookFields(Fields):
    url = Url(required=True)
    events = EventNames()
    is_active = Truth()


class DeliveryQuery(PageQuery):
    status = Choice(STATUSES)
    event = Choice((*WEBHOOK_EVENTS, WEBHOOK_TEST))
