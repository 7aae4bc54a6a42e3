"""ETag, If-Match and If-None-Match."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.client import code_of, signed_in


@pytest.fixture
def task(client, alice):
    return client.post("/tasks", as_=alice, json={"title": "First"}).json


def tag_of(task):
    return f'"{task["id"]}-{task["version"]}"'


def test_etag_has_id_and_version(client, alice, task):
    one = f"/tasks/{task['id']}"
    assert client.get(one, as_=alice).headers["ETag"] == tag_of(task)
    for version, change in enumerate(({"title": "a"}, {"tags": ["x"]}, {"status": "done"}), 2):
        for answer in (client.patch(one, as_=alice, json=change), client.get(one, as_=alice)):
            assert answer.headers["ETag"] == f'"{task["id"]}-{version}"'
            assert answer.json == answer.json | change
    assert "ETag" not in client.get("/tasks", as_=alice).headers


@pytest.mark.parametrize("path", ["/tasks/{}", "/users/me/tasks/{}"])
def test_if_none_match_returns_304(client, alice, task, path):
    one = path.format(task["id"])
    tag = tag_of(task)
    for has in (tag, f"W/{tag}", f'"x", {tag}', f'W/"y",W/{tag}', "*"):
        answer = client.get(one, as_=alice, headers={"If-None-Match": has})
        assert (answer.status_code, answer.data) == (304, b""), has
        assert answer.headers["ETag"] == tag
        assert "Content-Type" not in answer.headers
        head = client.head(one, as_=alice, headers={"If-None-Match": has})
        assert head.status_code == 304
    for has in ('"x"', f'"{task["id"]}-2"', f'"{task["id"]}"', '"1-1x"', ""):
        assert client.get(one, as_=alice, headers={"If-None-Match": has}).json == task


def send(client, person, method, path, **headers):
    body = {} if method == "delete" else {"json": {"title": "Changed"}}
    return getattr(client, method)(path, as_=person, headers=headers, **body)


@pytest.mark.parametrize("path", ["/tasks/{}", "/users/me/tasks/{}"])
def test_stale_if_match_returns_412_with_current_etag(client, alice, task, path):
    one, stale = path.format(task["id"]), tag_of(task)
    current = client.patch(one, as_=alice, json={"title": "Second"})
    for method in ("put", "patch", "delete"):
        for match in (stale, f"W/{stale}", '"x"', "", f'{stale}, "x"', '"*"'):
            answer = send(client, alice, method, one, **{"If-Match": match})
            assert (answer.status_code, code_of(answer)) == (412, "PRECONDITION_FAILED"), match
            assert answer.headers["ETag"] == current.headers["ETag"]
    assert client.get(one, as_=alice).json == current.json


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_current_and_weak_etag_match(client, alice, method):
    for form in ("{}", "W/{}", '"x", {}', 'W/"x", W/{}', "*"):
        task = client.post("/tasks", as_=alice, json={"title": "x"}).json
        match = form.format(tag_of(task))
        answer = send(client, alice, method, f"/tasks/{task['id']}", **{"If-Match": match})
        assert answer.status_code in (200, 204), form


def test_order_of_checks(client, alice, bob, task):
    one, stale = f"/tasks/{task['id']}", {"If-Match": '"x"'}
    assert client.patch(one, headers=stale, json={}).status_code == 401
    assert client.patch(one, as_=alice, headers=stale, json={"user_id": 1}).status_code == 403
    assert client.patch(one, as_=alice, headers=stale, data="x").status_code == 415
    assert client.patch(one, as_=alice, headers=stale, json={"title": 1}).status_code == 400
    assert client.patch(one, as_=bob, headers=stale, json={"title": 1}).status_code == 400
    assert client.patch(one, as_=bob, headers=stale, json={}).status_code == 404
    assert client.patch(one, as_=alice, headers=stale, json={}).status_code == 412


def test_concurrent_updates_are_not_lost(live_server):
    """Retries with If-Match all succeed; without it, different fields do not conflict."""
    server = live_server(WEB_THREADS="8")
    with signed_in(server) as client:
        one = f"/tasks/{client.post('/tasks', json={'title': '0'}).json()['id']}"

        def count_up(_):
            for _ in range(2000):
                read = client.get(one)
                headers = {"If-Match": read.headers["ETag"]}
                title = str(int(read.json()["title"]) + 1)
                answer = client.patch(one, json={"title": title}, headers=headers)
                if answer.status_code == 200:
                    return
                assert answer.status_code == 412, answer.text
            raise AssertionError("never got through")

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(count_up, range(50)))
        counted = client.get(one).json()
        assert (counted["title"], counted["version"]) == ("50", 51)

        same = {"If-Match": client.get(one).headers["ETag"]}
        with ThreadPoolExecutor(20) as pool:
            statuses = list(
                pool.map(
                    lambda n: client.patch(one, json={"title": f"x{n}"}, headers=same).status_code,
                    range(50),
                )
            )
        assert sorted(statuses) == [200] + [412] * 49

        for n in range(15):
            fields = [{"title": f"t{n}"}, {"description": f"d{n}"}, {"tags": [f"g{n}"]}]
            with ThreadPoolExecutor(3) as pool:
                answers = list(pool.map(lambda each: client.patch(one, json=each), fields))
            assert [answer.status_code for answer in answers] == [200] * 3
            task = client.get(one).json()
            assert (task["title"], task["description"], task["tags"]) == (
                f"t{n}",
                f"d{n}",
                [f"g{n}"],
            )
        assert task["version"] == 52 + 45
