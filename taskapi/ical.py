"""Tasks as calendar events (RFC 5545)."""

from collections.abc import Iterable
from datetime import datetime

from icalendar import Calendar, Event

from taskapi.db import Row
from taskapi.version import __version__

PRIORITIES = {"low": 9, "medium": 5, "high": 1}


def calendar_of(tasks: Iterable[Row]) -> bytes:
    """Return a calendar with an event for each due time. Few programs show to-dos."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", f"-//taskapi//{__version__}//EN")
    calendar.add("method", "PUBLISH")
    calendar.add("name", "Tasks")
    calendar.add("x-wr-calname", "Tasks")
    for task in tasks:
        calendar.add_component(_event(task))
    text: bytes = calendar.to_ical()
    return text


def _event(task: Row) -> Event:
    event = Event()
    # Includes the creation time, because ids are not unique across installations.
    created = "".join(filter(str.isdigit, task.created_at))
    event.add("uid", f"{task.id}-{created}@taskapi")
    event.add("sequence", task.version - 1)
    event.add("dtstamp", datetime.fromisoformat(task.updated_at))
    event.add("created", datetime.fromisoformat(task.created_at))
    event.add("last-modified", datetime.fromisoformat(task.updated_at))
    event.add("dtstart", datetime.fromisoformat(task.due_at))
    event.add("summary", ("\u2713 " if task.status == "done" else "") + task.title)
    if task.description:
        event.add("description", task.description)
    if task.tags:
        event.add("categories", task.tags)
    event.add("priority", PRIORITIES[task.priority])
    event.add("transp", "TRANSPARENT")  # a due time does not block the calendar
    return event
