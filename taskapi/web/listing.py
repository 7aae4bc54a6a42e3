"""Lists over HTTP: pages by number or by cursor, and the links between them."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from flask import Response, request

from taskapi.database import Row
from taskapi.errors import Invalid
from taskapi.models.keys import is_signed, sign
from taskapi.models.page import Key, Listing, Order, Page, fetch_page, full_order, position_of
from taskapi.moments import now
from taskapi.schemas.fields import DEEPEST
from taskapi.web.answers import json_answer

_PAGE = re.compile(r"(limit|skip|cursor)?(=|$)")
# What would end or split a link, and yet may stand in a query as it came.
_UNSAFE = re.compile(r"[^!$-;=?-Z_a-z~]")
_PAGING = {"limit", "skip", "cursor", "sort_by"}


def answer_page(
    listing: Listing,
    query: Mapping[str, Any],
    chosen: Mapping[str, Any],
    to_json: Callable[[Row], dict[str, Any]],
) -> Response:
    """The page that the query asks for, of the rows that the chosen filters select."""
    limit, cursor = query["limit"], query.get("cursor")
    if cursor is not None and "skip" in query:
        raise Invalid({"cursor": ["Cannot be combined with skip."]})
    order = full_order(listing, tuple(Key(*key) for key in query.get("sort_by", (("id", True),))))
    context = _context(listing, chosen, order)
    skip = None if cursor is not None else query.get("skip", 0)
    page = fetch_page(
        listing,
        chosen,
        order,
        limit=limit,
        skip=skip or 0,
        after=_read_cursor(cursor, context) if cursor else None,
        with_total=skip is not None,
        now=now(),
    )
    next_cursor = None
    if page.has_more:
        next_cursor = _write_cursor(position_of(listing, order, page.rows[-1]), context)
    body = {
        "items": [to_json(row) for row in page.rows],
        "total": page.total,
        "skip": skip,
        "limit": limit,
        "next_cursor": next_cursor,
    }
    links = _links(page, limit, skip, next_cursor)
    return json_answer(body, headers={"Link": links} if links else None)


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """A list's query without what only chooses the page."""
    return {name: value for name, value in query.items() if name not in _PAGING}


def _links(page: Page, limit: int, skip: int | None, next_cursor: str | None) -> str:
    given = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", request.query_string.decode())
    kept = [part for part in given.split("&") if not _PAGE.match(unquote(part))]
    base = f"{request.path}?{'&'.join((*kept, f'limit={limit}'))}"

    def link(relation: str, paging: str) -> str:
        return f'<{base}&{paging}>; rel="{relation}"'

    if skip is None:
        links = [link("first", "cursor=")]
        return ", ".join(links + ([link("next", f"cursor={next_cursor}")] if next_cursor else []))
    links = [link("first", "skip=0")]
    if skip > 0:
        links.append(link("prev", f"skip={max(0, skip - limit)}"))
    if next_cursor and skip + limit <= DEEPEST:
        links.append(link("next", f"skip={skip + limit}"))
    elif next_cursor:
        links.append(link("next", f"cursor={next_cursor}"))
    last = max(0, (page.total or 0) - 1) // limit * limit
    if last <= DEEPEST:
        links.append(link("last", f"skip={last}"))
    return ", ".join(links)


def _context(listing: Listing, chosen: Mapping[str, Any], order: Order) -> str:
    """What a cursor is good for: it is signed along."""
    return orjson.dumps(
        [listing.id.table.name, sorted(chosen.items()), [tuple(key) for key in order]]
    ).decode()


def _write_cursor(position: tuple[Any, ...], context: str) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode()
    return f"{payload}.{sign('cursor', context + payload)}"


def _read_cursor(cursor: str, context: str) -> tuple[Any, ...]:
    payload, _, signature = cursor.partition(".")
    if not is_signed("cursor", context + payload, signature):
        raise Invalid({"cursor": ["Is not one of ours, or belongs to another list or order."]})
    try:
        return tuple(orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    except (binascii.Error, orjson.JSONDecodeError):
        raise Invalid({"cursor": ["Is not one of ours."]}) from None
