"""Tasks as events of a calendar, made by a library that knows RFC 5545."""

from collections.abc import Iterable

from icalendar import Calendar, Event

from taskapi.database import Row
from taskapi.models.task_table import DONE
from taskapi.moments import as_datetime
from taskapi.version import __version__

PRIORITIES = (9, 5, 1)  # low, medium, high


def calendar_of(tasks: Iterable[Row]) -> bytes:
    """The file: an event at each due time. Calendar programs show events; few show to-dos."""
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
    # With the time of its making, so that two installations' tasks are never taken for one.
    made = "".join(filter(str.isdigit, task.created_at))
    event.add("uid", f"{task.id}-{made}@taskapi")
    event.add("sequence", task.version - 1)
    event.add("dtstamp", as_datetime(task.updated_at))
    event.add("created", as_datetime(task.created_at))
    event.add("last-modified", as_datetime(task.updated_at))
    event.add("dtstart", as_datetime(task.due_at))
    event.add("summary", ("\u2713 " if task.status == DONE else "") + task.title)
    if task.description:
        event.add("description", task.description)
    if task.tags:
        event.add("categories", task.tags.split(","))
    event.add("priority", PRIORITIES[task.priority])
    event.add("transp", "TRANSPARENT")  # a due time does not make anybody busy
    return event
