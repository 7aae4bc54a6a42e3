"""Brute-force protection: failed logins, counted in the database for all machines together.

Ten failures within 15 minutes block an account for one address. A hundred in a row block an account
for all addresses that have not logged in to it recently.
"""

import hashlib
from typing import Any

from sqlalchemy import Index, String, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Timestamp, affected_rows, ago, now, seconds_since, transaction, upsert
from taskapi.errors import RateLimited
from taskapi.extensions import db
from taskapi.models.session import has_signed_in_from, network_of
from taskapi.models.user import User, key_of
from taskapi.statement import Statement

MINUTES = 15
PER_PAIR = 10
IN_A_ROW = 100


class LoginAccount(db.Model):
    """Failures in a row for one account."""

    __tablename__ = "login_accounts"

    account: Mapped[str] = mapped_column(String(70), primary_key=True)
    in_a_row: Mapped[int]
    last_failure_at: Mapped[str] = mapped_column(Timestamp, index=True)


class LoginFailure(db.Model):
    __tablename__ = "login_failures"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    account: Mapped[str] = mapped_column(String(70))
    address: Mapped[str] = mapped_column(String(45))
    at: Mapped[str] = mapped_column(Timestamp, index=True)

    __table_args__ = (Index("ix_login_failures_account_address_at", "account", "address", "at"),)


_new = insert(LoginAccount.__table__).values(
    account=bindparam("account"), in_a_row=0, last_failure_at=bindparam("now")
)
# Creates or locks the row, so that concurrent attempts are counted one after another.
LOCK_ACCOUNT = Statement(
    _new.on_conflict_do_update(
        index_elements=["account"], set_={"account": _new.excluded.account}
    ).returning(LoginAccount.in_a_row, LoginAccount.last_failure_at)
)


def count_attempt(user: User | None, name: str, address: str) -> None:
    """Count an attempt as failed before the password is checked, or raise RateLimited."""
    account, network, moment = _account_of(user, name), network_of(address), now()
    with transaction():
        state = LOCK_ACCOUNT.first(account=account, now=moment)
        assert state is not None
        of_pair = select(func.count(), func.min(LoginFailure.at)).where(
            LoginFailure.account == account,
            LoginFailure.address == network,
            LoginFailure.at > ago(minutes=MINUTES),
        )
        count, first_at = db.session.execute(of_pair).one()
        if count >= PER_PAIR:
            raise _too_many(first_at)
        is_blocked = state.in_a_row >= IN_A_ROW and state.last_failure_at > ago(minutes=MINUTES)
        if is_blocked and not (user and has_signed_in_from(user.id, address)):
            raise _too_many(state.last_failure_at)
        db.session.add(LoginFailure(account=account, address=network, at=moment))
        in_a_row = min(state.in_a_row, 10**6) + 1
        upsert(LoginAccount, account=account, in_a_row=in_a_row, last_failure_at=moment)


def reset_failures(user: User, address: str) -> None:
    """Reset both counts after a successful login."""
    account = _account_of(user, "")
    with transaction():
        _delete(LoginAccount, LoginAccount.account == account)
        _delete(
            LoginFailure,
            LoginFailure.account == account,
            LoginFailure.address == network_of(address),
        )


def unlock(user: User) -> None:
    """Reset all counts of an account."""
    account = _account_of(user, "")
    with transaction():
        _delete(LoginAccount, LoginAccount.account == account)
        _delete(LoginFailure, LoginFailure.account == account)


def purge() -> int:
    with transaction():
        return _delete(LoginFailure, LoginFailure.at < ago(minutes=MINUTES)) + _delete(
            LoginAccount, LoginAccount.last_failure_at < ago(days=1)
        )


def _account_of(user: User | None, name: str) -> str:
    """Return the key of the account; an unknown name has one, too."""
    if user is not None:
        return f"user:{user.id}"
    return f"name:{hashlib.sha256(key_of(name).encode()).hexdigest()}"


def _delete(model: type[Any], *conditions: Any) -> int:
    return affected_rows(delete(model).where(*conditions))


def _too_many(since: str) -> RateLimited:
    wait = MINUTES * 60 - seconds_since(since)
    return RateLimited("Too many failed logins. Try again later.", retry_after=int(wait) + 1)
