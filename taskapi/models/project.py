"""Projects, their members and permissions.

Every task is in one project, and all permissions come from the project. Each user has an Inbox, a
project that cannot have other members.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, and_, bindparam, or_, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from taskapi.db import INTEGRITY_ERRORS, CaseFolded, Choice, Id, Timestamp, now, transaction
from taskapi.errors import Conflict, Forbidden, Invalid, NotFound
from taskapi.extensions import db
from taskapi.listing import Filter, Flag, Listing, search
from taskapi.models import event
from taskapi.models.user import User, name_of
from taskapi.statement import Statement

ROLES = ("viewer", "editor", "owner")  # each has the permissions of those before it
EDITORS = ("editor", "owner")
MEMBER_FIELDS = ("user_id", "username", "role", "created_at")
PROJECT_FIELDS = (
    *("id", "name", "description", "is_inbox", "is_archived", "role"),
    *("created_at", "updated_at", "version"),
)


class Viewer(Protocol):
    """A user whose permissions are checked."""

    @property
    def id(self) -> int: ...
    @property
    def is_admin(self) -> bool: ...


class Owner(NamedTuple):
    """The owner of a calendar or a job."""

    id: int
    is_admin: bool = False


class Project(db.Model):
    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(CaseFolded)
    description: Mapped[str | None] = mapped_column(Text)
    # The user whose Inbox it is; deleted with the user.
    inbox_user_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), unique=True
    )
    is_archived: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[str] = mapped_column(Timestamp)
    updated_at: Mapped[str] = mapped_column(Timestamp)
    version: Mapped[int] = mapped_column()

    __table_args__ = ({"sqlite_autoincrement": True},)
    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": version}

    role = "owner"  # of the caller; not a column

    @classmethod
    def visible_to(cls, caller: Viewer) -> "VisibleProjects":
        return VisibleProjects(caller)

    @classmethod
    def create(cls, owner_id: int, **fields: Any) -> "Project":
        with transaction():
            project = cls(**fields, created_at=now(), updated_at=now())
            project.name_key = project.name.casefold()
            db.session.add(project)
            db.session.flush()
            db.session.add(Membership(project_id=project.id, user_id=owner_id, role="owner"))
            if not project.is_inbox:
                project.record("project.created")
        return project

    @property
    def etag(self) -> str:
        """Return the project with the role of the caller."""
        return f"{self.id}-{self.version}-{self.role}"

    @property
    def is_inbox(self) -> bool:
        return self.inbox_user_id is not None

    def update(self, changes: dict[str, Any]) -> None:
        """Update a locked project; the version changes only if a field does."""
        changed = {
            name: [old, new] for name, new in changes.items() if (old := getattr(self, name)) != new
        }
        if not changed:
            return
        if changed.keys() & {"name", "is_archived"}:
            self.refuse_inbox("be renamed or archived")
        for name, (_, new) in changed.items():
            setattr(self, name, new)
        self.name_key = self.name.casefold()
        self.updated_at = now()
        db.session.flush()
        self.record("project.updated", changes=changed)

    def refuse_inbox(self, what: str) -> None:
        if self.is_inbox:
            raise Conflict(f"An Inbox cannot {what}.")

    def member(self, user_id: int) -> "Membership":
        """Return the membership, or raise NotFound."""
        membership = db.session.get(Membership, (self.id, user_id), populate_existing=True)
        if membership is None:
            raise NotFound("Member not found.")
        return membership

    def add_member(self, user: User, role: str) -> "Membership":
        """Add a member to a locked project."""
        self.refuse_inbox("have other members")
        if db.session.get(Membership, (self.id, user.id), populate_existing=True) is not None:
            raise Conflict("This user is already a member.")
        if role != "owner" and not self.has_active_owner():
            raise Conflict("The project has no active owner. Add this user as owner.")
        membership = Membership(project_id=self.id, user_id=user.id, role=role)
        db.session.add(membership)
        try:
            db.session.flush()
        except INTEGRITY_ERRORS:  # deleted at the same time
            raise missing_member() from None
        self.record_member("project.member_added", membership)
        return membership

    def change_role(self, user_id: int, role: str) -> "Membership":
        """Change the role of a member of a locked project."""
        membership = self.member(user_id)
        if membership.role != role:
            self._keep_an_owner(membership)
            changes = {"role": [membership.role, role]}
            membership.role = role
            db.session.flush()
            self.record("project.member_updated", user_id=user_id, changes=changes)
        return membership

    def remove_member(self, user_id: int) -> None:
        """Remove a member of a locked project; the caller has to clear their assignments."""
        membership = self.member(user_id)
        self._keep_an_owner(membership)
        self.drop_member(membership)

    def drop_member(self, membership: "Membership") -> None:
        """Remove a member who may be the last owner."""
        db.session.delete(membership)
        db.session.flush()
        self.record_member("project.member_removed", membership)

    def record(self, action: str, **fields: Any) -> None:
        event.record(action, project_id=self.id, **fields)

    def record_member(self, action: str, membership: "Membership") -> None:
        project = project_json(self)
        del project["role"]  # depends on the caller
        data = {"project": project, "member": member_json(membership)}
        self.record(action, user_id=membership.user_id, data=data)

    def _keep_an_owner(self, leaving: "Membership") -> None:
        if leaving.role == "owner" and not self.has_active_owner(besides=leaving.user_id):
            raise Conflict("A project needs an active owner. Make another member an owner first.")

    def has_active_owner(self, besides: int = 0) -> bool:
        """Return whether there is an active owner, and lock them."""
        others = self._active_members(besides).where(Membership.role == "owner")
        return db.session.scalar(others.with_for_update(read=True, of=User)) is not None

    def next_owner(self, besides: int) -> int | None:
        """Return the longest-standing active editor, else viewer."""
        by_standing = (Membership.role.desc(), Membership.created_at, Membership.user_id)
        members = self._active_members(besides).order_by(*by_standing)
        return db.session.scalar(members.with_for_update(read=True, of=User))

    def _active_members(self, besides: int) -> Any:
        members = select(Membership.user_id).join(User, User.id == Membership.user_id)
        return members.where(
            Membership.project_id == self.id, Membership.user_id != besides, User.is_active
        )


class Membership(db.Model):
    __tablename__ = "memberships"

    project_id: Mapped[int] = mapped_column(
        Id, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    role: Mapped[str] = mapped_column(Choice(ROLES))
    created_at: Mapped[str] = mapped_column(Timestamp, default=now)
    username: Mapped[str] = column_property(name_of(user_id))

    __table_args__ = (Index("ix_memberships_user", "user_id", "project_id"),)


def is_member(project_id: Any, user_id: Any, *conditions: Any) -> Any:
    """Return the condition that a user is a member of a project."""
    mine = select(Membership.project_id).where(Membership.user_id == user_id, *conditions)
    return mine.where(Membership.project_id == project_id).exists()


def projects_of(user_id: Any) -> Any:
    """Return the ids of a user's projects that are not archived."""
    mine = select(Membership.project_id).where(Membership.user_id == user_id)
    return mine.join(Project, Project.id == Membership.project_id).where(~Project.is_archived)


_find_role = (
    select(Project.id, Membership.role)
    .outerjoin(
        Membership,
        and_(Membership.project_id == Project.id, Membership.user_id == bindparam("caller_id")),
    )
    .where(Project.id == bindparam("project_id"))
)
FIND_ROLE = Statement(_find_role)
# While it is locked, the project cannot be deleted.
LOCK_ROLE = Statement(_find_role.with_for_update(read=True, key_share=True, of=Project))


@dataclass(frozen=True)
class VisibleProjects:
    """The projects that a user can see."""

    caller: Viewer

    def get(self, project_id: int, *, lock: bool = False) -> Project:
        """Return the project with the role of the caller, or raise NotFound."""
        lock_as = {"key_share": True} if lock else None
        project = db.session.get(
            Project, project_id, populate_existing=True, with_for_update=lock_as
        )
        role = project and self._role(project_id)
        if project is None or role is None:
            raise NotFound("Project not found.")
        project.role = role
        return project

    def get_as_owner(self, project_id: int) -> Project:
        """Lock and return the project for an owner or admin, or raise Forbidden."""
        project = self.get(project_id, lock=True)
        if not (self.caller.is_admin or project.role == "owner"):
            raise Forbidden("Project role 'owner' required.")
        return project

    def require(self, project_id: int) -> None:
        """Raise Invalid unless the caller can see the project of a parameter or field."""
        if self._role(project_id) is None:
            raise missing_project()

    def require_editor(self, project_id: int, *, is_in_path: bool = False) -> str:
        """Return the role of a caller who can write tasks of the project, and lock it."""
        role = self._role(project_id, LOCK_ROLE)
        if role is None:
            raise NotFound("Project not found.") if is_in_path else missing_project()
        require_editor(role, self.caller)
        return role

    def filters(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the filters of a list, restricted to these projects."""
        which = "listed_for_admin" if self.caller.is_admin else "member"
        return {**given, which: self.caller.id}

    def _role(self, project_id: int, find: Statement = FIND_ROLE) -> str | None:
        found = find.first(project_id=project_id, caller_id=self.caller.id)
        if found is None:
            return None
        role: str | None = found.role
        return role or ("admin" if self.caller.is_admin else None)


def require_editor(role: str | None, caller: Viewer) -> None:
    """Raise Forbidden for a viewer."""
    if role not in EDITORS and not caller.is_admin:
        raise Forbidden("Project role 'editor' required.")


def missing_member() -> Invalid:
    return Invalid({"user": ["User not found."]})


def missing_project() -> Invalid:
    return Invalid({"project_id": ["Project not found."]})


_joined = select(Membership.project_id)
_own_role = select(Membership.role).where(
    Membership.project_id == Project.id, Membership.user_id == bindparam("caller_id")
)
LISTING = Listing(
    columns=(
        *Project.__table__.c,
        Project.inbox_user_id.is_not(None).label("is_inbox"),
        _own_role.scalar_subquery().label("role"),
    ),
    filters={
        "member": Filter(lambda value: Project.id.in_(_joined.where(Membership.user_id == value))),
        "listed_for_admin": Filter(
            lambda value: or_(Project.inbox_user_id.is_(None), Project.inbox_user_id == value)
        ),
        "is_archived": Flag(Project.is_archived),
        "q": search(Project.name_key),
    },
    sorts={"name": Project.__table__.c.name_key, "created_at": Project.__table__.c.created_at},
)
MEMBER_LISTING = Listing(
    columns=(
        *(Membership.__table__.c[name] for name in ("user_id", "role", "created_at")),
        name_of(Membership.user_id),
    ),
    filters={"project_id": Membership.project_id},
)


def project_json(project: Any) -> dict[str, Any]:
    shown = {name: getattr(project, name) for name in PROJECT_FIELDS}
    return shown | {"role": project.role or "admin"}


def member_json(membership: Any) -> dict[str, Any]:
    return {name: getattr(membership, name) for name in MEMBER_FIELDS}
