"""Every route says who may call it, and each kind of caller gets what the contract says."""

import pytest

from taskapi.web.routing import operations
from tests.support.client import Cast
from tests.support.matrix import COLUMNS, REFUSED, ROWS, Scene

WHO = {"anyone", "optional", "user", "session", "admin", "admin session"}


def test_every_route_is_a_declared_operation_that_says_who_may_call_it(app):
    declared = {(operation.method, rule) for rule, operation in operations(app)}
    served = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == declared
    assert {operation.who for _, operation in operations(app)} <= WHO


def test_every_operation_has_its_row_in_the_matrix_of_callers(app):
    declared = {(operation.method, rule) for rule, operation in operations(app)}
    assert {(row.method, row.rule) for row in ROWS} == declared


@pytest.fixture
def make_scene(app, client, root, cast):
    admin, other = cast.admin("first-admin"), cast.user("somebody-else")
    cast.admin("second-admin")  # so that the first one may go
    made = 0

    def make() -> Scene:
        nonlocal made
        made += 1
        people = admin, other
        if made > 1:  # the one before may have ended their sessions, or have left
            people = Cast(app, client).admin(f"admin-{made}"), cast.user(f"other-{made}")
        return Scene(app, client, root, cast, *people, number=made)

    return make


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.rule}")
def test_callers_that_are_let_in(row, make_scene):
    got = {}
    for caller in COLUMNS:
        scene = make_scene()
        before = scene.client.get("/users/me", as_=scene.owner).get_json()
        answer = row.call(scene, caller, scene.token(caller))
        got[caller] = answer.status_code
        if answer.status_code in (403, 404):
            code = answer.get_json()["error"]["code"]
            if answer.status_code == 404:
                assert code == "NOT_FOUND"
            elif caller in ("owner", "other", "admin"):
                assert code == "FORBIDDEN"
            elif caller.startswith("admin"):
                assert code == "INSUFFICIENT_SCOPE" or "user_id" in row.rule
            assert scene.client.get("/users/me", as_=scene.owner).get_json() == before
    assert got == row.expected()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.rule}")
def test_callers_whose_token_opens_nothing(row, make_scene):
    scene = make_scene()
    expected = row.expected()["owner"]
    for caller, token in scene.refused_tokens().items():
        if row.is_open:
            scene = make_scene()  # since each call does its work
        answer = row.call(scene, caller, token)
        if row.is_open:
            assert answer.status_code == expected, caller
            continue
        if row.rule.endswith("/restore"):
            scene = make_scene()  # the task is in the trash now
        assert answer.status_code == 401, caller
        assert answer.get_json()["error"]["code"] == REFUSED[caller], caller
        assert answer.headers["WWW-Authenticate"] == "Bearer"
