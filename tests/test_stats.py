"""Task statistics."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from tests.support.rows import canonical
from tests.support.tasks import PRIORITIES, STATUSES, plant

ZONES = ["UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Etc/GMT+12"]


def recently_changed():
    """Return zones with a change of their offset within the last 30 days."""
    now = datetime.now(UTC)
    changed: dict[tuple[object, ...], str] = {}
    for name in sorted(available_timezones() - {"Factory", "localtime"}):
        offsets = [
            (now - timedelta(days=days)).astimezone(ZoneInfo(name)).utcoffset()
            for days in range(31)
        ]
        changed.setdefault(tuple(offsets), name)
    return [name for offsets, name in changed.items() if len(set(offsets)) > 1]


def model(tasks, now, zone):
    today = now.astimezone(zone).date()

    def day(moment):
        return moment and datetime.fromisoformat(moment).astimezone(zone).date()

    days = [today - timedelta(days=back) for back in range(29, -1, -1)]
    return {
        "total": len(tasks),
        "by_status": {w: sum(t["status"] == w for t in tasks) for w in STATUSES},
        "by_priority": {w: sum(t["priority"] == w for t in tasks) for w in PRIORITIES},
        "overdue": sum(
            t["due_at"] is not None and t["due_at"] < canonical(now) and t["status"] != "done"
            for t in tasks
        ),
        "due_today": sum(day(t["due_at"]) == today for t in tasks),
        "done_per_day": [
            {"date": d.isoformat(), "count": sum(day(t["completed_at"]) == d for t in tasks)}
            for d in days
        ],
        "tz": zone.key,
    }


def any_task(now, dice):
    def moment(days):
        if dice.random() < 0.6:  # at or next to a full hour, where days begin
            hour = now.replace(minute=0, second=0, microsecond=0)
            near = hour + timedelta(hours=dice.randrange(-24 * days, 48))
            return canonical(near + timedelta(microseconds=dice.choice((-1, 0, 1))))
        return canonical(now + timedelta(minutes=dice.randrange(-1440 * days, 2880)))

    status = dice.choice(STATUSES)
    return {
        "status": status,
        "priority": dice.choice(PRIORITIES),
        "due_at": moment(2) if dice.random() < 0.8 else None,
        "completed_at": moment(32) if status == "done" else None,
    }


def test_counts_match_a_reference_implementation(client, rows, alice, bob):
    dice = random.Random(7)
    now = datetime.now(UTC)
    tasks = [any_task(now, dice) for _ in range(3000)]
    plant(rows, alice.id, tasks)
    plant(rows, alice.id, [task | {"deleted_at": canonical(now)} for task in tasks[:9]])
    plant(rows, bob.id, tasks[:9])
    zones = [*ZONES, *recently_changed()]
    for name in zones:
        for _ in range(3):  # retry if time passes a boundary during the request
            before = datetime.now(UTC)
            answer = client.get("/tasks/stats", query_string={"tz": name}, as_=alice)
            assert answer.status_code == 200
            if answer.json == model(tasks, before, ZoneInfo(name)):
                break
        assert answer.json == model(tasks, before, ZoneInfo(name)), name
    assert client.get("/tasks/stats", as_=alice).json["tz"] == "UTC"


def test_counts_cover_visible_tasks(client, alice, bob, admin):
    for person in (alice, alice, bob):
        client.post("/tasks", as_=person, json={"title": "x", "status": "done"})
    for person, total in ((alice, 2), (bob, 1), (admin, 3)):
        counted = client.get("/tasks/stats", as_=person).json
        assert (counted["total"], counted["done_per_day"][-1]["count"]) == (total, total)
        assert len(counted["done_per_day"]) == 30


BAD_ZONES = ["", "Nowhere", "europe/berlin", "../../etc/passwd", "/etc/passwd", "US", "+02:00", "."]
BAD_ZONES += ["x" * 5000, "zone.tab", "Europe/", "Europe/Berlin\n", "🙂"]


@pytest.mark.sqlite
def test_invalid_time_zone_is_a_400(client, alice):
    for name in BAD_ZONES:
        answer = client.get("/tasks/stats", query_string={"tz": name}, as_=alice)
        assert answer.status_code == 400, name
        assert answer.json["error"]["details"].keys() == {"tz"}
    for query in ("tz=UTC&tz=UTC", "zone=UTC", "status=todo", "user_id=1"):
        answer = client.get(f"/tasks/stats?{query}", as_=alice)
        assert answer.status_code == 400, query
        assert answer.json["error"]["details"].keys() == {query.split("=")[0]}
