"""Tasks by the thousand: checked rows are put by in batches, and become tasks all at once."""

from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
)

from taskapi.database import Id, Query, Row, is_postgres, transaction
from taskapi.errors import Conflict
from taskapi.extensions import db
from taskapi.models import delivery, job
from taskapi.models.task import stored
from taskapi.models.task_table import DEFAULTS
from taskapi.models.user import BY_ID
from taskapi.moments import now

BATCH = 500  # rows; a writer who comes between two batches does not wait for long

batches = db.Table(
    "import_batches",
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("rows", Text, nullable=False),  # JSON
)

PUT_BY = Query(insert(batches).values({c.name: bindparam(c.name) for c in batches.c}))
COUNT = Query(select(func.count()).where(batches.c.job_id == bindparam("job_id")))
FORGET = Query(delete(batches).where(batches.c.job_id == bindparam("job_id")))

_KINDS = {
    "title": "text",
    "title_key": "text",
    "description": "text",
    "description_key": "text",
    "status": "smallint",
    "priority": "smallint",
    "due_at": "timestamptz",
    "tags": "text",
    "tags_key": "text",
}
_names = ", ".join(_KINDS)
_into = (
    f"INSERT INTO tasks ({_names}, completed_at, user_id, created_at, updated_at, version,"
    " is_overdue_told)"
)
_done = "CASE WHEN {} = 2 THEN {} END"
_from_sqlite = ", ".join(f"json_extract(value, '$.{name}')" for name in _KINDS)
_from_postgres = ", ".join(f"CAST(value->>'{n}' AS {kind})" for n, kind in _KINDS.items())
# Rows out of JSON: the one thing that the databases have each their own words for.
MAKE_ON_SQLITE = Query(
    text(
        f"{_into} SELECT {_from_sqlite}, "
        + _done.format("json_extract(value, '$.status')", ":now")
        + ", :user_id, :now, :now, 1, false FROM import_batches, json_each(rows)"
        " WHERE job_id = :job_id AND number = :number ORDER BY key RETURNING id"
    )
)
_moment, _owner = "CAST(:now AS timestamptz)", "CAST(:user_id AS bigint)"
MAKE_ON_POSTGRES = Query(
    text(
        f"{_into} SELECT {_from_postgres}, "
        + _done.format("CAST(value->>'status' AS smallint)", _moment)
        + f", {_owner}, {_moment}, {_moment}, 1, false"
        " FROM import_batches, json_array_elements(CAST(rows AS json)) WITH ORDINALITY"
        " AS each (value, place) WHERE job_id = :job_id AND number = :number"
        " ORDER BY place RETURNING id"
    )
)
# Without the task itself: a webhook tells of it as it is when the event is delivered.
_record = (
    "INSERT INTO events (at, actor_id, action, task_id, user_id, is_audit, version, changes,"
    " address, request_id) SELECT created_at, user_id, 'task.created', id, user_id, false, version,"
    " '{}', CAST(:address AS varchar), CAST(:request_id AS varchar) FROM tasks"
)
RECORD_ON_SQLITE = Query(
    text(f"{_record} WHERE id IN (SELECT value FROM json_each(:task_ids)) ORDER BY id")
)
RECORD_ON_POSTGRES = Query(
    text(f"{_record} WHERE id = ANY(CAST(:task_ids AS bigint[])) ORDER BY id")
)


def put_by(found: Row, number: int, rows: list[dict[str, Any]]) -> None:
    """Keep a batch of checked rows until all of them are."""
    body = orjson.dumps([stored(DEFAULTS | row) for row in rows]).decode()
    PUT_BY.run(job_id=found.id, number=number, rows=body)


def publish(found: Row, total: int) -> None:
    """Make tasks of all that was put by, with their events, or of nothing."""
    moment = now()
    with transaction():
        owner = BY_ID.first(id=found.user_id)
        if owner is None or not owner.is_active:
            raise Conflict("The user who asked for this is disabled.")
        for number in range(COUNT.value(job_id=found.id)):
            make = MAKE_ON_POSTGRES if is_postgres() else MAKE_ON_SQLITE
            made = make.all(job_id=found.id, number=number, user_id=found.user_id, now=moment)
            ids: Any = [row[0] for row in made]
            record = RECORD_ON_POSTGRES if is_postgres() else RECORD_ON_SQLITE
            record.run(
                task_ids=ids if is_postgres() else orjson.dumps(ids).decode(),
                address=found.address,
                request_id=found.request_id,
            )
        delivery.offer_many("task.created", found.user_id, moment)
        FORGET.run(job_id=found.id)
        job.finish(found, {"created": total}, total)


def undo(found: Row) -> None:
    """Leave nothing behind."""
    FORGET.run(job_id=found.id)
