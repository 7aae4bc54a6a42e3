"""Counts, in anybody's time zone, against a plain model."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taskapi.models import stats
from taskapi.models.task_table import PRIORITIES, STATUSES
from taskapi.moments import as_datetime, canonical
from tests.support.tasks import plant, stored

ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"),
    *("Pacific/Pago_Pago", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Asia/Beirut"),
    *("America/Santiago", "Asia/Kathmandu", "Etc/GMT+12"),
]
# Now, and moments near which clocks change somewhere: at night, and at midnight itself.
NOWS = [
    None,
    "2026-03-29T00:30:00Z",
    "2026-03-29T22:10:00Z",
    "2026-10-25T00:59:59Z",
    "2026-11-01T04:30:00Z",
    "2026-11-02T05:30:00Z",
    "2026-04-24T00:10:00Z",
    "2026-09-06T03:59:00Z",
    "2026-12-31T23:59:59.999999Z",
]


def model(tasks, current, zone):
    today = current.astimezone(zone).date()

    def day(moment):
        return moment and as_datetime(moment).astimezone(zone).date()

    days = [today - timedelta(days=back) for back in range(29, -1, -1)]
    return {
        "total": len(tasks),
        "by_status": {w: sum(t["status"] == w for t in tasks) for w in STATUSES},
        "by_priority": {w: sum(t["priority"] == w for t in tasks) for w in PRIORITIES},
        "overdue": sum(
            t["due_at"] is not None and t["due_at"] < canonical(current) and t["status"] != "done"
            for t in tasks
        ),
        "due_today": sum(day(t["due_at"]) == today for t in tasks),
        "done_per_day": [
            {"date": d.isoformat(), "count": sum(day(t["completed_at"]) == d for t in tasks)}
            for d in days
        ],
        "tz": zone.key,
    }


def any_task(current, dice):
    def moment(days):
        if dice.random() < 0.3:  # at and around a full hour, where days begin
            hour = current.replace(minute=0, second=0, microsecond=0)
            near = hour + timedelta(hours=dice.randrange(-24 * days, 48))
            return canonical(near + timedelta(microseconds=dice.choice((-1, 0, 1))))
        return canonical(current + timedelta(minutes=dice.randrange(-1440 * days, 2880)))

    status = dice.choice(STATUSES)
    return {
        "status": status,
        "priority": dice.choice(PRIORITIES),
        "due_at": moment(2) if dice.random() < 0.8 else None,
        "completed_at": moment(32) if status == "done" else None,
    }


@pytest.mark.parametrize("current", NOWS)
def test_counts_are_what_a_plain_model_says(client, app, alice, bob, monkeypatch, current):
    moment = datetime.now(UTC) if current is None else as_datetime(current).astimezone(UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment.astimezone(tz)

    if current is not None:
        monkeypatch.setattr(stats, "datetime", Clock)
    dice = random.Random(current)
    tasks = [any_task(moment, dice) for _ in range(400)]
    plant(app, [stored(alice.id, **fields) for fields in tasks])
    plant(app, [stored(alice.id, **fields, deleted_at=canonical(moment)) for fields in tasks[:9]])
    plant(app, [stored(bob.id, **fields) for fields in tasks[:9]])
    for name in ZONES:
        answer = client.get(f"/tasks/stats?tz={name.replace('+', '%2B')}", as_=alice)
        assert answer.status_code == 200
        expected = model(tasks, moment, ZoneInfo(name))
        if current is None and answer.json != expected:
            expected["overdue"] = answer.json["overdue"]  # one may have become due meanwhile
        assert answer.json == expected, name
    plain = client.get("/tasks/stats", as_=alice).json
    assert plain["tz"] == "UTC"


def test_an_admin_counts_everybodys_and_others_their_own(client, alice, bob, admin):
    for person in (alice, alice, bob):
        client.post("/tasks", as_=person, json={"title": "x", "status": "done"})
    for person, total in ((alice, 2), (bob, 1), (admin, 3)):
        counted = client.get("/tasks/stats", as_=person).json
        assert (counted["total"], counted["done_per_day"][-1]["count"]) == (total, total)
        assert len(counted["done_per_day"]) == 30


@pytest.mark.parametrize(
    "query",
    [
        *(
            "tz=",
            "tz=Nowhere",
            "tz=europe/berlin",
            "tz=..%2F..%2Fetc%2Fpasswd",
            "tz=%2Fetc%2Fpasswd",
        ),
        *("tz=US", "tz=%2B02:00", f"tz={'x' * 5000}", "tz=UTC&tz=UTC", "zone=UTC", "tz=zone.tab"),
        *(
            "tz=Europe%2F",
            "tz=.",
            "status=todo",
            "user_id=1",
            "tz=Europe%2FBerlin%0A",
            "tz=%F0%9F%99%82",
        ),
    ],
    ids=lambda query: query[:20],
)
def test_a_zone_that_is_none_is_a_400(client, alice, query):
    answer = client.get(f"/tasks/stats?{query}", as_=alice)
    assert answer.status_code == 400
    assert answer.json["error"]["details"].keys() == {query.split("=")[0]}
