"""`flask users …`, `tokens create` and `demo`: effects, output and exit codes."""

import os
import pty
import subprocess
import sys
import termios
import time

import pytest

from tests.support.client import GOOD, login
from tests.support.live import SETTINGS, environment, run_flask
from tests.support.receiver import eventually
from tests.support.servers import ROOT, free_port


@pytest.fixture
def flask(app):
    """`flask("users", "list")` runs a command in this process."""

    def run(*args, input=None, of=None):
        result = (of or app).test_cli_runner().invoke(args=list(args), input=input)
        if result.exit_code:
            assert isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert GOOD not in result.output
        return result

    return run


@pytest.mark.sqlite
def test_help_and_usage_errors(flask):
    names = ["create", "list", "promote", "demote", "disable", "enable", "set-password"]
    names += ["reset-link", "ensure-admin"]
    commands = [["users"], *(["users", name] for name in names), ["tokens"], ["tokens", "create"]]
    for command in (*commands, ["demo"], ["purge"]):
        result = flask(*command, "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.output
        assert len(result.output.splitlines()) > 4
    for args in (["users", "create"], ["users", "foo"], ["users", "create", "a", "--foo"]):
        assert flask(*args).exit_code == 2


@pytest.mark.sqlite
def test_create_and_list(flask, client):
    first = flask("users", "create", "ana", "--password-stdin", input=f"{GOOD}\n")
    assert first.exit_code == 0
    assert "ana" in first.output
    args = ("ben", "--email", "Ben@example.org", "--admin", "--password-stdin")
    assert flask("users", "create", *args, input=GOOD).exit_code == 0
    for name, facts in (("ana", ("user", None)), ("ben@example.org", ("admin", "Ben@example.org"))):
        user = login(client, name).get_json()["user"]
        assert (user["role"], user["email"]) == facts
    # Without --password-stdin it prompts twice.
    result = flask("users", "create", "carl", input=f"{GOOD}\nOther-1-password\n{GOOD}\n{GOOD}\n")
    assert result.exit_code == 0
    assert "do not match" in result.output
    assert login(client, "carl").status_code == 200
    assert flask("users", "create", "dora", input="").exit_code == 1
    lines = flask("users", "list").output.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["ana", "-", "user", "active"],
        ["ben", "Ben@example.org", "admin", "active"],
        ["carl", "-", "user", "active"],
    ]


def test_create_fails_with_one_line(flask, cast):
    cast.user("taken", email="Taken@example.org")
    for args, password, word in (
        *((["ana"], weak, "password") for weak in ("weak", "")),
        *(([name], GOOD, "username") for name in ("an", "", "ana@example.org", "taken", "TAKEN")),
        (["", "--email", "a@example.org"], GOOD, "username"),
        *((["ana", "--email", e], GOOD, "email") for e in ("nonsense", "", "taken@example.org")),
    ):
        result = flask("users", "create", *args, "--password-stdin", input=password)
        assert result.exit_code == 1
        assert word in result.output, args
        assert len(result.output.splitlines()) == 1
    assert flask("users", "list").output.count("\n") == 1


@pytest.mark.sqlite
def test_promote_demote_disable_enable(flask, client, alice, admin):
    assert flask("users", "promote", "ALICE").exit_code == 0
    assert client.get("/users", as_=alice).status_code == 200
    assert flask("users", "demote", "alice").exit_code == 0
    assert client.get("/users", as_=alice).status_code == 403
    assert flask("users", "disable", "alice").exit_code == 0
    assert login(client, "alice", alice.password).status_code == 401
    assert flask("users", "enable", "alice").exit_code == 0
    assert login(client, "alice", alice.password).status_code == 200
    for command in ("demote", "disable"):
        result = flask("users", command, "root")
        assert result.exit_code == 1
        assert "last active admin" in result.output
    assert client.get("/users", as_=admin).status_code == 200
    for command in ("promote", "demote", "disable", "enable", "set-password", "reset-link"):
        result = flask("users", command, "nobody", input=f"{GOOD}\n{GOOD}\n")
        assert result.exit_code == 1
        assert "nobody" in result.output


@pytest.mark.sqlite
def test_set_password_and_reset_link(flask, client, make_app, alice, secrets):
    weak = flask("users", "set-password", "alice", "--password-stdin", input="weak")
    assert weak.exit_code == 1
    assert client.get("/users/me", as_=alice).status_code == 200
    assert flask("users", "set-password", "alice", input=f"{GOOD}\n{GOOD}\n").exit_code == 0
    assert login(client, "alice").status_code == 200
    public = make_app(PUBLIC_URL="https://tasks.example.org/")
    for app, base in ((public, "https://tasks.example.org"), (None, "http://localhost:8000")):
        output = flask("users", "reset-link", "alice", of=app).output
        assert f"curl {base}/api/v1/auth/password/reset" in output
        assert (f"{base}/docs#/auth/reset_password\n" in output) == (app is public)
    offered = output.split('"token": "')[1].split('"')[0]
    secrets.learn({"token": offered})
    body = {"token": offered, "new_password": "Orchard-by-9-hills"}
    assert client.post("/auth/password/reset", json=body).status_code == 204
    assert login(client, "alice", "Orchard-by-9-hills").status_code == 200


@pytest.mark.sqlite
def test_tokens_create(flask, client, alice, secrets):
    result = flask("tokens", "create", "alice", "backup", "--scope", "write")
    assert result.exit_code == 0
    token = result.output.strip()
    secrets.learn({"token": token})
    assert client.post("/tasks", json={"title": "T"}, as_=token).status_code == 201
    for args, status in (("alice x --scope admin", 1), ("nobody x", 1), ("alice x --scope all", 2)):
        assert flask("tokens", "create", *args.split()).exit_code == status
    assert flask("tokens", "create", "alice", "").exit_code == 1


# --- ensure-admin -------------------------------------------------------------------------------

ADMIN = {"ADMIN_USERNAME": "boss", "ADMIN_EMAIL": "boss@example.org", "ADMIN_PASSWORD": GOOD}


@pytest.mark.sqlite
def test_ensure_admin_creates_an_admin_once(flask, make_app, client):
    assert flask("users", "ensure-admin").exit_code == 0, "without settings it does nothing"
    weak = flask("users", "ensure-admin", of=make_app(**ADMIN | {"ADMIN_PASSWORD": "weak"}))
    assert weak.exit_code == 1
    assert "password" in weak.output
    assert flask("users", "list").output == ""
    app = make_app(**ADMIN)
    assert flask("users", "ensure-admin", of=app).exit_code == 0
    user = login(client, "boss").get_json()["user"]
    assert (user["role"], user["email"]) == ("admin", "boss@example.org")
    flask("users", "set-password", "boss", "--password-stdin", input="Another-7-one")
    only_email = make_app(ADMIN_EMAIL="boss@example.org", ADMIN_PASSWORD=GOOD)
    for each in (app, only_email):
        assert flask("users", "ensure-admin", of=each).exit_code == 0
    assert login(client, "boss").status_code == 401, "the password is not set back"
    assert login(client, "boss", "Another-7-one").get_json()["user"]["version"] == 2
    only_name = make_app(ADMIN_USERNAME="chief", ADMIN_PASSWORD=GOOD)
    for _ in range(2):
        assert flask("users", "ensure-admin", of=only_name).exit_code == 0
    assert login(client, "chief").get_json()["user"]["role"] == "admin"
    assert flask("users", "list").output.count("\n") == 2


@pytest.mark.parametrize("names", [{"username": "BOSS"}, {"email": "boss@EXAMPLE.org"}])
def test_ensure_admin_does_not_promote_users(flask, make_app, client, names):
    body = {**names, "password": "Someone-7-elses"}
    assert client.post("/auth/register", json=body).status_code == 201
    result = flask("users", "ensure-admin", of=make_app(**ADMIN))
    assert result.exit_code == 1
    assert "not an admin" in result.output
    (name,) = names.values()
    assert login(client, name, "Someone-7-elses").get_json()["user"]["role"] == "user"
    assert login(client, name).status_code == 401


# --- demo ---------------------------------------------------------------------------------------


def test_demo_creates_users_and_tasks_once(flask, client, make_app):
    production = {"TASKAPI_ENV": "production", "SECRET_KEY": "xK7#" * 12 + "9bQz1"}
    refused = flask("demo", of=make_app(**production, BCRYPT_ROUNDS="12"))
    assert refused.exit_code == 1, "it is for development only"
    assert flask("users", "list").output == ""
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
    assert "Created" not in second.output
    assert client.get("/tasks", as_=ana["access_token"]).get_json()["total"] == len(tasks)
    admin = login(client, "demo-admin", password).get_json()
    assert admin["user"]["role"] == "admin"


# --- as a process -------------------------------------------------------------------------------


def error_of(*args, input="", **env):
    """Return the error message of a failing command."""
    result = run_flask(*args, input=input, **SETTINGS | env)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "Error:" in result.stderr or "Cannot start:" in result.stderr
    return result.stderr


def test_flask_help_opens_with_what_this_is():
    for args in (["--help"], []):
        ran = run_flask(*args, **SETTINGS)
        assert (ran.stderr, ran.stdout.count("Usage:")) == ("", 1)
        assert (
            ran.stdout.splitlines()[2]
            == "  Manage Task API, a REST API for users, projects and tasks."
        )
        assert "\n  doctor " in ran.stdout


def test_commands_without_migrations_name_the_command_to_run(databases, flask, make_app):
    app = make_app(DATABASE_URL=databases.blank())
    for args in (["users", "list"], ["users", "create", "ana", "--password-stdin"], ["demo"]):
        result = flask(*args, input=GOOD, of=app)
        assert result.exit_code == 1
        assert "flask db upgrade" in result.output


def test_commands_without_a_database_print_no_password(tmp_path):
    for url in (
        f"postgresql://nobody:x@127.0.0.1:{free_port()}/none",
        f"sqlite:///{tmp_path}/no/such/folder/db.sqlite3",
    ):
        assert "nobody:x" not in error_of("users", "list", DATABASE_URL=url)


@pytest.mark.sqlite
def test_input_that_is_not_utf8_and_an_invalid_setting(databases):
    url = databases.fresh()
    args = ("users", "create", "ana", "--password-stdin")
    not_utf8 = b"\xff\xfe-Ab1234".decode("utf-8", "surrogateescape")
    error_of(*args, input=not_utf8, DATABASE_URL=url)
    error_of("users", "promote", not_utf8, DATABASE_URL=url)
    assert "BCRYPT_ROUNDS" in error_of("users", "list", BCRYPT_ROUNDS="many")


@pytest.mark.sqlite
def test_the_prompt_states_the_rules_and_hides_the_password(databases, client):
    """Run the command in a pseudo-terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "users", "create", "ana"],
        cwd=ROOT,
        env=environment(SETTINGS | {"DATABASE_URL": databases.shared()}),
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    seen, answered, end = "", 0, time.monotonic() + 60
    while time.monotonic() < end:
        try:
            seen += os.read(parent, 1024).decode()
        except OSError:
            break
        if seen.count(":") > answered and answered < 2 and seen.rstrip().endswith(":"):
            eventually(lambda: not termios.tcgetattr(parent)[3] & termios.ECHO)
            os.write(parent, f"{GOOD}\n".encode())
            answered += 1
    os.close(parent)
    assert process.wait(10) == 0, seen
    assert answered == 2
    assert GOOD not in seen
    assert seen.index("8 to 256 characters") < seen.index("Password:")
    assert login(client, "ana").status_code == 200
