"""`flask users …`, `tokens create`, `demo`: what they do, say, and exit with."""

import pytest

from tests.support.client import GOOD, login


@pytest.fixture
def flask(app):
    """`flask("users", "list")` in this process."""

    def run(*args, input=None, of=app):
        result = of.test_cli_runner().invoke(args=list(args), input=input)
        if result.exit_code:
            assert isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return run


def test_every_command_has_help(flask):
    for command in (
        ["users"],
        *(["users", name] for name in ("create", "list", "promote", "demote", "disable")),
        *(["users", name] for name in ("enable", "set-password", "reset-link", "ensure-admin")),
        ["tokens"],
        ["tokens", "create"],
        ["demo"],
        ["purge"],
    ):
        result = flask(*command, "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.output
        assert len(result.output.splitlines()) > 4


def test_create_with_the_password_on_standard_input(flask, client):
    result = flask("users", "create", "ana", "--password-stdin", input=f"{GOOD}\n")
    assert result.exit_code == 0
    assert "ana" in result.output
    assert GOOD not in result.output
    user = login(client, "ana").get_json()["user"]
    assert (user["role"], user["email"]) == ("user", None)
    email = ("--email", "Ben@example.org")
    result = flask("users", "create", "ben", *email, "--admin", "--password-stdin", input=GOOD)
    assert result.exit_code == 0
    user = login(client, "ben@example.org").get_json()["user"]
    assert (user["role"], user["email"]) == ("admin", "Ben@example.org")


def test_create_prompts_twice(flask, client):
    result = flask("users", "create", "ana", input=f"{GOOD}\nOther-1-password\n{GOOD}\n{GOOD}\n")
    assert result.exit_code == 0
    assert "do not match" in result.output
    assert GOOD not in result.output
    assert login(client, "ana").status_code == 200
    aborted = flask("users", "create", "ben", input="")
    assert aborted.exit_code == 1
    assert login(client, "ben").status_code == 401


@pytest.mark.parametrize(
    ("args", "password", "word"),
    [
        (["ana"], "weak", "password"),
        (["ana"], "", "password"),
        (["an"], GOOD, "username"),
        ([""], GOOD, "username"),
        (["", "--email", "a@example.org"], GOOD, "username"),
        (["ana@example.org"], GOOD, "username"),
        (["ana", "--email", "nonsense"], GOOD, "email"),
        (["ana", "--email", ""], GOOD, "email"),
        (["taken"], GOOD, "username"),
        (["TAKEN"], GOOD, "username"),
        (["ana", "--email", "taken@example.org"], GOOD, "email"),
    ],
)
def test_create_refuses_with_a_sentence(flask, args, password, word):
    flask(
        *("users", "create", "taken", "--email", "Taken@example.org", "--password-stdin"),
        input=GOOD,
    )
    result = flask("users", "create", *args, "--password-stdin", input=password)
    assert result.exit_code == 1
    assert word in result.output
    assert len(result.output.splitlines()) == 1
    assert flask("users", "list").output.count("\n") == 1


def test_usage_errors_exit_with_2(flask):
    for args in (["users", "create"], ["users", "foo"], ["users", "create", "a", "--foo"]):
        assert flask(*args).exit_code == 2


def test_list(flask, cast, admin):
    cast.user("ben", email="ben@example.org")
    cast.user("ana")
    lines = flask("users", "list").output.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["root", "-", "admin", "active"],
        ["ben", "ben@example.org", "user", "active"],
        ["ana", "-", "user", "active"],
    ]


def test_promote_and_demote(flask, client, alice, admin):
    assert flask("users", "promote", "ALICE").exit_code == 0
    assert client.get("/users", as_=alice).status_code == 200
    assert flask("users", "demote", "alice").exit_code == 0
    assert client.get("/users", as_=alice).status_code == 403


def test_disable_and_enable(flask, client, alice, admin):
    assert flask("users", "disable", "alice").exit_code == 0
    assert client.get("/users/me", as_=alice).status_code == 401
    assert login(client, "alice", alice.password).status_code == 401
    assert flask("users", "enable", "alice").exit_code == 0
    assert login(client, "alice", alice.password).status_code == 200
    assert client.get("/users/me", as_=alice).status_code == 401, "that session has ended"


def test_the_last_admin_stays_one(flask, client, admin):
    for command in ("demote", "disable"):
        result = flask("users", command, "root")
        assert result.exit_code == 1
        assert "last active admin" in result.output
    assert client.get("/users", as_=admin).status_code == 200


def test_set_password_ends_all(flask, client, alice):
    token = client.post("/auth/tokens", json={"name": "n", "scope": "read"}, as_=alice).get_json()
    weak = flask("users", "set-password", "alice", "--password-stdin", input="weak")
    assert weak.exit_code == 1
    result = flask("users", "set-password", "alice", input=f"{GOOD}\n{GOOD}\n")
    assert result.exit_code == 0
    assert GOOD not in result.output
    for each in (alice.token, token["token"]):
        assert client.get("/users/me", as_=each).status_code == 401
    assert login(client, "alice").status_code == 200


def test_nobody_of_that_name(flask):
    for command in ("promote", "demote", "disable", "enable", "set-password", "reset-link"):
        result = flask("users", command, "nobody", input=f"{GOOD}\n{GOOD}\n")
        assert result.exit_code == 1
        assert "nobody" in result.output


def test_reset_link(flask, client, alice, secrets):
    output = flask("users", "reset-link", "alice").output
    token = output.split('"token": "')[1].split('"')[0]
    secrets.learn({"token": token})
    body = {"token": token, "new_password": GOOD}
    assert client.post("/auth/password/reset", json=body).status_code == 204
    assert login(client, "alice").status_code == 200


def test_reset_link_is_absolute_where_the_address_is_known(flask, make_app, alice):
    app = make_app(PUBLIC_URL="https://tasks.example.org/")
    output = flask("users", "reset-link", "alice", of=app).output
    assert "https://tasks.example.org/api/v1/auth/password/reset" in output


def test_tokens_create(flask, client, alice, secrets):
    result = flask("tokens", "create", "alice", "backup", "--scope", "write")
    assert result.exit_code == 0
    token = result.output.strip()
    secrets.learn({"token": token})
    assert client.post("/tasks", json={"title": "T"}, as_=token).status_code == 201
    assert flask("tokens", "create", "alice", "x", "--scope", "admin").exit_code == 1
    assert flask("tokens", "create", "nobody", "x").exit_code == 1
    assert flask("tokens", "create", "alice", "").exit_code == 1
    assert flask("tokens", "create", "alice", "x", "--scope", "all").exit_code == 2


# --- ensure-admin -------------------------------------------------------------------------------

ADMIN = {"ADMIN_USERNAME": "boss", "ADMIN_EMAIL": "boss@example.org", "ADMIN_PASSWORD": GOOD}


def test_ensure_admin_makes_one_and_then_nothing(flask, make_app, client):
    app = make_app(**ADMIN)
    assert flask("users", "ensure-admin", of=app).exit_code == 0
    user = login(client, "boss").get_json()["user"]
    assert (user["role"], user["email"]) == ("admin", "boss@example.org")
    flask("users", "set-password", "boss", "--password-stdin", input="Another-7-one")
    assert flask("users", "ensure-admin", of=app).exit_code == 0
    assert login(client, "boss").status_code == 401, "the password is not set back"
    assert login(client, "boss", "Another-7-one").get_json()["user"]["version"] == 2
    assert flask("users", "list").output.count("\n") == 1


@pytest.mark.parametrize("names", [{"username": "BOSS"}, {"email": "boss@EXAMPLE.org"}])
def test_ensure_admin_promotes_nobody(flask, make_app, client, cast, names):
    body = {**names, "password": "Someone-7-elses"}
    assert client.post("/auth/register", json=body).status_code == 201
    result = flask("users", "ensure-admin", of=make_app(**ADMIN))
    assert result.exit_code == 1
    assert "not an admin" in result.output
    (name,) = names.values()
    assert login(client, name, "Someone-7-elses").get_json()["user"]["role"] == "user"
    assert login(client, name).status_code == 401


def test_ensure_admin_by_either_name_alone(flask, make_app, client):
    for name in ("ADMIN_USERNAME", "ADMIN_EMAIL"):
        app = make_app(**{name: ADMIN[name], "ADMIN_PASSWORD": GOOD})
        for _ in range(2):
            assert flask("users", "ensure-admin", of=app).exit_code == 0
        assert login(client, ADMIN[name]).get_json()["user"]["role"] == "admin"


def test_ensure_admin_without_settings_does_nothing(flask):
    assert flask("users", "ensure-admin").exit_code == 0
    assert flask("users", "list").output == ""


def test_ensure_admin_with_a_weak_password_fails(flask, make_app):
    result = flask("users", "ensure-admin", of=make_app(**ADMIN | {"ADMIN_PASSWORD": "weak"}))
    assert result.exit_code == 1
    assert "password" in result.output


# --- demo ---------------------------------------------------------------------------------------


def test_demo_makes_people_and_tasks_once(flask, client):
    first = flask("demo")
    assert first.exit_code == 0
    password = first.output.split("password is ")[1].split()[0]
    ana = login(client, "demo-ana", password).get_json()
    tasks = client.get("/tasks", as_=ana["access_token"]).get_json()["items"]
    assert len(tasks) >= 3
    assert {task["status"] for task in tasks} == {"todo", "in_progress", "done"}
    assert all((task["completed_at"] is not None) == (task["status"] == "done") for task in tasks)
    second = flask("demo")
    assert second.exit_code == 0
    assert "Made" not in second.output
    assert client.get("/tasks", as_=ana["access_token"]).get_json()["total"] == len(tasks)
    admin = login(client, "demo-admin", password).get_json()
    assert admin["user"]["role"] == "admin"


def test_demo_is_for_development_only(flask, make_app):
    production = {
        "TASKAPI_ENV": "production",
        "SECRET_KEY": "xK7#" * 12 + "9bQz1",
        "BCRYPT_ROUNDS": "12",
    }
    result = flask("demo", of=make_app(**production))
    assert result.exit_code == 1
    assert flask("users", "list").output == ""
