"""Users: names, roles and passwords. There is always an active admin."""

import unicodedata
from typing import Any, ClassVar

from sqlalchemy import String, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import INTEGRITY_ERRORS, Id, Timestamp, now, transaction
from taskapi.errors import ApiError, Conflict, Invalid, NotFound, Unauthorized
from taskapi.extensions import db
from taskapi.listing import Flag, Listing, search
from taskapi.models import event
from taskapi.models.password import hash_password, is_outdated, validate_password

ROLES = ("user", "admin")


class User(db.Model):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    username: Mapped[str | None] = mapped_column(String(50))  # None: the e-mail is the username
    name_key: Mapped[str] = mapped_column(String(320), unique=True)  # normalised, for comparison
    email: Mapped[str | None] = mapped_column(String(254))
    email_key: Mapped[str | None] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str] = mapped_column(String(60))
    role: Mapped[str] = mapped_column(String(5))
    is_active: Mapped[bool]
    created_at: Mapped[str] = mapped_column(Timestamp, index=True)
    updated_at: Mapped[str] = mapped_column(Timestamp)
    version: Mapped[int] = mapped_column()

    __table_args__ = ({"sqlite_autoincrement": True},)
    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": version}

    @property
    def name(self) -> str:
        return self.username or self.email or ""

    @classmethod
    def get(cls, user_id: int) -> "User":
        """Return the user, or raise NotFound."""
        user = db.session.get(cls, user_id, populate_existing=True)
        if user is None:
            raise missing_user(user_id)
        return user

    @classmethod
    def by_name(cls, name: str) -> "User | None":
        """Return the user with this username or e-mail, case-insensitively."""
        key = key_of(name)
        return db.session.scalar(select(cls).where(or_(cls.name_key == key, cls.email_key == key)))

    @classmethod
    def lock(cls, user_id: int, new_owner_id: int | None = None) -> "User":
        """Lock the user, the new owner of their tasks and every active admin, or raise NotFound.

        In the order of ids, so that two admins who demote each other do not deadlock. Foreign keys
        to the locked rows do not wait.
        """
        is_active_admin = (cls.role == "admin") & cls.is_active
        wanted = or_(cls.id == user_id, cls.id == new_owner_id, is_active_admin)
        query = select(cls).where(wanted).order_by(cls.id).with_for_update(key_share=True)
        locked = db.session.scalars(query.execution_options(populate_existing=True)).all()
        for user in locked:
            if user.id == user_id:
                return user
        raise missing_user(user_id)

    @classmethod
    def build(
        cls,
        *,
        password: str,
        username: str | None = None,
        email: str | None = None,
        role: str = "user",
        is_active: bool = True,
    ) -> "User":
        """Validate the fields of a new user and hash the password. Slow: not in a transaction."""
        names = _names(username, email)
        validate_password(password, _own_names(names))
        _refuse_taken(names, user_id=0)  # the unique constraint decides a race
        return cls(**names, role=role, is_active=is_active, password_hash=hash_password(password))

    def insert(self) -> None:
        """Insert a user, or raise Conflict if a name is taken."""
        self.created_at = self.updated_at = now()
        db.session.add(self)
        _flush()
        event.record("user.created", user_id=self.id, changes={"role": [None, self.role]})

    def hash_new_password(self, password: str, field: str = "password", **names: Any) -> str:
        """Validate and hash a new password. Slow: not in a transaction."""
        own = _names(names.get("username", self.username), names.get("email", self.email))
        validate_password(password, _own_names(own), field)
        return hash_password(password)

    def update(self, changes: dict[str, Any]) -> None:
        """Update a locked user; the version changes only if a field does."""
        fields = ("username", "email", "role", "is_active")
        before = {name: getattr(self, name) for name in (*fields, "password_hash")}
        after = before | changes
        changed = {
            name: [before[name], after[name]] for name in fields if before[name] != after[name]
        }
        if after == before:
            return
        after |= _names(after["username"], after["email"])
        self._keep_an_admin(stays=after["role"] == "admin" and after["is_active"])
        _refuse_taken(after, self.id)
        for name, value in after.items():
            setattr(self, name, value)
        self.updated_at = now()
        _flush()
        if changed:
            event.record("user.updated", user_id=self.id, changes=changed)
        if after["password_hash"] != before["password_hash"]:
            event.record("password.changed", user_id=self.id)

    def rehash(self, password: str) -> None:
        """Hash a correct password again if the cost has changed."""
        if not is_outdated(self.password_hash):
            return
        newer = hash_password(password)
        mine = (User.id == self.id) & (User.password_hash == self.password_hash)
        # By a statement, because this does not change the version.
        change = update(User).where(mine).values(password_hash=newer, version=User.version)
        with transaction():
            db.session.execute(change, execution_options={"synchronize_session": "fetch"})

    def delete(self) -> None:
        """Delete a locked user; models/team.py handles their tasks and projects."""
        self._keep_an_admin(stays=False)
        db.session.delete(self)
        db.session.flush()
        event.record("user.deleted", user_id=self.id, changes={"username": [self.name, None]})

    def _keep_an_admin(self, *, stays: bool) -> None:
        if stays or not (self.role == "admin" and self.is_active):
            return
        active = select(func.count()).select_from(User).where(User.role == "admin", User.is_active)
        if db.session.scalar(active) == 1:
            raise Conflict("This is the last active admin. Make another user an admin first.")


def key_of(name: str) -> str:
    """Normalise a username or e-mail for comparison."""
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


LISTING = Listing(
    columns=(*User.__table__.c, func.coalesce(User.username, User.email).label("name")),
    filters={
        "role": User.role,
        "is_active": Flag(User.is_active),
        "q": search(User.name_key, User.email_key, normalize=key_of),
    },
    sorts={"username": User.__table__.c.name_key, "created_at": User.__table__.c.created_at},
)


def name_of(user_id: Any) -> Any:
    """Return SQL for the name of a user."""
    found = select(func.coalesce(User.username, User.email)).where(User.id == user_id)
    return found.correlate_except(User).scalar_subquery().label("username")


def missing_user(user_id: int) -> ApiError:
    if user_id == event.origin.get().actor_id:  # deleted since the request was authenticated
        return Unauthorized("This account was deleted.", code="TOKEN_REVOKED")
    return NotFound("User not found.")


def _names(username: str | None, email: str | None) -> dict[str, Any]:
    if not (username or email):
        raise Invalid({"username": ["A username or an e-mail is required."]})
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
    taken = User.name_key == names["name_key"]
    if names["email_key"]:
        taken |= User.email_key == names["email_key"]
    query = select(User.email_key).where(taken, User.id != user_id)
    other = db.session.execute(query).first()
    if other is not None:
        is_email = other.email_key is not None and other.email_key == names["email_key"]
        raise _taken("email" if is_email else "username")


def _flush() -> None:
    try:
        db.session.flush()
    except INTEGRITY_ERRORS:
        raise _taken() from None


def _taken(field: str = "username") -> Conflict:
    return Conflict(f"{field}: Already taken.", details={field: ["Already taken."]})
