"""Projects: every user gets an Inbox, and every task goes to the Inbox of its owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Timestamp = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
CaseFolded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "20261127_projects"
down_revision = "20261127_rebuild"
branch_labels = None
depends_on = None

LISTED = (
    ("ix_tasks_created", "created_at", "id"),
    ("ix_tasks_status_created", "status", "created_at", "id"),
    ("ix_tasks_due", "due_at", "id"),
    ("ix_tasks_priority", "priority", "id"),
    ("ix_tasks_status_due", "status", "due_at", "id"),
    ("ix_tasks_status_priority", "status", "priority", "id"),
)
OTHERS = (
    (
        "ix_tasks_overdue",
        ("due_at",),
        "due_at IS NOT NULL AND status <> 2 AND overdue_notified_at IS NULL AND deleted_at IS NULL",
    ),
    ("ix_tasks_trash", ("deleted_at",), "deleted_at IS NOT NULL"),
)


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", CaseFolded, nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("inbox_user_id", Id, nullable=True),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbox_user_id"],
            ["users.id"],
            name="fk_projects_inbox_user_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("inbox_user_id", name="uq_projects_inbox_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("project_id", Id, autoincrement=False, nullable=False),
        sa.Column("user_id", Id, autoincrement=False, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name="fk_memberships_project_id_projects",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_memberships_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_user", "memberships", ["user_id", "project_id"])
    op.execute(
        "INSERT INTO projects"
        " (name, name_key, inbox_user_id, is_archived, created_at, updated_at, version)"
        " SELECT 'Inbox', 'inbox', id, false, created_at, created_at, 1 FROM users ORDER BY id"
    )
    op.execute(
        "INSERT INTO memberships (project_id, user_id, role, created_at)"
        " SELECT id, inbox_user_id, 2, created_at FROM projects"
    )
    op.create_table(
        "comments",
        sa.Column("id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name="fk_comments_task_id_tasks", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_comments_user_id_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_comments"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_comments_task", "comments", ["task_id", "id"])
    op.create_index("ix_comments_user", "comments", ["user_id"], **partial("user_id IS NOT NULL"))
    op.add_column("events", sa.Column("project_id", Id, nullable=True))
    op.add_column("events", sa.Column("data", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("project_id", Id, nullable=True))
    _fill_inboxes()


def _fill_inboxes() -> None:
    # PostgreSQL would walk all tasks by it to find that an Inbox is empty.
    op.drop_index("ix_tasks_everyones", "tasks")
    # Without indexes a table of a million rows is rewritten in a fraction of the time.
    _drop_task_indexes(LISTED)
    with _altered("tasks") as batch:
        batch.add_column(sa.Column("project_id", Id, nullable=True))
        batch.add_column(sa.Column("assignee_id", Id, nullable=True))
        batch.add_column(
            sa.Column("project_version", sa.Integer(), server_default="1", nullable=False)
        )
    # What happened before an admin handed a task to its owner stays hidden from them.
    op.execute(
        "UPDATE tasks SET project_id ="
        " (SELECT id FROM projects WHERE inbox_user_id = tasks.user_id)"
    )
    op.execute(
        "UPDATE tasks SET project_version = (SELECT max(version) + 1 FROM events"
        " WHERE events.task_id = tasks.id AND events.user_id <> tasks.user_id)"
        " WHERE id IN (SELECT task_id FROM events JOIN tasks AS handed ON handed.id = task_id"
        " WHERE events.user_id <> handed.user_id AND events.version IS NOT NULL)"
    )
    with _altered("tasks") as batch:
        batch.alter_column("project_id", existing_type=Id, nullable=False)
        batch.create_foreign_key(
            "fk_tasks_project_id_projects", "projects", ["project_id"], ["id"], ondelete="CASCADE"
        )
        batch.create_foreign_key(
            "fk_tasks_assignee_id_users", "users", ["assignee_id"], ["id"], ondelete="SET NULL"
        )
    _create_task_indexes("project_id")
    op.create_index("ix_tasks_user", "tasks", ["user_id"])
    op.create_index(
        "ix_tasks_assignee", "tasks", ["assignee_id"], **partial("assignee_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_assignee", "tasks")
    op.drop_index("ix_tasks_user", "tasks")
    _drop_task_indexes(LISTED)
    with _altered("tasks") as batch:
        batch.drop_constraint("fk_tasks_assignee_id_users", type_="foreignkey")
        batch.drop_constraint("fk_tasks_project_id_projects", type_="foreignkey")
        for column in ("project_version", "assignee_id", "project_id"):
            batch.drop_column(column)
    _create_task_indexes("user_id")
    op.create_index(
        "ix_tasks_everyones", "tasks", ["created_at", "id"], **partial("deleted_at IS NULL")
    )
    op.drop_column("jobs", "project_id")
    op.drop_column("events", "data")
    op.drop_column("events", "project_id")
    for table in ("comments", "memberships", "projects"):
        op.drop_table(table)


def _drop_task_indexes(listed: Any) -> None:
    for name, *_ in (*listed, *OTHERS):
        op.drop_index(name, "tasks")


def _create_task_indexes(first: str) -> None:
    for name, *columns in LISTED:
        op.create_index(name, "tasks", [first, *columns], **partial("deleted_at IS NULL"))
    for name, columns, condition in OTHERS:
        op.create_index(name, "tasks", [*columns], **partial(condition))


def partial(condition: str) -> dict[str, sa.TextClause]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


@contextmanager
def _altered(table: str) -> Iterator[Any]:
    """A batch; on SQLite, which copies the table for it, no id is given out again after it."""
    connection = op.get_bind()
    sequence = f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'"
    is_sqlite = connection.dialect.name == "sqlite"
    last_id = connection.scalar(sa.text(sequence)) if is_sqlite else None
    with op.batch_alter_table(table, table_kwargs={"sqlite_autoincrement": True}) as batch:
        yield batch
    if last_id is not None:
        op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{table}'")
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {last_id})")
