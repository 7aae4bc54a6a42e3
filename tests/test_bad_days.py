"""Bad days in short: real processes under load; script/chaos runs them at full length."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.ground import Valkey, ground
from tests.chaos.load import Client, Load, register


def test_postgres_restarted_means_503_for_a_while():
    with ground("postgres") as stand:
        report = faults.restart_postgres(stand, away=1)
    assert set(report.errors) == {"503"}, report
    assert report.slowest_error < 5
    assert report.well_again is not None
    assert report.well_again < 5
    assert (report.lost, report.doubled) == (0, 0)


def test_postgres_that_hangs_means_503_within_5_seconds():
    with ground("postgres") as stand:
        report = faults.freeze_postgres(stand, seconds=6)
    assert set(report.errors) == {"503"}, report
    assert report.slowest < 5
    assert report.well_again is not None
    assert report.well_again < 5
    assert (report.lost, report.doubled) == (0, 0)


def test_redis_killed_costs_nobody_an_answer_and_limits_go_on():
    valkey = Valkey()
    with ground("sqlite", REDIS_URL=valkey.url, RATE_LIMIT_PER_MINUTE="100000") as stand:
        report, slower = faults.kill_redis(stand, valkey)
        assert not report.errors, report
        assert slower < 0.25
        asking = Client(stand.server.url, register(stand.server.url, "afterwards"))
        for _ in range(2):  # it starts anew while nobody asks: connection and script are lost
            valkey.kill()
            valkey.resume()
            assert [asking.ask("GET", "/tasks")[0] for _ in range(12)] == [200] * 12
        valkey.kill()
    with ground("sqlite", REDIS_URL=valkey.url, RATE_LIMIT_PER_MINUTE="5") as stand:
        token = register(stand.server.url)
        asking = Client(stand.server.url, token, keeps=True)  # one connection, so one process
        answers = [asking.ask("GET", "/tasks")[0] for _ in range(7)]
        asking.close()
        assert answers == [200] * 5 + [429] * 2


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_processes_lose_and_double_no_answered_write(kind):
    with ground(kind) as stand:
        report = faults.kill_processes(stand, rounds=2)
    assert report.requests > 20
    assert not {"500", "503 without Retry-After"} & set(report.errors)
    assert (report.lost, report.doubled, report.integrity) == (0, 0, "ok")


def test_more_requests_than_connections_mean_503_and_not_more_connections():
    env = {"DATABASE_POOL_SIZE": "1", "DATABASE_MAX_OVERFLOW": "0", "WEB_CONCURRENCY": "1"}
    with ground("postgres", None, **env) as stand:
        token = register(stand.server.url)
        with Load(stand.server.url, token, at_most=300, per_second=1000) as load:
            load.wait()
    assert not load.errors()


@pytest.mark.needs_tools  # mounts a small tmpfs, as root
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_full_disk_refuses_writes_and_serves_reads(kind):
    assert os.geteuid() == 0, "only root may mount a small disk"
    # Not in pytest's folder, which is root's alone: PostgreSQL runs as somebody else.
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
