"""Task statistics."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, func, select

from taskapi.db import canonical
from taskapi.listing import Shape, bind_filters, conditions_of
from taskapi.models.task import PRIORITIES, STATUSES, Task
from taskapi.models.task_list import LISTING
from taskapi.statement import Statement

STATS_DAYS = 30


def count_tasks(chosen: Mapping[str, Any], zone_name: str) -> dict[str, Any]:
    """Return counts of the tasks that match the filters; days begin at midnight in the zone."""
    zone = ZoneInfo(zone_name)
    current = datetime.now(UTC)
    today = current.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(STATS_DAYS - 1, -1, -1)]
    midnights = [
        canonical(datetime(day.year, day.month, day.day, tzinfo=zone))
        for day in (*days, today + timedelta(days=1))
    ]
    shape, bound = bind_filters(LISTING, chosen)
    counts = _stats(shape).first(
        now=canonical(current),
        **bound,
        **{f"midnight_{i}": moment for i, moment in enumerate(midnights)},
    )
    assert counts is not None
    return {
        "total": counts.total,
        "by_status": {word: getattr(counts, f"status_{word}") for word in STATUSES},
        "by_priority": {word: getattr(counts, f"priority_{word}") for word in PRIORITIES},
        "overdue": counts.overdue,
        "due_today": counts.due_today,
        "done_per_day": [
            {"date": day.isoformat(), "count": getattr(counts, f"done_{i}")}
            for i, day in enumerate(days)
        ],
        "tz": zone_name,
    }


@lru_cache
def _stats(shape: Shape) -> Statement:
    def count(*conditions: Any) -> Any:
        return func.count(Task.id).filter(and_(*conditions))

    def between(column: Any, i: int) -> Any:
        return and_(column >= bindparam(f"midnight_{i}"), column < bindparam(f"midnight_{i + 1}"))

    return Statement(
        select(
            func.count(Task.id).label("total"),
            *(count(Task.status == word).label(f"status_{word}") for word in STATUSES),
            *(count(Task.priority == word).label(f"priority_{word}") for word in PRIORITIES),
            count(Task.due_at < bindparam("now"), Task.status != "done").label("overdue"),
            count(between(Task.due_at, STATS_DAYS - 1)).label("due_today"),
            *(count(between(Task.completed_at, i)).label(f"done_{i}") for i in range(STATS_DAYS)),
        ).where(*conditions_of(LISTING, shape))
    )
