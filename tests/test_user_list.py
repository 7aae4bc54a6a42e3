"""The list of users: its pages, filters and orders, and what is no question to it."""

import pytest

from tests.support.client import code_of


@pytest.fixture
def people(cast, client, admin):
    made = [cast.user(name, email=f"{name}@Example.org") for name in ("dora", "Carl", "anton")]
    client.patch(f"/users/{made[0].id}", json={"is_active": False}, as_=admin)
    return made


def names(client, admin, query):
    answer = client.get(f"/users{query}", as_=admin)
    assert answer.status_code == 200, answer.text
    return [each["username"] for each in answer.get_json()["items"]]


def test_all_users_in_pages(client, people, admin):
    assert names(client, admin, "") == ["root", "dora", "Carl", "anton"]
    assert names(client, admin, "?sort_by=username") == ["anton", "Carl", "dora", "root"]
    assert names(client, admin, "?sort_by=-username") == ["root", "dora", "Carl", "anton"]
    assert names(client, admin, "?sort_by=-created_at&limit=2") == ["anton", "Carl"]
    assert names(client, admin, "?sort_by=-id&skip=1&limit=2") == ["Carl", "dora"]
    page = client.get("/users?limit=3", as_=admin).get_json()
    assert (page["total"], page["skip"], page["limit"]) == (4, 0, 3)
    last = client.get(f"/users?limit=3&cursor={page['next_cursor']}", as_=admin).get_json()
    assert (last["total"], last["skip"], last["next_cursor"]) == (None, None, None)
    assert [each["username"] for each in last["items"]] == ["anton"]


def test_filters(client, people, admin):
    assert names(client, admin, "?role=admin") == ["root"]
    assert names(client, admin, "?is_active=false") == ["dora"]
    assert names(client, admin, "?is_active=true&role=user") == ["Carl", "anton"]
    assert names(client, admin, "?q=CARL") == ["Carl"]
    assert names(client, admin, "?q=example.ORG") == ["dora", "Carl", "anton"]
    assert names(client, admin, "?q=%25") == []
    assert names(client, admin, "?q=_") == []
    assert len(names(client, admin, "?q=")) == 4


@pytest.mark.parametrize(
    "query",
    [
        "?role=boss",
        "?is_active=1",
        "?is_active=True",
        "?sort_by=email",
        "?sort_by=password_hash",
        "?sort_by=",
        "?sort_by=id,id",
        "?limit=0",
        "?limit=101",
        "?limit=-1",
        "?limit=x",
        "?limit=",
        "?limit=1e1",
        "?limit=%D9%A1",
        "?skip=-1",
        "?skip=10001",
        "?skip=99999999999999999999",
        "?cursor=x",
        "?cursor=x&skip=0",
        "?foo=1",
        "?role=user&role=user",
        "?limit=5&limit=5",
        "?q=a&q=b",
        "?q=" + "x" * 201,
        "?status=todo",
        "?page=2",
    ],
)
def test_faulty_queries(client, admin, query):
    answer = client.get(f"/users{query}", as_=admin)
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    name = query[1:].split("=")[0]
    assert name in answer.get_json()["error"]["details"]


def test_a_cursor_belongs_to_its_filters_and_order(client, people, admin):
    cursor = client.get("/users?limit=1&role=user", as_=admin).get_json()["next_cursor"]
    assert client.get(f"/users?limit=5&role=user&cursor={cursor}", as_=admin).status_code == 200
    for query in ("", "&role=admin", "&role=user&sort_by=-id", "&role=user&q=a"):
        answer = client.get(f"/users?limit=1&cursor={cursor}{query}", as_=admin)
        assert answer.status_code == 400, query
