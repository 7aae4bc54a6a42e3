"""Which migration the database is at, and which it should be at."""

import re

from sqlalchemy import column, select, table

from taskapi.config import MIGRATIONS
from taskapi.database import Query

VERSIONS = MIGRATIONS / "versions"
CURRENT = Query(select(column("version_num")).select_from(table("alembic_version")))


def current_revision() -> str | None:
    revision: str | None = CURRENT.value()
    return revision


def head_revision() -> str:
    """The migration that no other one follows; read here, for Alembic is slow to import."""
    found: dict[str, str] = {}
    for path in VERSIONS.glob("*.py"):
        text = path.read_text()
        names = re.findall(r'^(revision|down_revision)\b.*?= *["\']?([\w]+)', text, re.MULTILINE)
        revisions = dict(names)
        found[revisions["revision"]] = revisions["down_revision"]
    (head,) = found.keys() - found.values()
    return head
