"""Helpers for webhooks and deliveries."""

from typing import Any

from tests.support.client import ApiClient, Person
from tests.support.receiver import Receiver
from tests.support.rows import Rows, ago


def hook(
    client: ApiClient, who: Person | str, receiver: Receiver, path: str = "/hook", **fields: Any
) -> Any:
    """Create a webhook for the receiver."""
    answer = client.post("/webhooks", json={"url": receiver.url(path), **fields}, as_=who)
    assert answer.status_code == 201, answer.text
    return answer.json


def sent(client: ApiClient, who: Person | str, webhook: Any, **query: Any) -> Any:
    """Return the deliveries of a webhook, newest first."""
    answer = client.get(f"/webhooks/{webhook['id']}/deliveries", query_string=query, as_=who)
    assert answer.status_code == 200, answer.text
    page: Any = answer.json
    return page["items"]


def let_old_secrets_expire(rows: Rows) -> None:
    """Let secrets from before a rotation expire."""
    rows.run("UPDATE webhooks SET old_secret_until = :past", past=ago(seconds=1))


def move_webhook(rows: Rows, webhook: Any, url: str) -> None:
    """Change the URL of a webhook without any check."""
    rows.run("UPDATE webhooks SET url = :url WHERE id = :id", url=url, id=webhook["id"])
