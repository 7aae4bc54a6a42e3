"""Failed logins: counted here, in the database, so that every worker and machine knows them.

Ten failures for an account from one address within 15 minutes close that pair. A hundred in a
row for one account close it for every address that has not signed in to it lately.
"""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.database import Id, Moment, Query, Row, transaction
from taskapi.errors import RateLimited
from taskapi.extensions import db
from taskapi.models.keys import digest
from taskapi.models.session import KEPT_DAYS, KNOWN_ADDRESS
from taskapi.models.user import key_of
from taskapi.moments import ago, now, seconds_since

MINUTES = 15
PER_PAIR = 10
IN_A_ROW = 100

accounts = db.Table(
    "login_accounts",
    Column("account", String(70), primary_key=True),
    Column("in_a_row", Integer, nullable=False),
    Column("last_failure_at", Moment, nullable=False, index=True),
)
failures = db.Table(
    "login_failures",
    Column("id", Id, primary_key=True),
    Column("account", String(70), nullable=False),
    Column("address", String(45), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Index("ix_login_failures_account_address_at", "account", "address", "at"),
)

_account = accounts.c.account == bindparam("account")
_pair = and_(failures.c.account == bindparam("account"), failures.c.address == bindparam("address"))

_new = upsert(accounts).values(
    account=bindparam("account"), in_a_row=0, last_failure_at=bindparam("now")
)
# Makes the row where there is none, and locks it: parallel guesses take their turns here.
LOCK_ACCOUNT = Query(
    _new.on_conflict_do_update(
        index_elements=["account"], set_={"account": _new.excluded.account}
    ).returning(accounts)
)
OF_PAIR = Query(
    select(func.count().label("count"), func.min(failures.c.at).label("first_at")).where(
        _pair, failures.c.at > bindparam("since")
    )
)
ADD_FAILURE = Query(
    insert(failures).values(
        account=bindparam("account"), address=bindparam("address"), at=bindparam("now")
    )
)
RAISE = Query(
    update(accounts)
    .where(_account)
    .values(in_a_row=bindparam("in_a_row"), last_failure_at=bindparam("now"))
)
CLEAR_PAIR = Query(delete(failures).where(_pair))
CLEAR_FAILURES = Query(delete(failures).where(failures.c.account == bindparam("account")))
CLEAR_ACCOUNT = Query(delete(accounts).where(_account))
PURGE_FAILURES = Query(delete(failures).where(failures.c.at < bindparam("before")))
PURGE_ACCOUNTS = Query(delete(accounts).where(accounts.c.last_failure_at < bindparam("before")))


def account_of(user: Row | None, name: str) -> str:
    """One account however it was spelt; a name without one behaves alike."""
    return f"user:{user.id}" if user else f"name:{digest(key_of(name))}"


def count_attempt(user: Row | None, name: str, address: str) -> None:
    """Count an attempt as failed, before the password is looked at; RateLimited when too many."""
    account, moment = account_of(user, name), now()
    with transaction():
        state = LOCK_ACCOUNT.first(account=account, now=moment)
        assert state is not None
        pair = OF_PAIR.first(account=account, address=address, since=ago(minutes=MINUTES))
        assert pair is not None
        if pair.count >= PER_PAIR:
            raise _too_many(pair.first_at)
        is_fresh = state.last_failure_at > ago(minutes=MINUTES)
        if state.in_a_row >= IN_A_ROW and is_fresh and not _is_known(user, address):
            raise _too_many(state.last_failure_at)
        ADD_FAILURE.run(account=account, address=address, now=moment)
        in_a_row = min(state.in_a_row, 10**6) + 1
        RAISE.run(account=account, in_a_row=in_a_row, now=moment)


def forget_failures(user: Row, address: str) -> None:
    """A success resets both counts."""
    account = account_of(user, "")
    with transaction():
        CLEAR_ACCOUNT.run(account=account)
        CLEAR_PAIR.run(account=account, address=address)


def unlock(user: Row) -> None:
    """Forget every failure of this account, from anywhere."""
    account = account_of(user, "")
    with transaction():
        CLEAR_ACCOUNT.run(account=account)
        CLEAR_FAILURES.run(account=account)


def purge() -> int:
    return PURGE_FAILURES.run(before=ago(minutes=MINUTES)) + PURGE_ACCOUNTS.run(before=ago(days=1))


def _is_known(user: Row | None, address: str) -> bool:
    return user is not None and bool(
        KNOWN_ADDRESS.value(user_id=user.id, address=address, since=ago(days=KEPT_DAYS))
    )


def _too_many(since: str) -> RateLimited:
    wait = MINUTES * 60 - seconds_since(since)
    return RateLimited("Too many failed logins; try again later.", retry_after=int(wait) + 1)
