"""Fan-out in the worker, claims, encrypted webhook secrets; no import batches, no heartbeats."""

import base64
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from cryptography.fernet import Fernet, InvalidToken
from flask import current_app

from taskapi.models.webhook_secret import fernet_key

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Timestamp = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")

revision = "20261127_rebuild"
down_revision = "20261121_work"
branch_labels = None
depends_on = None

webhooks = sa.table(
    "webhooks",
    *(sa.column(name) for name in ("id", "events", "secret", "old_secret")),
)
RENAMED = (("leased_by", "claimed_by"), ("leased_until", "claimed_until"))


def partial(condition: str, sqlite: str | None = None) -> dict[str, sa.TextClause]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(sqlite or condition)}


def upgrade() -> None:
    op.add_column(
        "events",
        sa.Column("is_undelivered", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(
        "ix_events_undelivered",
        "events",
        ["id"],
        **partial("is_undelivered", "is_undelivered = 1"),
    )

    for table in ("webhooks", "jobs"):
        for old, new in RENAMED:
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    with _altered("webhooks") as batch:
        batch.add_column(sa.Column("token_id", Id, nullable=True))
        batch.add_column(sa.Column("active_since", Timestamp, nullable=True))
        batch.create_foreign_key(
            "fk_webhooks_token_id_personal_tokens",
            "personal_tokens",
            ["token_id"],
            ["id"],
            ondelete="CASCADE",
        )
    op.execute("UPDATE webhooks SET events = trim(events, ',')")
    op.create_index("ix_webhooks_token_id", "webhooks", ["token_id"])
    _convert_secrets(_encrypt)

    op.drop_table("import_batches")
    op.drop_table("workers")

    op.drop_index("ix_tasks_overdue", "tasks")
    op.add_column("tasks", sa.Column("overdue_notified_at", Timestamp, nullable=True))
    op.execute("UPDATE tasks SET overdue_notified_at = due_at WHERE is_overdue_told")
    op.drop_column("tasks", "is_overdue_told")
    op.create_index(
        "ix_tasks_overdue",
        "tasks",
        ["due_at"],
        **partial(
            "due_at IS NOT NULL AND status <> 2 AND overdue_notified_at IS NULL"
            " AND deleted_at IS NULL"
        ),
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_overdue", "tasks")
    op.add_column(
        "tasks",
        sa.Column("is_overdue_told", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.execute("UPDATE tasks SET is_overdue_told = true WHERE overdue_notified_at IS NOT NULL")
    op.drop_column("tasks", "overdue_notified_at")
    op.create_index(
        "ix_tasks_overdue",
        "tasks",
        ["due_at"],
        **partial(
            "due_at IS NOT NULL AND status != 2 AND NOT is_overdue_told AND deleted_at IS NULL",
            "due_at IS NOT NULL AND status != 2 AND is_overdue_told = 0 AND deleted_at IS NULL",
        ),
    )

    op.create_table(
        "workers",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("started_at", Timestamp, nullable=False),
        sa.Column("seen_at", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
    op.create_table(
        "import_batches",
        sa.Column("job_id", Id, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_import_batches_job_id_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_import_batches"),
    )

    _convert_secrets(_seal)
    op.execute("UPDATE webhooks SET events = ',' || events || ','")
    op.drop_index("ix_webhooks_token_id", "webhooks")
    with _altered("webhooks") as batch:
        batch.drop_constraint("fk_webhooks_token_id_personal_tokens", type_="foreignkey")
        batch.drop_column("token_id")
        batch.drop_column("active_since")
    for table in ("webhooks", "jobs"):
        for old, new in RENAMED:
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")

    op.drop_index("ix_events_undelivered", "events")
    op.drop_column("events", "is_undelivered")


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


def _convert_secrets(convert: Any) -> None:
    """Rewrite each secret; one that no SECRET_KEY opens stays, and has to be rotated anyway."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(webhooks)).all():
        values = {
            name: convert(row.id, getattr(row, name))
            for name in ("secret", "old_secret")
            if getattr(row, name)
        }
        connection.execute(sa.update(webhooks).where(webhooks.c.id == row.id).values(values))


def _keys() -> tuple[str, ...]:
    keys: tuple[str, ...] = current_app.extensions["settings"].secret_keys
    return keys


def _encrypt(webhook_id: int, sealed: str) -> str:
    """What was hidden under a pad and signed, encrypted as models/webhook_secret.py does."""
    claim, _, signature = sealed.rpartition(".")
    nonce, _, hidden = claim.partition(".")
    for key in _keys():
        if hmac.compare_digest(_sign(key, claim), signature):
            secret = _apply_pad(key, nonce, base64.b64decode(hidden))
            encrypted = Fernet(fernet_key(_keys()[0])).encrypt(f"{webhook_id}:".encode() + secret)
            return encrypted.decode()
    return sealed


def _seal(webhook_id: int, encrypted: str) -> str:
    for key in _keys():
        try:
            plain = Fernet(fernet_key(key)).decrypt(encrypted.encode())
        except InvalidToken:
            continue
        nonce = encrypted[-24:].replace(".", "")
        secret = plain.partition(b":")[2]
        hidden = base64.b64encode(_apply_pad(_keys()[0], nonce, secret)).decode()
        return f"{nonce}.{hidden}.{_sign(_keys()[0], f'{nonce}.{hidden}')}"
    return encrypted


def _apply_pad(key: str, nonce: str, text: bytes) -> bytes:
    pad = hmac.digest(key.encode(), f"webhook-pad:{nonce}".encode(), "sha256")
    return bytes(a ^ b for a, b in zip(text, pad, strict=False))


def _sign(key: str, claim: str) -> str:
    mac = hmac.digest(key.encode(), f"webhook-seal:{claim}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
