"""`flask …` as a process: a failure is one sentence, and a prompt shows nothing."""

import os
import pty
import subprocess
import sys
import time

from tests.conftest import SETTINGS
from tests.support.client import GOOD, login
from tests.support.live import PASSED_ON
from tests.support.servers import ROOT, free_port


def environment(**env):
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {"FLASK_SKIP_DOTENV": "1", "FLASK_APP": "wsgi"} | SETTINGS | env


def run_flask(*args, input="", **env):
    return subprocess.run(
        [sys.executable, "-m", "flask", *args],
        cwd=ROOT,
        env=environment(**env),
        input=input if isinstance(input, bytes) else input.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )


def fails_with_one_sentence(result):
    said = result.stderr.decode()
    assert result.returncode == 1, said
    assert "Traceback" not in said
    assert "Error:" in said or "Cannot start:" in said
    return said


def test_without_tables_every_command_says_what_to_do(databases):
    env = {"DATABASE_URL": databases.blank()}
    for args in (["users", "list"], ["users", "create", "ana", "--password-stdin"], ["demo"]):
        assert "flask db upgrade" in fails_with_one_sentence(run_flask(*args, input=GOOD, **env))


def test_without_the_database_every_command_says_so(tmp_path):
    for url in (
        f"postgresql://nobody:x@127.0.0.1:{free_port()}/none",
        f"sqlite:///{tmp_path}/no/such/folder/db.sqlite3",
    ):
        said = fails_with_one_sentence(run_flask("users", "list", DATABASE_URL=url))
        assert "nobody:x" not in said


def test_bytes_that_are_no_text(databases):
    env = {"DATABASE_URL": databases.fresh()}
    result = run_flask(
        "users", "create", "ana", "--password-stdin", input=b"\xff\xfe-Ab1234", **env
    )
    fails_with_one_sentence(result)
    result = run_flask("users", "promote", b"\xff\xfe".decode("utf-8", "surrogateescape"), **env)
    fails_with_one_sentence(result)


def test_a_bad_setting_is_a_sentence_for_commands_too():
    said = fails_with_one_sentence(run_flask("users", "list", BCRYPT_ROUNDS="many"))
    assert "BCRYPT_ROUNDS" in said


def test_the_prompt_shows_nothing_that_is_typed(databases, client):
    """On a terminal, as a person would use it."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "users", "create", "ana"],
        cwd=ROOT,
        env=environment(DATABASE_URL=databases.shared()),
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
            time.sleep(0.2)  # until the terminal has stopped echoing
            os.write(parent, f"{GOOD}\n".encode())
            answered += 1
    os.close(parent)
    assert process.wait(10) == 0, seen
    assert answered == 2
    assert GOOD not in seen
    assert login(client, "ana").status_code == 200
