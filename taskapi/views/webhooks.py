"""Webhooks: signed messages about changes, as Standard Webhooks 1.0 defines them."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.db import transaction
from taskapi.models import delivery
from taskapi.models.delivery import Delivery
from taskapi.models.webhook import LISTING, Webhook
from taskapi.paging import filters_of, page_response
from taskapi.responses import json_response
from taskapi.schemas import webhook as schemas
from taskapi.schemas.fields import PageQuery

webhooks = Api("webhooks", __name__, url_prefix="/api/v1/webhooks")

WEBHOOK, DELIVERY = schemas.WebhookSchema(), schemas.DeliverySchema()
SECRET = {"Cache-Control": "no-store"}
ONE = "/<id:webhook_id>"
OFF = {409: "The webhook is turned off."}


@webhooks.get("", caller="user", query=PageQuery(), is_page=True, returns=WEBHOOK)
def list_webhooks(caller: Caller, query: dict[str, Any]) -> Response:
    """List webhooks."""
    return page_response(LISTING, query, {"user_id": caller.id}, WEBHOOK.dump)


@webhooks.post(
    "",
    caller="user",
    body=schemas.WebhookSchema(),
    status=201,
    returns=schemas.WebhookSecretSchema(),
    headers=("Location",),
    errors={409: "Too many webhooks."},
)
def create_webhook(caller: Caller, body: dict[str, Any]) -> Response:
    """Create a webhook.

    The secret that signs its messages is shown only in this response.
    """
    made, secret = Webhook.create(caller.id, token_id=caller.token_id, **body)
    location = {"Location": f"/api/v1/webhooks/{made.id}"}
    return json_response({**WEBHOOK.dump(made), "secret": secret}, 201, SECRET | location)


@webhooks.get(ONE, caller="user", returns=WEBHOOK)
def get_webhook(caller: Caller, webhook_id: int) -> Webhook:
    """Get a webhook."""
    return Webhook.of_user(caller.id, webhook_id)


@webhooks.patch(ONE, caller="user", body=schemas.WebhookSchema(partial=True), returns=WEBHOOK)
def update_webhook(caller: Caller, webhook_id: int, body: dict[str, Any]) -> Webhook:
    """Update a webhook."""
    with transaction():
        webhook = Webhook.of_user(caller.id, webhook_id, lock=True)
        webhook.update(body, caller.token_id)
    return webhook


@webhooks.delete(ONE, caller="user")
def delete_webhook(caller: Caller, webhook_id: int) -> None:
    """Delete a webhook and its deliveries."""
    with transaction():
        Webhook.of_user(caller.id, webhook_id, lock=True).delete()


@webhooks.post(f"{ONE}/rotate-secret", caller="user", returns=schemas.WebhookSecretSchema())
def rotate_secret(caller: Caller, webhook_id: int) -> Response:
    """Rotate the secret of a webhook.

    The new secret is shown only in this response; both sign for a day.
    """
    with transaction():
        webhook = Webhook.of_user(caller.id, webhook_id, lock=True)
        secret = webhook.rotate_secret()
    return json_response({**WEBHOOK.dump(webhook), "secret": secret}, 200, SECRET)


@webhooks.post(f"{ONE}/test", caller="user", status=202, returns=DELIVERY, errors=OFF)
def test_webhook(caller: Caller, webhook_id: int) -> Delivery:
    """Send a test message to a webhook."""
    with transaction():
        return Webhook.of_user(caller.id, webhook_id, lock=True).send_test()


@webhooks.get(
    f"{ONE}/deliveries",
    caller="user",
    query=schemas.DeliveryQuery(),
    is_page=True,
    returns=DELIVERY,
)
def list_deliveries(caller: Caller, webhook_id: int, query: dict[str, Any]) -> Response:
    """List the deliveries of a webhook, newest first."""
    chosen = {**filters_of(query), "webhook_id": Webhook.of_user(caller.id, webhook_id).id}
    return page_response(delivery.LISTING, query, chosen, DELIVERY.dump)


@webhooks.post(
    f"{ONE}/deliveries/<id:delivery_id>/redeliver",
    caller="user",
    status=202,
    returns=DELIVERY,
    errors=OFF,
)
def redeliver(caller: Caller, webhook_id: int, delivery_id: int) -> Delivery:
    """Redeliver a message.

    It is sent as a new delivery.
    """
    with transaction():
        webhook = Webhook.of_user(caller.id, webhook_id, lock=True)
        return webhook.redeliver(delivery_id)
