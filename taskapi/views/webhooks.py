"""Webhooks: be told of changes, by signed messages after Standard Webhooks 1.0."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.db import transaction
from taskapi.models import delivery
from taskapi.models.delivery import delivery_json
from taskapi.models.webhook import LISTING, Webhook, webhook_json
from taskapi.paging import answer_page, filters_of
from taskapi.responses import json_response
from taskapi.schemas.fields import PageQuery
from taskapi.schemas.webhook import (
    DeliveryQuery,
    DeliverySchema,
    WebhookSchema,
    WebhookSecretSchema,
)

webhooks = Api("webhooks", __name__, url_prefix="/api/v1/webhooks")

SECRET = {"Cache-Control": "no-store"}
ONE = "/<id:webhook_id>"
OFF = {409: "When the webhook is turned off."}


@webhooks.get("", who="user", query=PageQuery(), is_page=True, returns=WebhookSchema())
def list_webhooks(caller: Caller, query: dict[str, Any]) -> Response:
    """One's own webhooks."""
    return answer_page(LISTING, query, {"user_id": caller.id}, webhook_json)


@webhooks.post(
    "",
    who="user",
    body=WebhookSchema(),
    status=201,
    returns=WebhookSecretSchema(),
    headers={"Location": "Where the webhook is."},
    errors={409: "When there are too many webhooks already."},
)
def add_webhook(caller: Caller, body: dict[str, Any]) -> Response:
    """Make a webhook; the secret that signs its messages is shown this once."""
    made, secret = Webhook.create(caller.id, token_id=caller.token_id, **body)
    location = {"Location": f"/api/v1/webhooks/{made.id}"}
    return json_response({**webhook_json(made), "secret": secret}, 201, SECRET | location)


@webhooks.get(ONE, who="user", returns=WebhookSchema())
def get_webhook(caller: Caller, webhook_id: int) -> dict[str, Any]:
    """One webhook."""
    return webhook_json(Webhook.of_user(caller.id, webhook_id))


@webhooks.patch(ONE, who="user", body=WebhookSchema(partial=True), returns=WebhookSchema())
def update_webhook(caller: Caller, webhook_id: int, body: dict[str, Any]) -> dict[str, Any]:
    """Change where a webhook leads, what it is told of, or whether it is on."""
    with transaction():
        webhook = Webhook.of_user(caller.id, webhook_id, lock=True)
        webhook.update(body, caller.token_id)
    return webhook_json(webhook)


@webhooks.delete(ONE, who="user")
def remove_webhook(caller: Caller, webhook_id: int) -> None:
    """Delete a webhook with all its deliveries."""
    with transaction():
        Webhook.of_user(caller.id, webhook_id, lock=True).delete()


@webhooks.post(f"{ONE}/rotate-secret", who="user", returns=WebhookSecretSchema())
def rotate_secret(caller: Caller, webhook_id: int) -> Response:
    """A new secret, shown this once; for a day both sign."""
    with transaction():
        webhook = Webhook.of_user(caller.id, webhook_id, lock=True)
        secret = webhook.rotate_secret()
    return json_response({**webhook_json(webhook), "secret": secret}, 200, SECRET)


@webhooks.post(f"{ONE}/test", who="user", status=202, returns=DeliverySchema(), errors=OFF)
def test_webhook(caller: Caller, webhook_id: int) -> dict[str, Any]:
    """Send a message that says nothing, to see whether it arrives."""
    with transaction():
        return delivery_json(Webhook.of_user(caller.id, webhook_id, lock=True).send_test())


@webhooks.get(
    f"{ONE}/deliveries",
    who="user",
    query=DeliveryQuery(),
    is_page=True,
    returns=DeliverySchema(),
)
def list_deliveries(caller: Caller, webhook_id: int, query: dict[str, Any]) -> Response:
    """What was sent to a webhook, is to be, and what came of it; the newest first."""
    chosen = {**filters_of(query), "webhook_id": Webhook.of_user(caller.id, webhook_id).id}
    return answer_page(delivery.LISTING, query, chosen, delivery_json)


@webhooks.post(
    f"{ONE}/deliveries/<id:delivery_id>/redeliver",
    who="user",
    status=202,
    returns=DeliverySchema(),
    errors=OFF,
)
def redeliver(caller: Caller, webhook_id: int, delivery_id: int) -> dict[str, Any]:
    """Send a message again, as a delivery of its own."""
    with transaction():
        webhook = Webhook.of_user(caller.id, webhook_id, lock=True)
        return delivery_json(webhook.redeliver(delivery_id))
