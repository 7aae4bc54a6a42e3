"""Answers that are kept, so that a POST which is sent again is not done again."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    String,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.database import Id, Moment, Query, expect_wait, is_postgres
from taskapi.extensions import db
from taskapi.moments import ago

KEPT_HOURS = 24

answers = db.Table(
    "idempotency_keys",
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key_hash", String(64), primary_key=True),  # of method, path, query and the key
    Column("body_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
)

_key = (answers.c.user_id == bindparam("user_id")) & (answers.c.key_hash == bindparam("key_hash"))

# Waits for whoever is at work under the same key, and takes the place only if they failed.
CLAIM = Query(
    upsert(answers)
    .values(
        user_id=bindparam("user_id"),
        key_hash=bindparam("key_hash"),
        body_hash=bindparam("body_hash"),
        status=0,
        headers="{}",
        body="",
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
)
# Postgres only: SQLite's one write lock is waited for when the transaction begins.
SET_WAIT = Query(select(func.set_config("lock_timeout", bindparam("wait"), True)))
FIND = Query(select(answers).where(_key))
KEEP = Query(
    update(answers)
    .where(_key)
    .values(status=bindparam("status"), headers=bindparam("headers"), body=bindparam("body"))
)
FORGET_OLD = Query(delete(answers).where(_key, answers.c.created_at < bindparam("before")))
PURGE = Query(delete(answers).where(answers.c.created_at < bindparam("before")))


def wait_at_most(seconds: int) -> None:
    """How long the statements that follow may wait for a lock; 0 is for ever."""
    if is_postgres():
        expect_wait(seconds)
        SET_WAIT.run(wait=f"{seconds}s")


def purge() -> int:
    return PURGE.run(before=ago(hours=KEPT_HOURS))
