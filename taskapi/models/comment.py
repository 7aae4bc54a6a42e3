"""Comments on tasks."""

from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from taskapi.db import Id, Row, Timestamp, now, partial
from taskapi.errors import Forbidden, NotFound
from taskapi.extensions import db
from taskapi.listing import Listing
from taskapi.models import event
from taskapi.models.project import Viewer
from taskapi.models.task import is_audited, task_json
from taskapi.models.user import name_of

FIELDS = ("id", "task_id", "user_id", "username", "text", "created_at", "updated_at", "version")


class Comment(db.Model):
    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    task_id: Mapped[int] = mapped_column(Id, ForeignKey("tasks.id", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(Timestamp)
    updated_at: Mapped[str] = mapped_column(Timestamp)
    version: Mapped[int] = mapped_column()
    username: Mapped[str | None] = column_property(name_of(user_id))

    __table_args__ = (
        Index("ix_comments_task", "task_id", "id"),
        Index("ix_comments_user", "user_id", **partial("user_id IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": version}

    @classmethod
    def of_task(cls, task: Row, comment_id: int) -> "Comment":
        """Lock and return the comment, or raise NotFound."""
        comment = db.session.get(cls, comment_id, with_for_update=True)
        if comment is None or comment.task_id != task.id:
            raise NotFound("Comment not found.")
        return comment

    @classmethod
    def create(cls, task: Row, author_id: int, text: str) -> "Comment":
        """Add a comment to a task that the author can write."""
        comment = cls(task_id=task.id, user_id=author_id, text=text)
        comment.created_at = comment.updated_at = now()
        db.session.add(comment)
        db.session.flush()
        data = {"comment": comment_json(comment)}
        comment._record("comment.created", task, [None, comment.id], data)
        return comment

    def require_author(self, caller: Viewer) -> None:
        if self.user_id != caller.id:
            raise Forbidden("Only the author can update a comment.")

    def require_author_or_owner(self, task: Row, caller: Viewer) -> None:
        if not (caller.is_admin or task.role == "owner" or self.user_id == caller.id):
            raise Forbidden("Only the author and owners of the project can delete a comment.")

    def update(self, task: Row, text: str) -> None:
        if text != self.text:
            self.text, self.updated_at = text, now()
            db.session.flush()
            self._record("comment.updated", task, [self.id, self.id])

    def delete(self, task: Row) -> None:
        db.session.delete(self)
        db.session.flush()
        self._record("comment.deleted", task, [self.id, None])

    def _record(self, action: str, task: Row, change: list[int | None], data: Any = None) -> None:
        shown = task_json(task)
        event.record(
            action,
            task_id=shown.pop("id"),
            project_id=task.project_id,
            user_id=task.user_id,
            version=task.version,
            changes={"comment_id": change},
            task=shown,
            data=data,
            is_audit=is_audited(task),
        )


LISTING = Listing(
    columns=(*Comment.__table__.c, name_of(Comment.user_id)), filters={"task_id": Comment.task_id}
)


def comment_json(comment: Any) -> dict[str, Any]:
    return {name: getattr(comment, name) for name in FIELDS}
