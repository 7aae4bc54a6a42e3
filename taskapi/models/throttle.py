"""Brute-force protection: failed logins, counted in the database for all machines together.

Ten failures within 15 minutes block an account for one address. A hundred in a row block an account
for all addresses that have not logged in to it recently.
"""

import hashlib

from sqlalchemy import Index, String, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Timestamp, affected_rows, ago, now, seconds_since, transaction
from taskapi.errors import RateLimited
from taskapi.extensions import db
from taskapi.models.session import has_signed_in_from, network_of
from taskapi.models.user import User, key_of

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


def count_attempt(user: User | None, name: str, address: str) -> None:
    """Count an attempt as failed before the password is checked, or raise RateLimited."""
    account, network, moment = _account_of(user, name), network_of(address), now()
    new = insert(LoginAccount).values(account=account, in_a_row=0, last_failure_at=moment)
    # Creates or locks the row, so that concurrent attempts are counted one after another.
    lock = new.on_conflict_do_update(index_elements=["account"], set_={"account": account})
    with transaction():
        failures = db.session.scalars(
            lock.returning(LoginAccount), execution_options={"populate_existing": True}
        ).one()
        of_pair = select(func.count(), func.min(LoginFailure.at)).where(
            LoginFailure.account == account,
            LoginFailure.address == network,
            LoginFailure.at > ago(minutes=MINUTES),
        )
        count, first_at = db.session.execute(of_pair).one()
        if count >= PER_PAIR:
            raise _too_many(first_at)
        last_at = failures.last_failure_at
        is_blocked = failures.in_a_row >= IN_A_ROW and last_at > ago(minutes=MINUTES)
        if is_blocked and not (user and has_signed_in_from(user.id, address)):
            raise _too_many(last_at)
        db.session.add(LoginFailure(account=account, address=network, at=moment))
        failures.in_a_row += 1
        failures.last_failure_at = moment


def reset_failures(user: User, address: str | None = None) -> None:
    """Reset the count of failures in a row, and those from one address or from all."""
    account = _account_of(user, "")
    failures = delete(LoginFailure).where(LoginFailure.account == account)
    if address is not None:
        failures = failures.where(LoginFailure.address == network_of(address))
    with transaction():
        db.session.execute(delete(LoginAccount).where(LoginAccount.account == account))
        db.session.execute(failures)


def purge() -> int:
    failures = delete(LoginFailure).where(LoginFailure.at < ago(minutes=MINUTES))
    accounts = delete(LoginAccount).where(LoginAccount.last_failure_at < ago(days=1))
    with transaction():
        return affected_rows(failures) + affected_rows(accounts)


def _account_of(user: User | None, name: str) -> str:
    """Return the key of the account; an unknown name has one, too."""
    if user is not None:
        return f"user:{user.id}"
    return f"name:{hashlib.sha256(key_of(name).encode()).hexdigest()}"


def _too_many(since: str) -> RateLimited:
    wait = MINUTES * 60 - seconds_since(since)
    return RateLimited("Too many failed logins. Try again later.", retry_after=int(wait) + 1)
