"""Upgrade of a database that an earlier version created."""

import json
import re

import pytest

from tests.support.client import ApiClient, login
from tests.support.old_database import DATA, ask_all, dump, fill, load
from tests.support.receiver import eventually
from tests.support.rows import Rows
from tests.support.worker import working

SECRET_KEY = "of-an-old-database-0-Tq8Lw2Xn5Rv7Kd3Hs9Tb4Yc6Mf1Pj"
VERSIONS = sorted({path.name.partition(".")[0] for path in DATA.glob("*.sql")})


def pytest_generate_tests(metafunc):
    if "version" in metafunc.fixturenames:
        is_recording = metafunc.config.getoption("record_database")
        metafunc.parametrize("version", ["present"] if is_recording else VERSIONS)


@pytest.fixture
def make(make_app):
    return lambda url: make_app(
        DATABASE_URL=url, SECRET_KEY=SECRET_KEY, WEBHOOK_ALLOW_PRIVATE="1", LOG_LEVEL="WARNING"
    )


@pytest.fixture
def flask(make):
    """`flask(url, "db", "upgrade")` runs a command."""

    def run(url, *command):
        ran = make(url).test_cli_runner().invoke(args=command)
        assert ran.exit_code == 0, ran.output
        return ran.output

    return run


def record(app, client, backend, receiver, url):
    known = fill(app, client, Rows(url), receiver)
    version = Rows(url).value("SELECT version_num FROM alembic_version")
    (DATA / f"{version}.{backend}.sql").write_text(dump(url))
    text = json.dumps(known, indent=1, ensure_ascii=False)
    (DATA / f"{version}.{backend}.json").write_text(f"{text}\n")


def test_upgrade_of_an_earlier_database(
    version, backend, databases, make, flask, secrets, receiver
):
    if version == "present":
        url = databases.fresh()
        app = make(url)
        record(app, ApiClient(app, secrets), backend, receiver, url)
        return
    known = json.loads((DATA / f"{version}.{backend}.json").read_text())
    url = databases.blank()
    load(url, (DATA / f"{version}.{backend}.sql").read_text())
    loaded = dump(url)

    flask(url, "db", "upgrade")
    flask(url, "db", "check")  # autogenerate finds no difference to the models
    flask(url, "db", "downgrade", version)
    assert rows_in(dump(url)) == rows_in(loaded)
    flask(url, "db", "upgrade")

    app = make(url)
    client = ApiClient(app, secrets)
    for question, answer in ask_all(client, known["tokens"]).items():
        assert_kept(known["answers"][question], answer, question)
    for name, password in known["passwords"].items():
        assert login(client, name, password).status_code == 200
    assert app.test_client().get(known["calendar"]).status_code == 200
    # Refresh tokens of 1.0 are signed differently: its sessions log in again.
    refreshed = client.post("/auth/refresh", json={"refresh_token": known["refresh_token"]})
    assert refreshed.status_code == 401

    # The pending job is run, and the encrypted secret still signs deliveries.
    ana = known["tokens"]["ana"]
    answer = client.patch("/webhooks/1", json={"url": receiver.url()}, as_=ana)
    assert answer.status_code == 200
    assert client.post("/webhooks/1/test", as_=ana).status_code == 202
    with working(app):
        eventually(lambda: receiver.messages, seconds=30)
        path = f"/jobs/{known['waiting_job']}"
        eventually(lambda: client.get(path, as_=ana).get_json()["finished_at"], seconds=30)
    assert receiver.verified(known["webhook_secret"])
    assert client.get(path, as_=ana).get_json()["result"] == {"created": 101}


def rows_in(text):
    """Return the sorted rows of a dump.

    Encrypted secrets differ each time. Staged rows of imports and workers are not kept.
    """
    return sorted(
        re.sub(r"'[\w.=+/-]{60,}'", "'secret'", line) if "webhooks" in line else line
        for line in text.splitlines()
        if line.startswith("INSERT") and not re.search(r"import_batches|workers\b", line)
    )


def assert_kept(before, now, where):
    """Assert that nothing changed, except for additional fields."""
    if isinstance(before, dict):
        for name, value in before.items():
            assert name in now, f"{where}: {name} is gone"
            assert_kept(value, now[name], f"{where}: {name}")
    elif isinstance(before, list):
        assert len(before) == len(now), where
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            assert_kept(old, new, f"{where}[{number}]")
    else:
        assert before == now, where
