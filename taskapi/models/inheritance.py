"""All tasks of a user, handed to somebody else before the user goes."""

import orjson
from sqlalchemy import Text, bindparam, insert, literal, select, true, update

from taskapi.database import Id, Moment, Query, integrity_error
from taskapi.errors import Invalid
from taskapi.models import delivery, event
from taskapi.models.task_table import tasks
from taskapi.models.user import lock_out
from taskapi.moments import now

REASSIGNED_COLUMNS = (
    *("at", "actor_id", "action", "task_id", "user_id"),
    *("is_audit", "version", "changes", "address", "request_id"),
)
# In one statement each, because a user may have very many; a webhook then tells of the task as
# it is when the event is delivered.
RECORD_REASSIGNED = Query(
    insert(event.events).from_select(
        REASSIGNED_COLUMNS,
        select(
            bindparam("now", type_=Moment),
            bindparam("actor_id", type_=Id),
            literal("task.updated"),
            tasks.c.id,
            bindparam("new_owner_id", type_=Id),
            true(),
            tasks.c.version + 1,
            bindparam("changes", type_=Text),
            bindparam("address", type_=Text),
            bindparam("request_id", type_=Text),
        ).where(tasks.c.user_id == bindparam("owner_id")),
    )
)
REASSIGN = Query(
    update(tasks)
    .where(tasks.c.user_id == bindparam("owner_id"))
    .values(
        user_id=bindparam("new_owner_id"),
        updated_at=bindparam("now"),
        version=tasks.c.version + 1,
    )
)


def reassign_all(old_owner_id: int, new_owner_id: int) -> None:
    """Hand all tasks of a user who is leaving, the trash too, to somebody else."""
    lock_out(old_owner_id)  # a task that came after the look would go with them
    source = event.origin.get()
    moment = now()
    values = {"owner_id": old_owner_id, "new_owner_id": new_owner_id, "now": moment}
    RECORD_REASSIGNED.run(
        **values,
        actor_id=source.actor_id,
        address=source.address,
        request_id=source.request_id,
        changes=orjson.dumps({"user_id": [old_owner_id, new_owner_id]}).decode(),
    )
    try:
        REASSIGN.run(**values)
    except integrity_error():  # deleted since somebody looked
        raise no_such_heir() from None
    delivery.offer_many("task.updated", new_owner_id, moment)


def no_such_heir() -> Invalid:
    return Invalid({"reassign_to": ["Must be the id of another user."]})
