"""Jobs: imports that take longer than a request."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Json, Timestamp, affected_rows, ago, from_now, now, partial, transaction
from taskapi.errors import ApiError, Conflict, NotFound
from taskapi.extensions import db
from taskapi.listing import Listing
from taskapi.models import event
from taskapi.models.claim import Claimable
from taskapi.models.user import User

STATUSES = ("queued", "running", "done", "failed")
IMPORT = "tasks.import"
KINDS = (IMPORT,)
GAPS = (5, 30, 120, 600)  # seconds between attempts after temporary errors
MAX_UNFINISHED = 3  # imports per user
KEPT_DAYS = 90


class LostClaim(Exception):
    """Another worker has taken the job over."""


class Job(Claimable, db.Model):
    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    project_id: Mapped[int | None] = mapped_column(Id)  # of the tasks, by default the Inbox
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(7))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)  # code, message, details
    attempts: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[str] = mapped_column(Timestamp)
    created_at: Mapped[str] = mapped_column(Timestamp)
    finished_at: Mapped[str | None] = mapped_column(Timestamp)
    address: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(128))

    __table_args__ = (
        Index("ix_jobs_user", "user_id", "id"),
        Index("ix_jobs_waiting", "run_at", **partial("finished_at IS NULL")),
        Index("ix_jobs_finished_at", "finished_at"),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def of_user(cls, user_id: int, job_id: int) -> "Job":
        """Return a job of the user, or raise NotFound."""
        job = db.session.scalar(select(cls).where(cls.id == job_id, cls.user_id == user_id))
        if job is None:
            raise NotFound("Job not found.")
        return job

    @classmethod
    def new_import(cls, user_id: int, **fields: Any) -> "Job":
        """Insert an import by the user, with the origin of the request."""
        source, moment = event.origin.get(), now()
        job = cls(
            user_id=user_id,
            kind=IMPORT,
            run_at=moment,
            created_at=moment,
            address=source.address,
            request_id=source.request_id,
            **fields,
        )
        db.session.add(job)
        db.session.flush()
        return job

    def start(self, total: int) -> None:
        self.status, self.total, self.attempts = "running", total, self.attempts + 1

    def finish(self, result: dict[str, Any]) -> None:
        self.result = result
        self._end("done")

    def fail(self, error: ApiError) -> None:
        details = {"details": dict(error.details)} if error.details else {}
        self.error = {"code": error.code, "message": error.message, **details}
        self.done = 0
        self._end("failed")

    def retry(self, seconds: float = 0) -> None:
        """Return the job to the queue."""
        self.status, self.done, self.run_at = "queued", 0, from_now(seconds=seconds)
        self.release()

    def _end(self, status: str) -> None:
        self.status, self.finished_at = status, now()
        self.release()
        db.session.execute(delete(JobUpload).where(JobUpload.job_id == self.id))


class JobUpload(db.Model):
    """The file of an import, in the database because web and worker processes share no disk."""

    __tablename__ = "job_uploads"

    job_id: Mapped[int] = mapped_column(
        Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    format: Mapped[str] = mapped_column(String(4))
    body: Mapped[str] = mapped_column(Text)


LISTING = Listing(columns=Job.__table__.c, filters={"user_id": Job.user_id, "status": Job.status})


def enqueue_import(user_id: int, file_format: str, body: str, project_id: int | None = None) -> Job:
    """Enqueue the import of a file."""
    with transaction():
        # Concurrent requests wait here, and count each other's imports.
        owner = select(User.id).where(User.id == user_id).with_for_update(key_share=True)
        db.session.execute(owner)
        unfinished = (Job.user_id == user_id, Job.finished_at.is_(None))
        count = db.session.scalar(select(func.count()).select_from(Job).where(*unfinished)) or 0
        if count >= MAX_UNFINISHED:
            raise Conflict(f"A user can have at most {MAX_UNFINISHED} unfinished imports.")
        job = Job.new_import(user_id, status="queued", project_id=project_id)
        db.session.add(JobUpload(job_id=job.id, format=file_format, body=body))
    return job


def purge() -> int:
    old = delete(Job).where(Job.finished_at < ago(days=KEPT_DAYS))
    with transaction():
        return affected_rows(old)
