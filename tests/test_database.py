"""What the way to the database promises beneath the API."""

import threading
import time

import psycopg
import pytest


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)  # SQLite waits in the process
def test_who_waits_for_a_lock_lets_the_other_threads_run(
    app, databases, make_client, alice, client
):
    task = client.post("/tasks", json={"title": "Held"}, as_=alice).json
    answers = []

    def patch():
        path = f"/tasks/{task['id']}"
        answers.append(make_client(app).patch(path, json={"title": "Mine"}, as_=alice).status_code)

    with psycopg.connect(databases.shared()) as holder:
        holder.execute("SELECT * FROM tasks WHERE id = %s FOR UPDATE", [task["id"]])
        waiting = threading.Thread(target=patch)
        waiting.start()
        ticks, end = 0, time.monotonic() + 1
        while time.monotonic() < end:
            time.sleep(0.01)  # and this thread goes on only if the waiting one lets it
            ticks += 1
        assert answers == []
    waiting.join(10)

    assert ticks > 20
    assert answers == [200]
