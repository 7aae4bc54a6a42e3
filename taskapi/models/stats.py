"""How many tasks there are of each kind, in one statement."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, func, select

from taskapi.database import Query
from taskapi.models.task import TaskSet
from taskapi.models.task_table import DONE, PRIORITIES, STATUSES, tasks
from taskapi.moments import canonical

DAYS = 30


def task_stats(visible: TaskSet, zone_name: str) -> dict[str, Any]:
    """Counts of live tasks; days begin at midnight in the zone."""
    zone = ZoneInfo(zone_name)
    current = datetime.now(UTC)
    today = current.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    midnights = [
        canonical(datetime(day.year, day.month, day.day, tzinfo=zone))
        for day in (*days, today + timedelta(days=1))
    ]
    counts = _query(visible.owner_id is not None).first(
        owner_id=visible.owner_id,
        now=canonical(current),
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
def _query(has_owner: bool) -> Query:
    def count(*conditions: Any) -> Any:
        return func.count(tasks.c.id).filter(and_(*conditions))

    def between(column: Any, i: int) -> Any:
        return and_(column >= bindparam(f"midnight_{i}"), column < bindparam(f"midnight_{i + 1}"))

    query = select(
        func.count(tasks.c.id).label("total"),
        *(count(tasks.c.status == i).label(f"status_{w}") for i, w in enumerate(STATUSES)),
        *(count(tasks.c.priority == i).label(f"priority_{w}") for i, w in enumerate(PRIORITIES)),
        count(tasks.c.due_at < bindparam("now"), tasks.c.status != DONE).label("overdue"),
        count(between(tasks.c.due_at, DAYS - 1)).label("due_today"),
        *(count(between(tasks.c.completed_at, i)).label(f"done_{i}") for i in range(DAYS)),
    ).where(tasks.c.deleted_at.is_(None))
    return Query(query.where(tasks.c.user_id == bindparam("owner_id")) if has_owner else query)
