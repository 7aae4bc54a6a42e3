"""Calendar: a feed of the tasks with a due time, for calendar programs."""

import hashlib

from flask import Response, request

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.config import settings
from taskapi.db import ago
from taskapi.listing import Key, fetch_page
from taskapi.models.calendar import calendar_owner, create_calendar, delete_calendar
from taskapi.models.project import Owner
from taskapi.models.task import Task
from taskapi.models.task_list import LISTING
from taskapi.responses import json_response
from taskapi.schemas.system import CalendarSchema, NotJsonSchema

calendar = Api("calendar", __name__)

OWN = "/api/v1/users/me/calendar"
ICAL = "text/calendar"
SHOWN_DAYS = 30  # that a task is shown after its due time
MAX_EVENTS = 1000


@calendar.post(OWN, caller="user", status=201, returns=CalendarSchema())
def create_calendar_feed(caller: Caller) -> Response:
    """Create a calendar feed.

    Its secret URL is shown only in this response and replaces an earlier one.
    """
    url = f"{settings().public_url or ''}/calendar/{create_calendar(caller.id)}.ics"
    return json_response({"url": url}, 201, {"Cache-Control": "no-store"})


@calendar.delete(OWN, caller="user", errors={404: "There is no calendar feed."})
def delete_calendar_feed(caller: Caller) -> None:
    """Delete the calendar feed."""
    delete_calendar(caller.id)


@calendar.get(
    "/calendar/<string:token>.ics",
    caller="anyone",
    media=(ICAL,),
    is_conditional=True,
    returns=NotJsonSchema(),
)
def read_calendar(token: str) -> Response:
    """Get a calendar feed (RFC 5545).

    It has at most 1,000 tasks with a due time from 30 days ago on.
    """
    owner = calendar_owner(token)
    chosen = Task.visible_to(Owner(owner.id)).filters({"due_after": ago(days=SHOWN_DAYS)})
    order = (Key("due_at", False), Key("id", False))
    tasks = fetch_page(LISTING, chosen, order, limit=MAX_EVENTS).rows
    versions = repr([(task.id, task.version) for task in tasks])
    response = Response(content_type=f"{ICAL}; charset=utf-8")
    tag = hashlib.sha256(versions.encode()).hexdigest()[:32]
    response.set_etag(tag)
    if not request.if_none_match.contains_weak(tag):
        from taskapi.ical import calendar_of  # slow to import, and only needed here

        response.set_data(calendar_of(tasks))
    return response
