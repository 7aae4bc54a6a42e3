"""Webhooks and what they are told of, over HTTP."""

from typing import Any

from tests.support.client import ApiClient, Person
from tests.support.receiver import Receiver


def hook(
    client: ApiClient, who: Person, receiver: Receiver, path: str = "/hook", **fields: Any
) -> Any:
    """A new webhook to the receiver."""
    answer = client.post("/webhooks", json={"url": receiver.url(path), **fields}, as_=who)
    assert answer.status_code == 201, answer.text
    return answer.json


def task(client: ApiClient, who: Person, **fields: Any) -> Any:
    """A new task, which is something to tell of."""
    answer = client.post("/tasks", json={"title": "Write", **fields}, as_=who)
    assert answer.status_code == 201, answer.text
    return answer.json


def sent(client: ApiClient, who: Person, webhook: Any, **query: Any) -> Any:
    """The webhook's deliveries, the newest first."""
    answer = client.get(f"/webhooks/{webhook['id']}/deliveries", query_string=query, as_=who)
    assert answer.status_code == 200, answer.text
    page: Any = answer.json
    return page["items"]
