"""Several instances: behind nginx, with PgBouncer, and with faults."""

import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.chaos import faults
from tests.chaos.ground import SETTINGS, OwnPostgres, Valkey, ground, migrate
from tests.chaos.load import Client, Load, register
from tests.support.calls import call
from tests.support.client import GOOD
from tests.support.live import LiveServer
from tests.support.programs import daemon, nginx, program
from tests.support.rows import Rows
from tests.support.servers import free_port

pytestmark = pytest.mark.postgres

# --- two instances on one PostgreSQL and one Redis ------------------------------------------------


@pytest.fixture
def pair(live_server, databases, redis_url, secrets):
    settings = {"DATABASE_URL": databases.fresh(), "REDIS_URL": redis_url, "WEB_CONCURRENCY": "2"}
    settings["RATE_LIMIT_PER_MINUTE"] = "40"
    urls = [live_server(**settings).url for _ in range(2)]
    rows = Rows(settings["DATABASE_URL"])

    def sign_up(name, *, admin=False):
        body = {"username": name, "password": GOOD}
        made = call(urls[0], "POST", "/auth/register", body).json
        secrets.learn(made)
        if admin:
            rows.run("UPDATE users SET role = 'admin' WHERE username = :name", name=name)
        return made["user"]["id"], made["access_token"], made["refresh_token"]

    return urls, sign_up


def test_changes_on_one_instance_apply_on_the_other(pair):
    (one, two), sign_up = pair
    _, boss, _ = sign_up("boss", admin=True)

    def status(url, path, token):
        return call(url, "GET", path, token=token).status

    _, token, refresh = sign_up("logout")
    assert status(two, "/users/me", token) == 200
    assert call(one, "POST", "/auth/logout", token=token).status == 204
    assert status(two, "/users/me", token) == 401
    assert call(two, "POST", "/auth/refresh", {"refresh_token": refresh}).status == 401

    number, token, _ = sign_up("disable")
    assert status(two, "/users/me", token) == 200
    off = call(one, "PATCH", f"/users/{number}", {"is_active": False}, token=boss)
    assert off.status == 200
    assert status(two, "/users/me", token) == 401

    number, token, _ = sign_up("demote", admin=True)
    assert status(two, "/users", token) == 200
    assert call(one, "PATCH", f"/users/{number}", {"role": "user"}, token=boss).status == 200
    assert status(two, "/users", token) == 403

    _, _, first = sign_up("refresh")
    answers = [call(url, "POST", "/auth/refresh", {"refresh_token": first}) for url in (one, two)]
    assert answers[0].json["refresh_token"] == answers[1].json["refresh_token"]


def test_limits_and_failed_logins_are_counted_together(pair):
    (one, two), sign_up = pair
    _, token, _ = sign_up("ana")
    got = [call((one, two)[n % 2], "GET", "/users/me", token=token).status for n in range(44)]
    assert got == [200] * 40 + [429] * 4
    wrong = {"username": "ana", "password": "Wrong-1-password"}
    got = [call((one, two)[n % 2], "POST", "/auth/login", wrong).status for n in range(12)]
    assert got == [401] * 10 + [429] * 2


# --- three instances behind nginx, one PgBouncer, one Redis ---------------------------------------

PGBOUNCER = """
[databases]
* = host=127.0.0.1 port={postgres} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
{more}
"""


def can_keep_prepared(pgbouncer: str) -> bool:
    """Whether this PgBouncer supports max_prepared_statements (1.21)."""
    said = subprocess.run([pgbouncer, "--version"], capture_output=True, text=True, check=True)
    major, minor = said.stdout.split()[1].split(".")[:2]
    return (int(major), int(minor)) >= (1, 21)


class Cluster:
    """The URL of nginx, and those of the instances."""

    def __init__(self, url: str, instances: list[LiveServer]):
        self.url = url
        self.instances = [each.url for each in instances]


@contextmanager
def cluster(**env: str) -> Iterator[Cluster]:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="taskapi-cluster-"))
        folder.chmod(0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = OwnPostgres(folder)
        url = postgres.start()
        stack.callback(postgres.stop)
        valkey = Valkey()
        stack.callback(valkey.kill)

        pgbouncer, pooled = program("pgbouncer"), free_port()
        keeps = can_keep_prepared(pgbouncer)
        more = "max_prepared_statements = 200" if keeps else ""
        config = folder / "pgbouncer.ini"
        config.write_text(PGBOUNCER.format(postgres=postgres.port, port=pooled, more=more))
        user = "nobody" if os.geteuid() == 0 else None
        stack.enter_context(daemon(pgbouncer, "-q", config, port=pooled, user=user))

        settings = SETTINGS | {
            "DATABASE_URL": url.replace(str(postgres.port), str(pooled)),
            "DATABASE_PREPARED": "1" if keeps else "0",
            "REDIS_URL": valkey.url,
            "TRUSTED_PROXIES": "1",
            **env,
        }
        migrate(settings | {"DATABASE_URL": url})
        instances = []
        for number in range(3):
            instances.append(LiveServer(folder / f"instance-{number}.log", settings))
            stack.callback(instances[-1].stop)

        tell = "add_header X-Instance $upstream_addr always;"
        front = nginx(folder, *(each.url for each in instances), more=tell)
        yield Cluster(stack.enter_context(front), instances)


@pytest.fixture(scope="module")
def three():
    with cluster() as made:
        yield made


@pytest.mark.needs_tools
def test_requests_on_any_instance_through_pgbouncer(three):
    token = register(three.url, "anywhere")
    asking = Client(three.url, token)
    seen: Counter[str] = Counter()
    made = asking.ask("POST", "/tasks", {"title": "everywhere"})[1]
    for _ in range(60):  # so that every connection prepares every statement
        status, task, headers = asking.ask("GET", f"/tasks/{made['id']}")
        assert (status, task["title"]) == (200, "everywhere")
        seen[headers["X-Instance"]] += 1
    assert len(seen) == 3, "no session is sticky"
    with Load(three.url, token, per_second=200, at_most=600) as load:
        load.wait()
    assert not load.errors()


@pytest.mark.needs_tools
def test_idempotency_key_works_across_instances(three):
    token = register(three.url, "hasty")

    def create(turn: int, instance: int) -> tuple[int, int]:
        client = Client(three.instances[instance % 3], token)
        status, task, _ = client.ask(
            "POST", "/tasks", {"title": f"once {turn}"}, {"Idempotency-Key": f"key-{turn}"}
        )
        return status, task["id"]

    with ThreadPoolExecutor(6) as pool:
        for turn in range(5):
            answers = set(pool.map(lambda instance, turn=turn: create(turn, instance), range(6)))
            assert len(answers) == 1
            assert answers.pop()[0] == 201
    assert Client(three.url, token).ask("GET", "/tasks")[1]["total"] == 5


@pytest.mark.needs_tools
def test_forged_address_does_not_evade_limits():
    with cluster(RATE_LIMIT_PER_MINUTE="10", RATE_LIMIT_AUTH_PER_MINUTE="5") as three:
        token = register(three.url)
        asking = Client(three.url, token)
        answers = [asking.ask("GET", "/users/me") for _ in range(12)]
        assert [status for status, _, _ in answers] == [200] * 10 + [429] * 2
        assert len({headers["X-Instance"] for _, _, headers in answers}) == 3
        tries = []
        for number in range(7):
            body = {"username": "nobody", "password": "wrong"}
            forged = {"X-Forwarded-For": f"203.0.113.{number}"}
            tries.append(Client(three.url).ask("POST", "/auth/login", body, forged)[0])
        assert tries == [401] * 5 + [429] * 2


@pytest.mark.needs_tools
def test_promoted_standby_is_used_without_restart():
    with ExitStack() as stack:
        folders = [Path(tempfile.mkdtemp(prefix="taskapi-failover-")) for _ in range(2)]
        for folder in folders:
            folder.chmod(0o711)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        primary = OwnPostgres(folders[0])
        url = primary.start()
        standby = primary.standby(folders[1])
        stack.callback(standby.stop)
        both = (
            f"postgresql://postgres@/postgres?host=127.0.0.1:{primary.port}"
            f"&host=127.0.0.1:{standby.port}&target_session_attrs=read-write"
        )
        migrate(SETTINGS | {"DATABASE_URL": url})
        server = LiveServer(folders[0] / "server.log", SETTINGS | {"DATABASE_URL": both})
        stack.callback(server.stop)
        with Load(server.url, register(server.url)) as load:
            time.sleep(2)  # writes
            before = set(load.answered)
            time.sleep(0.5)  # time for replication
            primary.halt()
            time.sleep(1)  # no database
            standby.promote()
            promoted_at = time.monotonic()
            time.sleep(6)  # recovery takes up to 5 s; later requests must succeed
        assert set(load.errors()) == {"503"}
        assert load.slowest(bad=True) < 5
        assert max(each.ended for each in load.bad) - promoted_at < 5
        late = [each for each in load.answers if each.began > promoted_at + 5]
        assert late
        assert all(each.is_good for each in late)
        with psycopg.connect(standby.url) as connection:
            titles = Counter(title for (title,) in connection.execute("SELECT title FROM tasks"))
        assert all(titles[each] == 1 for each in before)
        assert max(titles.values()) == 1


# --- short faults; script/chaos runs them at full length -----------------------------------------


@pytest.mark.slow
def test_postgres_restart_causes_503():
    with ground("postgres") as stand:
        report = faults.restart_postgres(stand, away=1)
    assert set(report.errors) == {"503"}, report
    assert report.slowest_error < 5
    assert report.well_again is not None
    assert report.well_again < 5
    assert (report.lost, report.doubled) == (0, 0)


@pytest.mark.slow
def test_frozen_postgres_delays_requests():
    """The application does not time out connections that are open but silent."""
    with ground("postgres") as stand:
        report = faults.freeze_postgres(stand, seconds=4)
    assert set(report.errors) <= {"503"}, report
    assert report.well_again is not None
    assert report.well_again < 5
    assert (report.lost, report.doubled) == (0, 0)


@pytest.mark.slow
def test_killed_redis_fails_no_request():
    valkey = Valkey()
    with ground("sqlite", REDIS_URL=valkey.url, RATE_LIMIT_PER_MINUTE="100000") as stand:
        report, slower = faults.kill_redis(stand, valkey)
        assert not report.errors, report
        assert slower < 0.25
        asking = Client(stand.server.url, register(stand.server.url, "afterwards"))
        for _ in range(2):  # a restart between requests loses the connection and the script
            valkey.kill()
            valkey.resume()
            assert [asking.ask("GET", "/tasks")[0] for _ in range(12)] == [200] * 12
        valkey.kill()
    with ground("sqlite", REDIS_URL=valkey.url, RATE_LIMIT_PER_MINUTE="5") as stand:
        asking = Client(stand.server.url, stand.token, keeps=True)  # always the same process
        answers = [asking.ask("GET", "/tasks")[0] for _ in range(7)]
        asking.close()
        assert answers == [200] * 5 + [429] * 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_processes_neither_lose_nor_repeat_writes(kind):
    with ground(kind) as stand:
        report = faults.kill_processes(stand, rounds=2)
    assert report.requests > 20
    assert not {"500", "503 without Retry-After"} & set(report.errors)
    assert (report.lost, report.doubled, report.integrity) == (0, 0, "ok")


@pytest.mark.slow
def test_exhausted_pool_causes_503():
    env = {"DATABASE_POOL_SIZE": "1", "DATABASE_MAX_OVERFLOW": "0", "WEB_CONCURRENCY": "1"}
    with (
        ground("postgres", None, **env) as stand,
        Load(stand.server.url, stand.token, at_most=300, per_second=1000) as load,
    ):
        load.wait()
    assert not load.errors()


@pytest.mark.needs_tools  # mounts a tmpfs as root
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_full_disk_fails_writes_only(kind):
    assert os.geteuid() == 0, "only root may mount a small disk"
    # Only root can read the folder of pytest, but PostgreSQL runs as another user.
    place = Path(tempfile.mkdtemp(prefix="taskapi-disk-"))
    place.chmod(0o711)
    disk = faults.mount_small_disk(place, "160m" if kind == "postgres" else "16m")
    try:
        with ground(kind, disk) as stand:
            report = faults.fill_disk(stand, disk)
    finally:
        faults.unmount(disk)
        shutil.rmtree(place)
    assert set(report.errors) == {"503"}, report
    assert (report.lost, report.doubled, report.integrity) == (0, 0, "ok")
