"""The calendar feed."""

import re
from datetime import UTC, datetime
from http.client import HTTPConnection

import httpx
import icalendar
import pytest

from tests.support.client import login
from tests.support.projects import task
from tests.support.receiver import eventually
from tests.support.rows import ago, from_now

DUE = "2030-06-01T09:30:00Z"


def address(client, who):
    response = client.post("/users/me/calendar", as_=who)
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"/calendar/[\w-]{43}\.ics", response.json["url"])
    return response.json["url"]


def due(client, who, **fields):
    return task(client, who, **{"due_at": DUE} | fields)


def events_of(response):
    assert response.status_code == 200
    assert response.content_type == "text/calendar; charset=utf-8"
    calendar = icalendar.Calendar.from_ical(response.data)
    return {str(event["SUMMARY"]): event for event in calendar.walk("VEVENT")}


def test_feed_contains_tasks_with_a_due_time(client, root, alice, bob):
    url = address(client, alice)
    awkward = 'Commas, semicolons; a back\\slash, "quotes" and ünïcödé ' + "x" * 100
    due(client, alice, title=awkward, description="line one\nline two", tags=["a b", "c"])
    due(client, alice, title="urgent", priority="high", due_at="2030-06-01T11:30:00.5+02:00")
    due(client, alice, title="finished", status="done")
    due(client, alice, title="whenever", due_at=None)
    gone = due(client, alice, title="gone")
    client.delete(f"/tasks/{gone['id']}", as_=alice)
    due(client, bob, title="bob's")
    found = events_of(root.get(url))
    assert set(found) == {awkward, "urgent", "✓ finished"}
    event = found[awkward]
    assert event["DTSTART"].dt == datetime(2030, 6, 1, 9, 30, tzinfo=UTC)
    assert event["DESCRIPTION"] == "line one\nline two"
    assert [str(each) for each in event["CATEGORIES"].cats] == ["a b", "c"]
    assert found["urgent"]["PRIORITY"] == 1
    assert len({str(each["UID"]) for each in found.values()}) == 3


@pytest.mark.sqlite
def test_feed_of_an_admins_write_token_has_only_their_own_tasks(client, root, alice, admin):
    body = {"name": "calendar", "scope": "write"}
    token = client.post("/auth/tokens", json=body, as_=admin).json["token"]
    due(client, alice, title="alice's")
    due(client, admin, title="own")
    assert set(events_of(root.get(address(client, token)))) == {"own"}


@pytest.mark.sqlite
def test_feed_conforms_to_rfc_5545(client, root, alice):
    url = address(client, alice)
    due(client, alice, title="ä" * 200, description="long " * 200)
    data = root.get(url).data
    assert data.startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:")
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    for line in data.split(b"\r\n"):
        line.decode()  # folding does not split characters
    (event,) = icalendar.Calendar.from_ical(data).walk("VEVENT")
    assert {"UID", "DTSTAMP", "DTSTART", "SUMMARY"} <= set(event)
    assert "DTEND" not in event  # it would have to be later than DTSTART
    assert not event.errors


def test_feed_has_at_most_1000_tasks_from_30_days_ago(client, root, alice):
    url = address(client, alice)
    for title, days in (("too old", 31), ("old", 29)):
        due(client, alice, title=title, due_at=ago(days=days))
    for number in range(10):
        creates = [
            {"op": "create", "data": {"title": f"{number}-{n}", "due_at": from_now(days=n)}}
            for n in range(100)
        ]
        client.post("/tasks/bulk", json={"operations": creates}, as_=alice)
    found = events_of(root.get(url))
    assert len(found) == 1000
    assert "old" in found
    assert "too old" not in found
    assert "9-99" not in found  # the last one


@pytest.mark.sqlite
def test_address_is_absolute_with_public_url(make_app, make_client, root, alice):
    public = make_client(make_app(PUBLIC_URL="https://tasks.example.org/"))
    url = public.post("/users/me/calendar", as_=alice).json["url"]
    assert re.fullmatch(r"https://tasks\.example\.org/calendar/[\w-]{43}\.ics", url)
    assert root.get(url.removeprefix("https://tasks.example.org")).status_code == 200


@pytest.mark.sqlite
def test_changed_task_is_the_same_event(client, root, alice):
    url = address(client, alice)
    one = due(client, alice)
    first = root.get(url)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = root.get(url, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == tag
    path, tags = f"/tasks/{one['id']}", {tag}
    for change in ({"title": "Written"}, {"due_at": None}, {"due_at": DUE}):
        client.patch(path, json=change, as_=alice)
        response = root.get(url, headers={"If-None-Match": tag})
        assert response.status_code == 200
        tags.add(response.headers["ETag"])
    before, after = events_of(first)["Write"], events_of(response)["Written"]
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    client.delete(path, as_=alice)
    assert root.get(url, headers={"If-None-Match": tag}).status_code == 200
    assert len(tags) == 4


@pytest.mark.sqlite
def test_a_new_address_replaces_the_old_one(client, root, alice, admin):
    first, second = address(client, alice), address(client, alice)
    assert root.get(first).status_code == 404
    assert root.get(second).status_code == 200
    assert client.delete("/users/me/calendar", as_=alice).status_code == 204
    assert root.get(second).status_code == 404
    assert client.delete("/users/me/calendar", as_=alice).status_code == 404
    assert root.get("/calendar/made-up.ics").status_code == 404
    third = address(client, alice)
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    assert root.get(third).status_code == 404


@pytest.mark.sqlite
def test_addresses_are_limited(make_app):
    limited = make_app(RATE_LIMIT_PER_MINUTE="2").test_client()
    statuses = [limited.get("/calendar/made-up.ics").status_code for _ in range(3)]
    assert statuses == [404, 404, 429]


@pytest.mark.sqlite
def test_token_is_not_logged(live_server, alice, databases):
    server = live_server(LOG_LEVEL="DEBUG", DATABASE_URL=databases.shared())

    with httpx.Client(base_url=server.url) as client:
        made = client.post("/api/v1/users/me/calendar", headers=alice.headers).json()["url"]
        token = made.removeprefix("/calendar/").removesuffix(".ics")
        assert client.get(made).status_code == 200
        assert client.get(f"{made}?x=1").status_code == 400
        assert client.get(f"{made}/more").status_code == 404
        assert client.post(made).status_code == 405
    raw = HTTPConnection(server.url.removeprefix("http://"))
    raw.request("GET", made, headers={"Content-Length": "nonsense"})  # httpx would not send this
    assert raw.getresponse().status == 400
    raw.close()
    eventually(lambda: server.log().count("/calendar/…") >= 3)
    server.stop()
    assert token not in server.log()


def test_logout_all_and_new_password_delete_the_feed(client, root, alice, admin):
    def close(how):
        token = login(client, "alice", alice.password).get_json()["access_token"]
        url = client.post("/users/me/calendar", as_=token).json["url"]
        assert root.get(url).status_code == 200
        assert how(token).status_code in (200, 204)
        assert root.get(url).status_code == 404

    new = {"password": "New-Harbour-77"}
    close(lambda token: client.post("/auth/logout-all", as_=token))
    close(lambda token: client.patch(f"/users/{alice.id}", json=new, as_=admin))
    closed = client.get("/audit?action=calendar.deleted", as_=admin).json
    assert [each["user_id"] for each in closed["items"]] == [alice.id] * 2
