"""The cost of a page is independent of the number of rows."""

import sqlite3
import time

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.support.client import Cast
from tests.support.projects import add, project
from tests.support.rows import Rows
from tests.support.tasks import after, plant, plant_many

PROJECTS = 20
MANY = 13_000  # skip=9900 is after the last due time, because a quarter of the tasks has none
SORTS = ("created_at", "-created_at", "due_at", "-due_at", "priority", "-priority")
# Limits for a page of 20 with a filter on status. Sorting all tasks takes ten times as much.
ROWS, STEPS = 600, 10_000
FEW_STATEMENTS = 5


class PostgresMeter:
    """Count the rows of tasks that are read, which a connection reports when it is closed."""

    most = ROWS

    def __init__(self, url):
        self._connection = psycopg.connect(url, autocommit=True)
        self._seen = 0

    def set_plans(self, mode):
        name = Identifier(self._connection.info.dbname)
        self._connection.execute(
            SQL("ALTER DATABASE {} SET plan_cache_mode = {}").format(name, mode)
        )
        self.read()

    def read(self):
        """Return the number of rows since the last call."""
        others = (
            "FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        self._value(f"SELECT count(pg_terminate_backend(pid)) {others}")
        end = time.monotonic() + 10
        while self._value(f"SELECT count(*) {others}"):
            assert time.monotonic() < end, "a connection did not end"
            time.sleep(0.001)
        total = self._value(
            "SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes"
            " WHERE relname = 'tasks') FROM pg_stat_user_tables WHERE relname = 'tasks'"
        )
        self._seen, seen = total, self._seen
        return total - seen

    def _value(self, statement):
        return self._connection.execute(statement.encode()).fetchall()[0][0]

    def close(self):
        self._connection.close()


class SqliteMeter:
    """Count the virtual machine steps of all SQLite connections in this process."""

    most = STEPS

    def __init__(self, monkeypatch):
        self._steps = 0
        connect = sqlite3.dbapi2.connect

        def watched(*args, **options):
            connection = connect(*args, **options)
            connection.set_progress_handler(self._count, 100)
            return connection

        monkeypatch.setattr(sqlite3.dbapi2, "connect", watched)

    def _count(self):
        self._steps += 100

    def read(self):
        self._steps, steps = 0, self._steps
        return steps


@pytest.fixture(params=[1, PROJECTS])
def stand(databases, make_app, make_client, monkeypatch, request):
    """A user with many tasks in the Inbox or in several projects, and a meter."""
    url = databases.fresh()
    meter = PostgresMeter(url) if url.startswith("postgres") else SqliteMeter(monkeypatch)
    app = make_app(DATABASE_URL=url)
    client = make_client(app)
    cast = Cast(app, client)
    alice, bob = cast.user("alice"), cast.user("bob")
    plant_many(Rows(url), bob.id, MANY)
    projects = [None] if request.param == 1 else [project(client, bob) for _ in range(PROJECTS)]
    for each in projects:
        if each is not None:
            add(client, bob, each, alice, "viewer")
        plant_many(Rows(url), alice.id, MANY // len(projects), each and each["id"])
    meter.most *= 1 if request.param == 1 else 5  # it reads rows of each project
    yield client, alice, meter
    if isinstance(meter, PostgresMeter):
        meter.close()


def pages(client, alice):
    """Yield pages of each order: the first, the second, a deep one, and one without due times."""
    for sort_by in SORTS:
        for status in ("", "&status=todo"):
            path = f"/tasks?sort_by={sort_by}{status}&limit=20&"
            skips = [0, 1500, 3900 if status else 9900]
            yield f"{path}cursor="
            for skip in skips:
                cursor = client.get(f"{path}skip={skip}", as_=alice).json["next_cursor"]
                yield f"{path}cursor={cursor}"


def test_cursor_page_reads_few_rows(stand):
    client, alice, meter = stand
    asked = list(pages(client, alice))
    found = {}
    for mode in ("force_custom_plan", "force_generic_plan"):
        if isinstance(meter, PostgresMeter):
            meter.set_plans(mode)
        for path in asked:
            meter.read()
            page = client.get(path, as_=alice)
            found[mode, path] = meter.read()
            assert len(page.json["items"]) == 20
    assert len(found) == 2 * len(SORTS) * 2 * 4
    assert min(found.values()) >= 20
    assert not {path: read for path, read in found.items() if read > meter.most}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "path",
    [
        *(
            "/tasks?skip=0",
            "/tasks?cursor=",
            "/tasks?q=a&tag=x&overdue=true",
            "/tasks?deleted=true",
        ),
        *("/tasks?sort_by=-due_at,title&status=todo&status=done&cursor=", "/users/me/tasks?skip=0"),
        *("/tasks/export?q=", "/tasks/stats?tz=UTC", "/tasks/{}/activity?skip=0"),
    ],
)
def test_number_of_statements_is_constant(client, rows, alice, statements, path):
    task = client.post("/tasks", as_=alice, json={"title": "a", "tags": ["x"]}).json
    path = path.format(task["id"])

    def count():
        with statements() as seen:
            answer = client.get(path, as_=alice)
            assert answer.status_code == 200
            assert answer.get_data()
        assert len(seen) <= FEW_STATEMENTS, seen
        return len(seen)

    client.get("/tasks", as_=alice)  # updates last_used_at
    first = count()
    plant(rows, alice.id, [{"title": "a", "tags": ["x"], "due_at": after(1)}] * 25)
    plant(rows, alice.id, [{"title": "a", "tags": ["x"], "deleted_at": after(1)}] * 25)
    for n in range(15):
        client.patch(f"/tasks/{task['id']}", as_=alice, json={"title": f"a{n}"})
    assert count() == first


@pytest.mark.sqlite
def test_admin_list_needs_no_more_statements(client, rows, cast, admin, statements):
    client.get("/tasks", as_=admin)
    for person in map(cast.user, ("carol", "dave", "erin")):
        plant(rows, person.id, [{}] * 9)
    for path in ("/tasks", "/tasks/admin/all"):
        with statements() as seen:
            assert client.get(path, as_=admin).json["total"] == 27
        assert len(seen) <= FEW_STATEMENTS
