"""The calendar: a secret address, a file that calendar programs read."""

import json
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime

import icalendar

from tests.support.receiver import eventually

DUE = "2030-06-01T09:30:00Z"


def address(client, who):
    answer = client.post("/users/me/calendar", as_=who)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"/calendar/[\w-]{43}\.ics", answer.json["url"])
    return answer.json["url"]


def task(client, who, **fields):
    answer = client.post("/tasks", json={"title": "Write", "due_at": DUE, **fields}, as_=who)
    assert answer.status_code == 201, answer.text
    return answer.json


def events_of(answer):
    assert answer.status_code == 200
    assert answer.content_type == "text/calendar; charset=utf-8"
    return {str(e["SUMMARY"]): e for e in icalendar.Calendar.from_ical(answer.data).walk("VEVENT")}


def test_every_task_with_a_due_time_is_in_it(client, root, alice, bob):
    url = address(client, alice)
    awkward = 'Commas, semicolons; a back\\slash, "quotes" and ünïcödé ' + "x" * 100
    task(client, alice, title=awkward, description="line one\nline two", tags=["a b", "c"])
    task(client, alice, title="urgent", priority="high", due_at="2030-06-01T11:30:00.5+02:00")
    task(client, alice, title="finished", status="done")
    task(client, alice, title="whenever", due_at=None)
    gone = task(client, alice, title="gone")
    client.delete(f"/tasks/{gone['id']}", as_=alice)
    task(client, bob, title="bob's")
    found = events_of(root.get(url))
    assert set(found) == {awkward, "urgent", "✓ finished"}
    event = found[awkward]
    assert event["DTSTART"].dt == datetime(2030, 6, 1, 9, 30, tzinfo=UTC)
    assert event["DESCRIPTION"] == "line one\nline two"
    assert [str(each) for each in event["CATEGORIES"].cats] == ["a b", "c"]
    assert found["urgent"]["PRIORITY"] == 1
    assert len({str(each["UID"]) for each in found.values()}) == 3


def test_the_file_is_rfc_5545_to_the_letter(client, root, alice):
    url = address(client, alice)
    task(client, alice, title="ä" * 200, description="long " * 200)
    data = root.get(url).data
    assert data.startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:")
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    for line in data.split(b"\r\n"):
        line.decode()  # no character is torn apart by the folding
    calendar = icalendar.Calendar.from_ical(data)
    for event in calendar.walk("VEVENT"):
        assert {"UID", "DTSTAMP", "DTSTART", "SUMMARY"} <= set(event)
        assert not event.errors


def test_the_uid_stays_and_the_sequence_rises(client, root, alice):
    url = address(client, alice)
    one = task(client, alice)
    before = events_of(root.get(url))["Write"]
    client.patch(f"/tasks/{one['id']}", json={"title": "Written"}, as_=alice)
    after = events_of(root.get(url))["Written"]
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]


def test_what_has_not_changed_is_not_sent_again(client, root, alice):
    url = address(client, alice)
    one = task(client, alice)
    first = root.get(url)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = root.get(url, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == tag
    tags = {tag}
    for change in ({"title": "x"}, {"due_at": None}, {"due_at": DUE}):
        client.patch(f"/tasks/{one['id']}", json=change, as_=alice)
        answer = root.get(url, headers={"If-None-Match": tag})
        assert answer.status_code == 200
        tags.add(answer.headers["ETag"])
    client.delete(f"/tasks/{one['id']}", as_=alice)
    assert root.get(url, headers={"If-None-Match": tag}).status_code == 200
    assert len(tags) == 4


def test_a_new_address_closes_the_old_one(client, root, alice, app):
    first, second = address(client, alice), address(client, alice)
    assert root.get(first).status_code == 404
    assert root.get(second).status_code == 200
    assert client.delete("/users/me/calendar", as_=alice).status_code == 204
    assert root.get(second).status_code == 404
    assert client.delete("/users/me/calendar", as_=alice).status_code == 404
    assert root.get("/calendar/made-up.ics").status_code == 404


def test_of_a_disabled_user_there_is_none(client, root, alice, admin):
    url = address(client, alice)
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    assert root.get(url).status_code == 404


def test_addresses_are_limited(make_app, make_client, alice, root):
    limited = make_client(make_app(RATE_LIMIT_PER_MINUTE="2"))
    limited._base = ""
    statuses = [limited.get("/calendar/made-up.ics").status_code for _ in range(3)]
    assert statuses == [404, 404, 429]


def test_the_token_is_in_no_log(live_server, client, alice, databases):
    server = live_server(LOG_LEVEL="DEBUG", DATABASE_URL=databases.shared())

    def ask(path, **more):
        request = urllib.request.Request(server.url + path, **more)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    made = ask("/api/v1/users/me/calendar", method="POST", headers=alice.headers)
    token = json.loads(made[1])["url"].removeprefix("/calendar/").removesuffix(".ics")
    assert ask(f"/calendar/{token}.ics")[0] == 200
    assert ask(f"/calendar/{token}.ics?x=1")[0] == 400
    assert ask(f"/calendar/{token}.ics/more")[0] == 404
    assert ask(f"/calendar/{token}.ics", method="POST")[0] == 405
    assert ask(f"/calendar/{token}.ics", headers={"Content-Length": "nonsense"})[0] == 400
    eventually(lambda: server.log().count("/calendar/…") >= 3)
    server.stop()
    assert token not in server.log()
