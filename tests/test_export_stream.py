"""An export that is still being read, or was left halfway, is in nobody's way."""

import pytest
from sqlalchemy.pool import QueuePool

from taskapi.extensions import db
from taskapi.web import limits
from tests.support.tasks import plant_many


@pytest.fixture
def begun(client, rows, alice):
    """The pieces of a long export, of which two were read."""
    plant_many(rows, alice.id, 1_200)
    pieces = client.get("/tasks/export", as_=alice).response
    assert (next(pieces) + next(pieces)).count(b'"id"') == 1_000
    return pieces


def test_its_reader_holds_no_connection(app, begun):
    with app.app_context():
        pool = db.engine.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedout() == 0
    assert b"".join(begun).count(b'"id"') == 200


def test_dropped_amid_another_request_it_takes_nothing_from_that_one(
    client, alice, begun, monkeypatch
):
    """The interpreter may throw away what is left of it at any moment."""
    monkeypatch.setattr(limits, "_limit", lambda *_: begun.close())
    assert client.post("/tasks", json={"title": "Made meanwhile"}, as_=alice).status_code == 201
