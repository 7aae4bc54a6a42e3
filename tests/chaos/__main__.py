"""Inject each fault for its full duration and print a table of the results."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.chaos import faults
from tests.chaos.faults import Report
from tests.chaos.ground import Valkey, ground

HEADER = (
    "| fault | database | load | requests | errors | slowest error | well again | lost | doubled |"
)

NONE = "–"  # noqa: RUF001 - a hyphen would be taken for a minus


def reports(kind: str, rounds: int) -> Iterator[Report]:
    if kind == "postgres":
        with ground(kind) as stand:
            yield faults.restart_postgres(stand, times=3)
        with ground(kind) as stand:
            yield faults.freeze_postgres(stand)
    valkey = Valkey()
    with ground(kind, REDIS_URL=valkey.url, RATE_LIMIT_PER_MINUTE="1000000") as stand:
        report, slower = faults.kill_redis(stand, valkey)
        valkey.kill()
        report.fault += f" (98th percentile {slower * 1000:+.0f} ms)"
        yield report
    with ground(kind) as stand:
        yield faults.kill_processes(stand, rounds=rounds)
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o711)
            disk = faults.mount_small_disk(Path(folder), "160m" if kind == "postgres" else "16m")
            try:
                with ground(kind, disk) as stand:
                    yield faults.fill_disk(stand, disk)
            finally:
                faults.unmount(disk)
    with ground(kind) as stand:
        yield faults.terminate_twice(stand, rounds=3)
    with ground(kind) as stand:
        yield faults.reload(stand)


def line(report: Report) -> str:
    errors = ", ".join(f"{count} {kind}" for kind, count in report.errors.most_common()) or "none"
    slowest = f"{report.slowest_error:.2f} s" if report.errors else NONE
    again = NONE if report.well_again is None else f"{report.well_again:.2f} s"
    fault = report.fault if report.integrity == "ok" else f"{report.fault} ({report.integrity})"
    cells = (fault, report.database, report.load, report.requests, errors, slowest, again)
    return "| " + " | ".join(map(str, (*cells, report.lost, report.doubled))) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/chaos", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), help="only this one")
    parser.add_argument("--rounds", type=int, default=20, help="of kill -9 (20)")
    given = parser.parse_args()
    harm = 0
    print(HEADER, "|---" * 9 + "|", sep="\n", flush=True)
    for kind in [given.database] if given.database else ["sqlite", "postgres"]:
        for report in reports(kind, given.rounds):
            print(line(report), flush=True)
            harm += report.lost + report.doubled + (report.integrity != "ok")
    return 1 if harm else 0


if __name__ == "__main__":
    raise SystemExit(main())
