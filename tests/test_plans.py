"""Pages of two hundred thousand tasks read what they show, by an index, and sort nothing more."""

import sqlite3

import psycopg
import pytest
from flask import current_app

from taskapi.models import page
from taskapi.models.page import Key
from taskapi.models.task import TaskSet
from taskapi.models.task_table import LISTING
from taskapi.moments import now
from tests.support.tasks import plant_many

COUNT = 100_000
SORTS = ["created_at", "-created_at", "due_at", "-due_at", "priority", "-priority"]
# Rows that may be read for a page of 20: one in three has the status, one in four no due time.
ROWS, BLOCKS, STEPS = 400, 1000, 30_000


@pytest.fixture
def crowd(app, alice, bob):
    for person in (bob, alice):
        plant_many(app, person.id, COUNT)
    return app


def pages(owner_id):
    """What is asked: the kind of page, its filters, its order, and where it begins."""
    for sort in SORTS if owner_id else ["-created_at"]:
        for status in (None, "todo") if owner_id else (None,):
            filters = {} if status is None else {"status": [status]}
            chosen = TaskSet(owner_id).chosen(filters)
            key = Key(sort.removeprefix("-"), sort.startswith("-"))
            order = page.full_order(LISTING, (key,))
            first = page.fetch_page(LISTING, chosen, order, limit=20, now=now())
            places = {"first": None, "second": page.position_of(LISTING, order, first.rows[-1])}
            deep = page.fetch_page(LISTING, chosen, order, limit=20, skip=9000, now=now())
            places["deep"] = page.position_of(LISTING, order, deep.rows[-1])
            if sort.endswith("due_at"):
                last = page.fetch_page(LISTING, chosen, order, limit=1, skip=30_000, now=now())
                while last.rows[0].due_at is not None:
                    places["deep"] = page.position_of(LISTING, order, last.rows[0])
                    last = page.fetch_page(
                        LISTING, chosen, order, limit=1, skip=5000, after=places["deep"], now=now()
                    )
                places["missing"] = page.position_of(LISTING, order, last.rows[0])
            for place, after in places.items():
                yield f"{sort} {status} {place}", chosen, order, after


def statement(chosen, order, after):
    """The page's SQL and its values by name, as fetch_page sends them."""
    shape, bound = page._bind(LISTING, chosen)
    nulls = None if after is None else tuple(value is None for value in after)
    query = page._page_query(LISTING, shape, order, 21, False, nulls, False)
    compiled = query.compiled(current_app.extensions["database"].driver)
    bound |= {f"after_{i}": value for i, value in enumerate(after or ()) if value is not None}
    return compiled.sql, compiled.constants | bound, compiled.names


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def explained(connection, sql, values):
    """What a prepared statement really read."""
    connection.execute(f"PREPARE page AS {sql}")
    given = psycopg.sql.SQL(", ").join(psycopg.sql.Literal(value) for value in values)
    command = psycopg.sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page{}")
    arguments = psycopg.sql.SQL("({})").format(given) if values else psycopg.sql.SQL("")
    (answer,) = connection.execute(command.format(arguments)).fetchone()
    connection.execute("DEALLOCATE page")
    top = answer[0]["Plan"]
    rows = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(top)
        if "Relation Name" in node
    )
    return rows, top["Shared Hit Blocks"] + top["Shared Read Blocks"]


def test_a_page_reads_little_more_than_it_shows(crowd, databases, alice):
    url = databases.shared()
    is_postgres = url.startswith("postgres")
    with crowd.app_context():
        asked = [
            (name, *statement(chosen, order, after))
            for owner_id in (alice.id, None)
            for name, chosen, order, after in pages(owner_id)
        ]
    assert len(asked) > 40
    too_much: list[tuple[object, ...]] = []
    if is_postgres:
        with psycopg.connect(url, autocommit=True) as connection:
            for mode in ("force_custom_plan", "force_generic_plan"):
                connection.execute(f"SET plan_cache_mode = {mode}")
                for name, sql, values, names in asked:
                    rows, blocks = explained(connection, sql, [values[each] for each in names])
                    if rows > ROWS or blocks > BLOCKS:
                        too_much.append((mode, name, rows, blocks))
    else:
        file = sqlite3.connect(url.removeprefix("sqlite:///"))
        taken = 0

        def count():
            nonlocal taken
            taken += 100

        file.set_progress_handler(count, 100)
        for name, sql, values, _ in asked:
            taken = 0
            assert len(file.execute(sql, values).fetchall()) >= 1
            if taken > STEPS:
                too_much.append((name, taken))
        file.close()
    assert not too_much
