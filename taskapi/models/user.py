"""Users: their names, roles and passwords, and that there is always an active admin."""

import re
import unicodedata
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    String,
    bindparam,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from taskapi.database import Id, Moment, Query, Row, integrity_error, transaction
from taskapi.errors import ApiError, Conflict, Invalid, NotFound, Unauthorized
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.page import Filter, Flag, Listing, as_pattern, contains
from taskapi.models.password import hash_password, refuse_weak
from taskapi.moments import now

USERNAME = re.compile(r"[A-Za-z0-9._-]{3,50}")
ROLES = ("user", "admin")

users = db.Table(
    "users",
    Column("id", Id, primary_key=True),
    Column("username", String(50)),  # None: the e-mail serves as one
    Column("name_key", String(320), nullable=False, unique=True),  # the name, as compared
    Column("email", String(254)),
    Column("email_key", String(320), unique=True),
    Column("password_hash", String(60), nullable=False),
    Column("role", String(5), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("updated_at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    sqlite_autoincrement=True,
)

STORED = [c.name for c in users.c if c.name not in ("id", "created_at")]
_by_id = users.c.id == bindparam("id")
_is_active_admin = (users.c.role == "admin") & users.c.is_active

BY_ID = Query(select(users).where(_by_id))
BY_NAME = Query(
    select(users).where(
        or_(users.c.name_key == bindparam("key"), users.c.email_key == bindparam("key"))
    )
)
# The row to change, an heir and every active admin, locked in the order of their ids: whoever
# demotes an admin waits for whoever demotes another, and nobody waits in a circle. What they
# write meanwhile does not wait: a foreign key only asks that the row stays.
LOCK_WITH_ADMINS = Query(
    select(users)
    .where(or_(_by_id, users.c.id == bindparam("heir_id", type_=Id), _is_active_admin))
    .order_by(users.c.id)
    .with_for_update(key_share=True)
)
LOCK_OUT = Query(select(users.c.id).where(_by_id).with_for_update())
INSERT = Query(
    insert(users)
    .values({c.name: bindparam(c.name) for c in users.c if c.name != "id"})
    .returning(users)
)
UPDATE = Query(
    update(users)
    .where(_by_id, users.c.version == bindparam("read_version"))
    .values({name: bindparam(name) for name in STORED})
    .returning(users)
)
DELETE = Query(delete(users).where(_by_id))
REHASH = Query(
    update(users)
    .where(_by_id, users.c.password_hash == bindparam("old_hash"))
    .values(password_hash=bindparam("password_hash"))
)
OTHERS_WITH_KEY = Query(
    select(users.c.name_key, users.c.email_key).where(
        or_(users.c.name_key == bindparam("name_key"), users.c.email_key == bindparam("email_key")),
        users.c.id != bindparam("id"),
    )
)
ALL = Query(select(users).order_by(users.c.id))
LISTING = Listing(
    columns=tuple(users.c),
    filters={
        "role": Filter(lambda value: users.c.role == value),
        "is_active": Flag(users.c.is_active, not_(users.c.is_active)),
        "q": Filter(
            lambda value: or_(
                contains(users.c.name_key)(value), contains(users.c.email_key)(value)
            ),
            lambda text: as_pattern(key_of(text)),
        ),
    },
    sorts={"username": users.c.name_key, "created_at": users.c.created_at},
)
COUNT_ACTIVE_ADMINS = Query(select(func.count()).select_from(users).where(_is_active_admin))


def user_json(user: Row) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": name_of(user),
        "email": user.email,
        "role": user.role,
        "is_active": bool(user.is_active),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "version": user.version,
    }


def name_of(user: Row) -> str:
    name: str = user.username or user.email
    return name


def key_of(name: str) -> str:
    """A name or e-mail as it is compared."""
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


def user_by_id(user_id: int) -> Row:
    user = BY_ID.first(id=user_id)
    if user is None:
        raise _missing(user_id)
    return user


def user_by_name(name: str) -> Row | None:
    return BY_NAME.first(key=key_of(name))


def create_user(**fields: Any) -> Row:
    """A new user, or Conflict when a name is taken; see prepare_user for the fields."""
    return insert_user(prepare_user(**fields))


def prepare_user(
    *,
    password: str,
    username: str | None = None,
    email: str | None = None,
    role: str = "user",
    is_active: bool = True,
) -> dict[str, Any]:
    """What is slow about a new user, checking and hashing, to be done outside a transaction."""
    names = _names(username, email)
    refuse_weak(password, _own_names(names))
    _refuse_taken(names, user_id=0)  # the constraint decides a race
    return {
        **names,
        "role": role,
        "is_active": is_active,
        "password_hash": hash_password(password),
    }


def insert_user(prepared: dict[str, Any]) -> Row:
    moment = now()
    with transaction():
        try:
            user = INSERT.first(**prepared, created_at=moment, updated_at=moment, version=1)
        except integrity_error():
            raise _taken() from None
        assert user is not None
        event.record("user.created", user_id=user.id, changes={"role": [None, user.role]})
    return user


def hash_new_password(user: Row, password: str, field: str = "password") -> str:
    """The hash of a password that is good enough for this user; slow, so not in a transaction."""
    refuse_weak(password, _own_names(_names(user.username, user.email)), field)
    return hash_password(password)


def lock_user(user_id: int, heir_id: int | None = None) -> Row:
    """The user, held until the end of the transaction, with their heir and every active admin."""
    for row in LOCK_WITH_ADMINS.all(id=user_id, heir_id=heir_id):
        if row.id == user_id:
            return row
    raise _missing(user_id)


def lock_out(user_id: int) -> None:
    """From now on nothing new becomes theirs; what was just being written is waited for."""
    LOCK_OUT.run(id=user_id)


def _missing(user_id: int) -> ApiError:
    if user_id == event.origin.get().actor_id:  # who was deleted since they were let in
        return Unauthorized("This account was deleted.", code="TOKEN_REVOKED")
    return NotFound("There is no such user.")


def change_user(user: Row, changes: dict[str, Any]) -> Row:
    """Apply the changes to a locked user; the version rises only if something changed."""
    values = {name: getattr(user, name) for name in STORED} | changes
    values |= _names(values["username"], values["email"])
    changed = {
        name: [getattr(user, name), values[name]]
        for name in ("username", "email", "role", "is_active")
        if getattr(user, name) != values[name]
    }
    has_new_password = values["password_hash"] != user.password_hash
    if not changed and not has_new_password:
        return user
    _keep_an_admin(user, stays=values["role"] == "admin" and values["is_active"])
    _refuse_taken(values, user.id)
    values.update(updated_at=now(), version=user.version + 1)
    try:
        stored = UPDATE.first(**values, id=user.id, read_version=user.version)
    except integrity_error():
        raise _taken() from None
    assert stored is not None
    if changed:
        event.record("user.updated", user_id=user.id, changes=changed)
    if has_new_password:
        event.record("password.changed", user_id=user.id)
    return stored


def delete_user(user: Row) -> None:
    """Remove a locked user, and with them all that is theirs."""
    _keep_an_admin(user, stays=False)
    DELETE.run(id=user.id)
    event.record("user.deleted", user_id=user.id, changes={"username": [name_of(user), None]})


def _keep_an_admin(user: Row, *, stays: bool) -> None:
    is_admin = user.role == "admin" and user.is_active
    if is_admin and not stays and COUNT_ACTIVE_ADMINS.value() == 1:
        raise Conflict("This is the last active admin; make another one first.")


def _names(username: str | None, email: str | None) -> dict[str, Any]:
    if not (username or email):
        raise Invalid({"username": ["A username or an e-mail is needed."]})
    return {
        "username": username,
        "email": email,
        "name_key": key_of(username or email or ""),
        "email_key": key_of(email) if email else None,
    }


def _own_names(names: dict[str, Any]) -> set[str]:
    email = names["email_key"] or ""
    return {names["name_key"], email, email.partition("@")[0]} - {""}


def _refuse_taken(names: dict[str, Any], user_id: int) -> None:
    for other in OTHERS_WITH_KEY.all(
        id=user_id, name_key=names["name_key"], email_key=names["email_key"]
    ):
        is_email = other.email_key is not None and other.email_key == names["email_key"]
        raise _taken("email" if is_email else "username")


def _taken(field: str = "username") -> Conflict:
    return Conflict(f"{field}: Already taken.", details={field: ["Already taken."]})
