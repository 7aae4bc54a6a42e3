"""Filters, sorts and pages against a plain Python model of the same tasks."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from taskapi.models.task_table import PRIORITIES, STATUSES
from taskapi.moments import now
from tests.support.tasks import after, in_order, plant, stored, writing

# Few values, so that they meet; what is special in SQL, folds or grows among them.
TEXTS = [
    "a",
    "A",
    "ab",
    "ß",
    "SS",
    "ŉ",
    "\u02bcN",
    "ς",
    "Σ",
    "%",
    "_",
    "\\",
    "a%b",
    "a_b",
    "İ",
    "é",
    "🙂",
]
TAGS = ["a", "A", "b", "ß", "ss", "%", "_", "a b", "Σ", "ς", "\\", "'", "🙂"]
MOMENTS = [after(n) for n in range(6)] + ["2999-01-01T00:00:00.000000Z"]
SORTS = [
    *("id", "created_at", "updated_at", "due_at", "priority", "status", "title", "completed_at"),
]

texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3).map("".join)
moments = st.sampled_from(MOMENTS)


@st.composite
def planted_tasks(draw):
    status = draw(st.sampled_from(STATUSES))
    tags = {tag.casefold(): tag for tag in draw(st.lists(st.sampled_from(TAGS), max_size=3))}
    return {
        "title": draw(texts),
        "description": draw(st.none() | texts),
        "status": status,
        "priority": draw(st.sampled_from(PRIORITIES)),
        "due_at": draw(st.none() | moments),
        "tags": [tags[key] for key in sorted(tags)],
        "completed_at": draw(moments) if status == "done" else None,
        "created_at": draw(moments),
        "updated_at": draw(moments),
        "deleted_at": draw(st.sampled_from([None, None, None, after(0)])),
    }


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


parameters = st.fixed_dictionaries(
    {},
    optional={
        "status": some(STATUSES),
        "priority": some(PRIORITIES),
        "tag": some(TAGS),
        "q": texts | st.just(""),
        "due_before": moments,
        "due_after": moments,
        "created_since": moments,
        "updated_since": moments,
        "completed_since": moments,
        "overdue": st.sampled_from(["true", "false"]),
        "deleted": st.sampled_from(["true", "false", "false"]),
    },
)
orders = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(SORTS)),
    min_size=1,
    max_size=4,
    unique_by=lambda key: key[1],
).map(lambda keys: ",".join(sign + name for sign, name in keys))


def selects(asked, task):
    """Does the model of the contract's filters let this task through?"""

    def since(name, column):
        return name not in asked or (task[column] is not None and task[column] >= asked[name])

    is_overdue = task["due_at"] is not None and task["due_at"] < now() and task["status"] != "done"
    folded = {tag.casefold() for tag in task["tags"]}
    text = asked.get("q", "").casefold()
    return all(
        (
            task["status"] in asked.get("status", STATUSES),
            task["priority"] in asked.get("priority", PRIORITIES),
            "tag" not in asked or any(tag.casefold() in folded for tag in asked["tag"]),
            text in task["title"].casefold() or text in (task["description"] or "").casefold(),
            "due_before" not in asked
            or (task["due_at"] is not None and task["due_at"] < asked["due_before"]),
            since("due_after", "due_at"),
            since("created_since", "created_at"),
            since("updated_since", "updated_at"),
            since("completed_since", "completed_at"),
            "overdue" not in asked or is_overdue == (asked["overdue"] == "true"),
            (task["deleted_at"] is not None) == (asked.get("deleted") == "true"),
        )
    )


@given(
    mine=st.lists(planted_tasks(), max_size=12),
    theirs=st.lists(planted_tasks(), max_size=2),
    queries=st.lists(
        st.tuples(parameters, orders, st.integers(1, 6), st.integers(0, 8)), min_size=1, max_size=6
    ),
)
@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_lists_are_what_a_plain_model_says(client, app, alice, bob, mine, theirs, queries):
    with writing(app) as connection:
        connection.exec_driver_sql("DELETE FROM tasks")
    plant(app, [stored(bob.id, **fields) for fields in theirs])
    ids = plant(app, [stored(alice.id, **fields) for fields in mine])
    known = [fields | {"id": task_id} for fields, task_id in zip(mine, ids, strict=True)]

    for asked, sort_by, limit, skip in queries:
        expected = in_order([task for task in known if selects(asked, task)], sort_by)
        expected_ids = [task["id"] for task in expected]
        filters = urlencode(asked, doseq=True)

        def get(more, path="/tasks", filters=filters):
            answer = client.get(f"{path}?{filters}&{more}", as_=alice)
            assert answer.status_code == 200, answer.json
            return answer.json

        page = get(f"sort_by={sort_by}&limit={limit}&skip={skip}")
        assert [task["id"] for task in page["items"]] == expected_ids[skip : skip + limit]
        assert page["total"] == len(expected)
        assert (page["next_cursor"] is not None) == (len(expected) > skip + limit)

        walked: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = get(f"sort_by={sort_by}&limit={limit}&cursor={cursor}")
            walked += page["items"]
            cursor = page["next_cursor"]
        assert [task["id"] for task in walked] == expected_ids
        for shown, task in zip(walked, expected, strict=True):
            assert shown == shown | {
                name: value for name, value in task.items() if name != "deleted_at"
            }
            assert shown.get("deleted_at") == task["deleted_at"]

        exported = get("format=json", "/tasks/export")
        assert sorted(task["id"] for task in exported) == sorted(expected_ids)
