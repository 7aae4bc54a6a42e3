"""Measure the service, its peers and the limit in turn."""

import argparse
import os
import resource
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import data, deliveries, report, servers
from bench.load import OPERATIONS, Measurement
from bench.progress import Progress
from bench.servers import PEER_VENV, PEERS, WORKERS, prepare_peer
from bench.stage import Act, Stage, stage
from tests.support.servers import ROOT

RESULTS = ROOT / "bench" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
TABLE_BEGINS, TABLE_ENDS = "<!-- script/bench writes this -->", "<!-- until here -->"
BURST = 100
SQLMODEL_CONNECTIONS = 16  # its safe maximum
LOGIN_SECONDS = 3  # minimum: 16 concurrent logins on two cores take two seconds


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Loads this service as in production, other services with the same work"
        " (bench/peer) and a bare function (bench/limit.py) in turn, on real servers that it"
        " starts and ends, checks every answer, and compares them.",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test of under a minute")
    parser.add_argument("--sqlite", action="store_true", help="SQLite instead of PostgreSQL")
    parser.add_argument("--growth", action="store_true", help="pages of 1,000 and 1,000,000 tasks")
    parser.add_argument("--profile", action="store_true", help="CPU time by layer")
    parser.add_argument("--deliveries", action="store_true", help="webhooks, and the API beside")
    parser.add_argument("--ops", default=",".join(OPERATIONS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, help="default: 7")
    parser.add_argument("--seconds", type=int, help="of load for each figure; default: 3")
    parser.add_argument("--connections", default="16,64", help="default: %(default)s")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--users", type=int, help="half read, half write; default: 32")
    parser.add_argument("--beside", type=Path, help="another checkout of this service, as 'before'")
    parser.add_argument("--no-save", action="store_true", help="write no result and no picture")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 7)
    options.seconds = options.seconds or (1 if options.quick else 3)
    options.users = options.users or (4 if options.quick else 32)
    options.connections = (
        [16] if options.quick else [int(n) for n in options.connections.split(",")]
    )
    options.ops = options.ops.split(",")
    options.peers = options.peers.split(",")
    for given, known in ((options.ops, OPERATIONS), (options.peers, PEERS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    return options


class Bench:
    """Interleaved rounds, so that other load affects all contenders equally."""

    def __init__(self, options: argparse.Namespace, acts: list[Act]):
        self.options = options
        self.acts = acts
        self.operations = [OPERATIONS[name] for name in options.ops]
        self.measurements: list[dict[str, Any]] = []
        self.bursts: list[dict[str, Any]] = []
        self.memory: dict[str, int] = {}
        self.cold_starts: dict[str, list[float]] = {act.contender.name: [] for act in acts}
        # Logins are limited by bcrypt, so more connections only wait longer.
        logins = [4] if options.quick else options.connections[:1]
        self.plan = [
            (operation, connections)
            for operation in self.operations
            for connections in (logins if operation.name == "login" else options.connections)
        ]
        self.bursting = [
            each for each in self.operations if each.name in ("list", "get", "create")
        ][: 1 if options.quick else 3]
        per_round = (len(self.plan) + len(self.bursting)) * len(acts)
        self.progress = Progress((options.rounds + (not options.quick)) * per_round)

    def run(self) -> None:
        if not self.options.quick:
            self._round(0)  # warm up connections, statements and caches
            self.measurements.clear()
            self.bursts.clear()
        for number in range(1, self.options.rounds + 1):
            self._round(number)
        self.progress.end()
        self.memory = {act.contender.name: act.contender.memory() for act in self.acts}
        for act in self.acts:
            self._count_what_was_made(act)
        for _ in range(1 if self.options.quick else 5):
            for act in self.acts:
                self._start_cold(act)

    def _in_turn(self, number: int) -> list[Act]:
        first = number % len(self.acts)
        return self.acts[first:] + self.acts[:first]

    def _round(self, number: int) -> None:
        name = f"round {number} of {self.options.rounds}" if number else "warming up"
        for act in self.acts:
            self._check(act)
        for operation, connections in self.plan:
            for act in self._in_turn(number):
                if not self._can(act, operation.name, connections):
                    continue
                text = f"{name}: {operation.label}, {connections} connections"
                self.progress.step(f"{text}, {act.contender.name}")
                act.contender.settle()
                before, everything = act.contender.cpu_seconds(), servers.everything()
                began, generators = time.monotonic(), _cpu_of_ended_children()
                seconds = self.options.seconds if number else 1
                if operation.name == "login":
                    seconds = max(seconds, LOGIN_SECONDS)
                seen = act.load.run(operation, connections, seconds)
                act.contender.settle()
                used = act.contender.cpu_seconds() - before
                known = used + _cpu_of_ended_children() - generators
                whole = (time.monotonic() - began) * (os.cpu_count() or 1)
                others = max(0.0, servers.everything() - everything - known) / whole
                self._note(number, operation.name, connections, act, seen, used, others)
        for operation in self.bursting:
            for act in self._in_turn(number):
                if not self._can(act, operation.name, BURST):
                    continue
                self.progress.step(f"{name}: {operation.label}, a burst, {act.contender.name}")
                seen = act.load.run(operation, BURST, 1 if self.options.quick else 2, burst=True)
                act.contender.settle()
                self._note(number, operation.name, BURST, act, seen)
        for act in self.acts:
            self._check(act)
            data.tidy(act.database_url)

    def _can(self, act: Act, operation: str, connections: int = 1) -> bool:
        """Return whether a contender supports this number of connections.

        With many connections, the SQLModel service deadlocks: requests hold all pooled connections
        while they wait for a thread, and the threads wait for a connection.
        """
        if act.contender.name == "sqlmodel" and connections > SQLMODEL_CONNECTIONS:
            return False
        return not (act.contender.name == "limit" and operation == "patch")

    def _check(self, act: Act) -> None:
        for operation in self.operations:
            if self._can(act, operation.name):
                act.load.check(operation)

    def _note(
        self,
        number: int,
        operation: str,
        connections: int,
        act: Act,
        seen: Measurement,
        cpu_seconds: float | None = None,
        others: float = 0,
    ) -> None:
        noted = {
            "round": number,
            "operation": operation,
            "connections": connections,
            "contender": act.contender.name,
            **{name: round(value, 3) for name, value in vars(seen).items()},
        }
        if cpu_seconds is None:
            self.bursts.append(noted)
        else:
            noted["cpu_ms"] = round(cpu_seconds * 1000 / seen.requests, 3)
            noted["others"] = round(others, 3)  # the share of other processes
            self.measurements.append(noted)

    def _count_what_was_made(self, act: Act) -> None:
        """Check that the database has every task that was created, and no others."""
        [[found]] = data.rows(act.database_url, "SELECT count(*) FROM tasks")
        made = found - data.TASKS * len(act.load.people.ids)
        if not act.load.created <= made <= act.load.created + act.load.unfinished:
            raise RuntimeError(
                f"{act.contender.name} made {made} tasks and confirmed {act.load.created}"
            )

    def _start_cold(self, act: Act) -> None:
        """Measure the time from the start to the first correct response."""
        act.contender.stop()
        began = time.monotonic()
        act.contender.start()
        path = f"/api/v1/tasks/{act.load.people.task_ids[0][0]}"
        act.contender.wait(path, wanted=(200,))
        self.cold_starts[act.contender.name].append(round(time.monotonic() - began, 3))


def _cpu_of_ended_children() -> float:
    """Return the CPU time of the load generators."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def contenders(options: argparse.Namespace, on: Stage) -> list[Act]:
    """Return our service, followed by those it is compared with."""
    if options.sqlite:
        return [
            on.ours("ours", on.sqlite_url("ours")),
            on.peer("peer", on.sqlite_url("peer")),
            on.ours("ours on PostgreSQL", on.postgres_url("ours")),
        ]
    before = options.beside and on.ours(
        "before", on.postgres_url("before"), checkout=options.beside.resolve()
    )
    return [
        on.ours("ours", on.postgres_url("ours")),
        *(on.peer(name, on.postgres_url(name)) for name in options.peers),
        *([before] if before else []),
    ]


def about_the_machine(options: argparse.Namespace, acts: list[Act]) -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpu.read_text().splitlines() if cpu.exists() else [])
        if line.startswith("model name")
    ]
    peer_packages = {
        name: line.partition("==")[2].split()[0]
        for line in (PEER_VENV / "requirements.txt").read_text().splitlines()
        for name in ("fastapi", "uvicorn", "sqlalchemy", "sqlmodel", "asyncpg", "pydantic")
        if line.startswith(f"{name}==")
    }
    packages = ("flask", "flask-sqlalchemy", "gunicorn", "sqlalchemy", "psycopg", "bcrypt")
    postgres = [act for act in acts if not data.is_sqlite(act.database_url)]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "database": "sqlite" if options.sqlite else "postgres",
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": options.connections,
        "users": options.users,
        "workers": WORKERS,
        "machine": {"cpu": models[0] if models else "unknown", "cores": os.cpu_count()},
        "versions": {
            "python": sys.version.split()[0],
            "postgresql": data.rows(postgres[0].database_url, "SHOW server_version")[0][0],
            "ours": {name: version(name) for name in packages},
            "peer": peer_packages,
        },
    }


def save(result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    name = f"{result['date'][:10]}-{result['database']}.json"
    (RESULTS / name).write_text(report.as_json(result))
    print(f"Written: bench/results/{name}", file=sys.stderr)
    missing = set(OPERATIONS) - {"login"} - set(report.operations(result))
    if result["database"] != "postgres" or missing:
        return
    (RESULTS / "comparison.svg").write_text(report.picture(result))
    print("Drawn: bench/results/comparison.svg", file=sys.stderr)
    before, begin, rest = DOCUMENT.read_text().partition(TABLE_BEGINS)
    _, end, after = rest.partition(TABLE_ENDS)
    if begin and end:
        DOCUMENT.write_text(f"{before}{begin}\n{report.markdown(result)}{end}{after}")
        print(
            "Put into docs/performance.md: the table. Copy its first columns to README.md.",
            file=sys.stderr,
        )


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    if options.growth:
        from bench import growth  # imports taskapi

        growth.main()
        return
    if shutil.which("wrk") is None:
        sys.exit("script/bench needs wrk: apt-get install wrk, or brew install wrk.")
    if options.deliveries:
        deliveries.main(on_sqlite=options.sqlite)
        return
    if options.profile:
        from bench import profile  # imports taskapi

        profile.main()
        return
    prepare_peer()
    with stage(options.users) as on:
        print("Starting the servers and filling the databases.", file=sys.stderr)
        acts = contenders(options, on)
        bench = Bench(options, acts)
        bench.run()
        result = about_the_machine(options, acts) | {
            "measurements": bench.measurements,
            "bursts": bench.bursts,
            "memory": bench.memory,
            "cold_starts": bench.cold_starts,
        }
    print(report.text(result))
    if not (options.quick or options.no_save):
        save(result)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped; everything that was started has been ended.")
