"""The bad days, one function each: what was done, and what became of the load meanwhile.

Their sleeps are how long the load runs before the fault, during it and after it: until its clients
are all at work, and until the last of them has been answered again.
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.ground import Ground, Valkey
from tests.chaos.load import Client, Load, register


@dataclass
class Report:
    """One line of the table."""

    fault: str
    database: str
    load: str
    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    slowest_error: float = 0.0
    slowest: float = 0.0
    well_again: float | None = None  # seconds after what was broken accepts again
    lost: int = 0
    doubled: int = 0
    integrity: str = "ok"

    def take(self, load: Load) -> None:
        self.requests += len(load.answers)
        self.errors += load.errors()
        self.slowest_error = max(self.slowest_error, load.slowest(bad=True))
        self.slowest = max(self.slowest, load.slowest())

    def count(self, ground: Ground, load: Load) -> None:
        """Every answered write is there exactly once, and no other more than once."""
        titles = ground.titles()
        self.lost += sum(titles[each] == 0 for each in load.answered)
        self.doubled += sum(titles[each] > 1 for each in load.tried)
        self.integrity = ground.integrity()


def _well_again(load: Load, accepts_at: float) -> float:
    """Seconds from then until the last failure had been answered."""
    return max([0.0, *(each.ended - accepts_at for each in load.bad)])


def restart_postgres(ground: Ground, *, times: int = 1, away: float = 2.0) -> Report:
    """Stopped at once (connections are broken off), away for a while, and back."""
    assert ground.postgres
    report = Report("PostgreSQL restarted", ground.kind, "50/s", well_again=0.0)
    token = register(ground.server.url)
    for _ in range(times):
        with Load(ground.server.url, token) as load:
            time.sleep(2)
            ground.postgres.halt()
            time.sleep(away)
            accepts_at = ground.postgres.resume()
            time.sleep(6)
        report.take(load)
        report.count(ground, load)
        report.well_again = max(report.well_again or 0, _well_again(load, accepts_at))
    return report


def freeze_postgres(ground: Ground, *, seconds: float = 8.0) -> Report:
    """It still has its connections, and answers nothing: a stuck disk, a lost route."""
    assert ground.postgres
    report = Report("PostgreSQL hangs", ground.kind, "50/s")
    token = register(ground.server.url, "frozen")
    with Load(ground.server.url, token) as load:
        time.sleep(2)
        ground.postgres.freeze(signal.SIGSTOP)
        time.sleep(seconds)
        ground.postgres.freeze(signal.SIGCONT)
        accepts_at = time.monotonic()
        time.sleep(7)
    report.take(load)
    report.count(ground, load)
    report.well_again = _well_again(load, accepts_at)
    return report


def kill_redis(ground: Ground, valkey: Valkey) -> tuple[Report, float]:
    """Killed, away for a while, and back; also by how much the slow answers grew."""
    report = Report("Redis killed", ground.kind, "50/s")
    token = register(ground.server.url)
    with Load(ground.server.url, token) as before:
        time.sleep(4)
    with Load(ground.server.url, token) as load:
        time.sleep(1)
        valkey.kill()
        time.sleep(4)
        valkey.resume()
        accepts_at = time.monotonic()
        time.sleep(3)
    report.take(load)
    report.count(ground, load)
    report.well_again = _well_again(load, accepts_at)
    return report, load.slow_ones() - before.slow_ones()


def kill_processes(ground: Ground, *, rounds: int = 20) -> Report:
    """SIGKILL during writes: a worker, the next time everything and on Postgres that as well."""
    report = Report(
        f"kill -9, {rounds} rounds", ground.kind, "writes, 100/s, half repeated", well_again=0.0
    )
    token = register(ground.server.url)
    for turn in range(rounds):
        with Load(ground.server.url, token, per_second=100, reads=False) as load:
            time.sleep(0.4 + random.random() * 0.4)  # at another point of a write each time
            if turn % 2 == 0:
                os.kill(random.choice(ground.workers()), signal.SIGKILL)
                back_at = time.monotonic()
            else:
                back_at = _kill_everything(ground, load)
            time.sleep(1)
        report.take(load)
        report.count(ground, load)
        report.well_again = max(report.well_again or 0, _well_again(load, back_at))
    return report


def _kill_everything(ground: Ground, load: Load) -> float:
    if ground.postgres:
        ground.postgres.halt(signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(ground.server.process.pid, signal.SIGKILL)
    ground.server.process.wait(10)
    if ground.postgres:
        ground.postgres.resume()
    ground.server = ground.serve()
    load.url = ground.server.url
    return time.monotonic()


def fill_disk(ground: Ground, disk: Path) -> Report:
    """The database lies on a small disk, which fills up and is emptied again."""
    report = Report("disk full", ground.kind, "50/s")
    token = register(ground.server.url)
    filler = disk / "filler"
    reader = Client(ground.server.url, token)
    with Load(ground.server.url, token) as load:
        time.sleep(1)
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        time.sleep(4)
        status, _, _ = reader.ask("GET", "/tasks")
        if status != 200:
            report.errors[f"a read: {status}"] += 1
        filler.unlink()
        accepts_at = time.monotonic()
        time.sleep(6)
    report.take(load)
    report.count(ground, load)
    report.well_again = _well_again(load, accepts_at)
    return report


def terminate_twice(ground: Ground, *, rounds: int = 1) -> Report:
    """SIGTERM to every process, and again: who was let in is answered, then the door is shut."""
    report = Report("SIGTERM twice", ground.kind, "200/s, 16 clients")
    token = register(ground.server.url)
    for _ in range(rounds):
        with Load(ground.server.url, token, per_second=200, clients=16) as load:
            time.sleep(1)
            os.killpg(ground.server.process.pid, signal.SIGTERM)
            time.sleep(0.1)  # the second one finds it answering those whom it let in
            with suppress(ProcessLookupError):
                os.killpg(ground.server.process.pid, signal.SIGTERM)
            ground.server.process.wait(30)
            load.is_over.set()
        report.take(load)
        # From then on nobody listens, as it should be.
        report.requests -= report.errors.pop("ConnectionRefusedError", 0)
        report.count(ground, load)
        ground.server = ground.serve()
    return report


def reload(ground: Ground, *, requests: int = 10_000) -> Report:
    """HUP again and again: new workers take over from the old."""
    report = Report("HUP", ground.kind, "as fast as it goes, 8 clients")
    token = register(ground.server.url)
    with Load(ground.server.url, token, per_second=2000, at_most=requests) as load:
        waiting = threading.Thread(target=load.wait)
        waiting.start()
        while waiting.is_alive():
            ground.server.process.send_signal(signal.SIGHUP)
            waiting.join(4)
    report.take(load)
    report.count(ground, load)
    return report


def mount_small_disk(folder: Path, size: str = "24m") -> Path:
    """A tmpfs; needs root."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", disk], check=True
    )
    return disk


def unmount(disk: Path) -> None:
    subprocess.run(["umount", "--lazy", disk], check=True)
