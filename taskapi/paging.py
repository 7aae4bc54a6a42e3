"""Pages of lists: their cursors and links."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request
from itsdangerous import BadData, URLSafeSerializer

from taskapi.config import settings
from taskapi.db import Row, now
from taskapi.errors import Invalid
from taskapi.listing import NEWEST_FIRST, Key, Listing, Order, Page, fetch_page, position_of
from taskapi.responses import json_response

MAX_SKIP = 10_000  # beyond it, only cursors work
_PAGING = {"limit", "skip", "cursor"}


def page_response(
    listing: Listing,
    query: Mapping[str, Any],
    chosen: Mapping[str, Any],
    to_json: Callable[[Row], dict[str, Any]],
    default_order: Order = NEWEST_FIRST,
    **values: Any,
) -> Response:
    """Return the requested page of the rows that match the filters.

    `values` are those of other bind parameters of the listing.
    """
    limit, cursor = query["limit"], query.get("cursor")
    if cursor is not None and "skip" in query:
        raise Invalid({"cursor": ["Cannot be combined with 'skip'."]})
    order = tuple(Key(*key) for key in query.get("sort_by", default_order))
    if all(key.name != "id" for key in order):  # every order ends with the id
        order += (Key("id", order[0].is_descending),)
    cursors = _cursors(listing, chosen, order)
    skip = None if cursor is not None else query.get("skip", 0)
    page = fetch_page(
        listing,
        chosen,
        order,
        limit=limit,
        skip=skip or 0,
        after=_read_cursor(cursors, cursor) if cursor else None,
        with_total=skip is not None,
        now=now(),
        **values,
    )
    next_cursor = None
    if page.has_more:
        next_cursor = cursors.dumps(position_of(listing, order, page.rows[-1]))
    body = {
        "items": [to_json(row) for row in page.rows],
        "total": page.total,
        "skip": skip,
        "limit": limit,
        "next_cursor": next_cursor,
    }
    return json_response(body, headers={"Link": _links(page, limit, skip, next_cursor)})


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters of a query, without the parameters of the page."""
    return {name: value for name, value in query.items() if name not in {*_PAGING, "sort_by"}}


def _links(page: Page, limit: int, skip: int | None, next_cursor: str | None) -> str:
    kept = [given for given in request.args.items(multi=True) if given[0] not in _PAGING]
    base = f"{request.path}?{urlencode([*kept, ('limit', limit)])}"
    starts = {"first": "cursor=" if skip is None else "skip=0"}
    if skip:
        starts["prev"] = f"skip={max(0, skip - limit)}"
    if next_cursor:
        is_near = skip is not None and skip + limit <= MAX_SKIP
        starts["next"] = f"skip={(skip or 0) + limit}" if is_near else f"cursor={next_cursor}"
    if page.total is not None:
        last = max(0, page.total - 1) // limit * limit
        if last <= MAX_SKIP:
            starts["last"] = f"skip={last}"
    return ", ".join(f'<{base}&{start}>; rel="{name}"' for name, start in starts.items())


def _cursors(listing: Listing, chosen: Mapping[str, Any], order: Order) -> URLSafeSerializer:
    """Return a signer of positions, for this list, filters and order only."""
    context = [listing.id.table.name, sorted(chosen.items()), [tuple(key) for key in order]]
    return URLSafeSerializer(
        list(settings().secret_keys[::-1]),  # the newest key last: it signs, all are accepted
        salt=b"taskapi.cursor." + orjson.dumps(context),
        signer_kwargs={"digest_method": hashlib.sha256},
    )


def _read_cursor(cursors: URLSafeSerializer, cursor: str) -> tuple[Any, ...]:
    try:
        position = cursors.loads(cursor)
    except BadData:
        position = None
    # The same bytes have several base64 encodings, of which only ours is accepted.
    if position is None or cursors.dumps(position) != cursor:
        raise Invalid({"cursor": ["Invalid cursor, or a cursor of another list, filter or order."]})
    return tuple(position)
