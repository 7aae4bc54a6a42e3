"""One function for each fault, which reports what happened to the load.

The sleeps let the load run before, during and after the fault, until every client has started and
has received responses again.
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.ground import Ground, Valkey
from tests.chaos.load import Client, Load


@dataclass
class Report:
    """A row of the table."""

    fault: str
    database: str
    load: str
    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    slowest_error: float = 0.0
    well_again: float | None = None  # seconds until all requests succeed again
    lost: int = 0
    doubled: int = 0
    integrity: str = "ok"

    @contextmanager
    def load_on(self, ground: Ground, **options: Any) -> Iterator[Load]:
        """Run load during the block, and add the results to the report.

        Every acknowledged write must exist exactly once, any other at most once.
        """
        with Load(ground.server.url, ground.token, **options) as load:
            yield load
        self.requests += len(load.answers)
        self.errors += load.errors()
        self.slowest_error = max(self.slowest_error, load.slowest(bad=True))
        titles = ground.titles()
        self.lost += sum(titles[each] == 0 for each in load.answered)
        self.doubled += sum(titles[each] > 1 for each in load.tried)
        self.integrity = ground.integrity()
        if load.accepts_at is not None:
            last = max((each.ended for each in load.bad), default=load.accepts_at)
            self.well_again = max(self.well_again or 0.0, last - load.accepts_at)


def restart_postgres(ground: Ground, *, times: int = 1, away: float = 2.0) -> Report:
    """Stop PostgreSQL immediately, and start it again after a while."""
    assert ground.postgres
    report = Report("PostgreSQL restarted", ground.kind, "50/s")
    for _ in range(times):
        with report.load_on(ground) as load:
            time.sleep(2)
            ground.postgres.halt()
            time.sleep(away)
            load.accepts_at = ground.postgres.resume()
            time.sleep(6)
    return report


def freeze_postgres(ground: Ground, *, seconds: float = 8.0) -> Report:
    """Freeze PostgreSQL with open connections, as with a stuck disk or a lost route."""
    assert ground.postgres
    report = Report("PostgreSQL hangs", ground.kind, "50/s")
    with report.load_on(ground) as load:
        time.sleep(2)
        ground.postgres.freeze(signal.SIGSTOP)
        time.sleep(seconds)
        ground.postgres.freeze(signal.SIGCONT)
        load.accepts_at = time.monotonic()
        time.sleep(7)
    return report


def kill_redis(ground: Ground, valkey: Valkey) -> tuple[Report, float]:
    """Kill Redis, restart it, and return by how much slow responses became slower."""
    report = Report("Redis killed", ground.kind, "50/s")
    with Load(ground.server.url, ground.token) as before:
        time.sleep(4)
    with report.load_on(ground) as load:
        time.sleep(1)
        valkey.kill()
        time.sleep(4)
        valkey.resume()
        load.accepts_at = time.monotonic()
        time.sleep(3)
    return report, load.slow_ones() - before.slow_ones()


def kill_processes(ground: Ground, *, rounds: int = 20) -> Report:
    """Kill a worker during writes, then all processes, including PostgreSQL."""
    report = Report(f"kill -9, {rounds} rounds", ground.kind, "writes, 100/s, half repeated")
    for turn in range(rounds):
        with report.load_on(ground, per_second=100, reads=False) as load:
            time.sleep(0.4 + random.random() * 0.4)  # at a different point of a write each time
            if turn % 2 == 0:
                os.kill(random.choice(ground.workers()), signal.SIGKILL)
            else:
                _kill_everything(ground, load)
            load.accepts_at = time.monotonic()
            time.sleep(1)
    return report


def _kill_everything(ground: Ground, load: Load) -> None:
    if ground.postgres:
        ground.postgres.halt(signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(ground.server.process.pid, signal.SIGKILL)
    ground.server.process.wait(10)
    if ground.postgres:
        ground.postgres.resume()
    ground.server = ground.serve()
    load.url = ground.server.url


def fill_disk(ground: Ground, disk: Path) -> Report:
    """Fill the disk of the database, and free it again."""
    report = Report("disk full", ground.kind, "50/s")
    filler = disk / "filler"
    with report.load_on(ground) as load:
        time.sleep(1)
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        time.sleep(4)
        status, _, _ = Client(ground.server.url, ground.token).ask("GET", "/tasks")
        if status != 200:
            report.errors[f"a read: {status}"] += 1
        filler.unlink()
        load.accepts_at = time.monotonic()
        time.sleep(6)
    return report


def terminate_twice(ground: Ground, *, rounds: int = 1) -> Report:
    """Send SIGTERM twice to every process: accepted requests are still answered."""
    report = Report("SIGTERM twice", ground.kind, "200/s, 16 clients")
    for _ in range(rounds):
        with report.load_on(ground, per_second=200, clients=16) as load:
            time.sleep(1)
            os.killpg(ground.server.process.pid, signal.SIGTERM)
            time.sleep(0.1)  # while it still answers accepted requests
            with suppress(ProcessLookupError):
                os.killpg(ground.server.process.pid, signal.SIGTERM)
            ground.server.process.wait(30)
            load.is_over.set()
        # From then on connections are refused, as expected.
        report.requests -= report.errors.pop("ConnectionRefusedError", 0)
        ground.server = ground.serve()
    return report


def reload(ground: Ground, *, requests: int = 10_000) -> Report:
    """Send HUP repeatedly, which replaces the workers."""
    report = Report("HUP", ground.kind, "as fast as it goes, 8 clients")
    with report.load_on(ground, per_second=2000, at_most=requests) as load:
        waiting = threading.Thread(target=load.wait)
        waiting.start()
        while waiting.is_alive():
            ground.server.process.send_signal(signal.SIGHUP)
            waiting.join(4)
    return report


def mount_small_disk(folder: Path, size: str = "24m") -> Path:
    """Mount a tmpfs, which requires root."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", disk], check=True
    )
    return disk


def unmount(disk: Path) -> None:
    subprocess.run(["umount", "--lazy", disk], check=True)
