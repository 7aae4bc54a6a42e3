"""The benchmark."""

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import report
from bench.load import OPERATIONS, Load, People, WrongAnswer
from bench.servers import Contender
from tests.support.servers import ROOT

RESULTS = ROOT / "bench" / "results"
PEOPLE = People(["ana", "ben"], [1, 2], [list(range(1, 101)), list(range(101, 201))])


@pytest.mark.needs_tools
def test_a_quick_run_compares_every_operation() -> None:
    done = subprocess.run(
        [ROOT / "script" / "bench", "--quick"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.strip() for line in done.stdout.splitlines()]
    for operation in OPERATIONS.values():
        assert any(row.startswith(operation.label) for row in rows), done.stdout
    for name, operations in (("peer", 5), ("sqlmodel", 5), ("flask", 5), ("limit", 4)):
        assert sum(row.startswith(name) for row in rows) == operations, done.stdout
    assert "had the right status and content" in done.stdout


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = Thread(target=server.serve_forever)
    thread.start()
    contender = Contender("test", [], {}, tmp_path / "log", port=server.server_port)
    contender.tokens = ["1", "2"]
    yield Load(contender, PEOPLE, tmp_path)
    server.shutdown()
    thread.join()
    server.server_close()


RIGHT = b'{"title":"Task 7 of user 1","description":"%s","version":1}' % (
    b"What is to be done, in a sentence or two, as people write it down."
)


@pytest.mark.needs_tools
def test_correct_responses_are_counted(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Server, "body", RIGHT)
    seen = load.run(OPERATIONS["get"], 2, 1)
    assert seen.requests > 0
    assert seen.per_second == pytest.approx(seen.requests, rel=0.2)
    assert 0 < seen.p50 <= seen.p99 <= seen.slowest
    assert load.run(OPERATIONS["get"], 10, 1, burst=True).requests == 10


@pytest.mark.needs_tools
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, RIGHT.replace(b"Task", b"Post")),
        (200, RIGHT * 2),
        (201, RIGHT),
        (500, RIGHT),
    ],
)
def test_wrong_responses_stop_the_run(
    load: Load, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setattr(_Server, "status", status)
    monkeypatch.setattr(_Server, "body", body)
    with pytest.raises(WrongAnswer, match=f"the first wrong one: {status}"):
        load.run(OPERATIONS["get"], 2, 1)


def _result(ours: list[float], peer: list[float], busy: float = 0) -> dict[str, Any]:
    rows = [
        {
            "round": number,
            "operation": "list",
            "connections": 16,
            "contender": name,
            "requests": 10,
            "per_second": rate,
            "mean": 1,
            "p50": 1,
            "p99": 2,
            "cpu_ms": 1,
            "others": busy,
        }
        for name, rates in (("ours", ours), ("peer", peer))
        for number, rate in enumerate(rates, 1)
    ]
    return {
        "date": "2026-11-21",
        "database": "postgres",
        "rounds": len(ours),
        "seconds": 1,
        "connections": [16],
        "measurements": rows,
        "bursts": [],
        "memory": {"ours": 2**20, "peer": 2**21},
        "cold_starts": {"ours": [1], "peer": [2]},
        "machine": {"cpu": "a <fast> one", "cores": 2},
        "versions": {"python": "3", "postgresql": "18"},
    }


def test_ratios_are_calculated_within_each_round() -> None:
    result = _result(ours=[100, 400, 300], peer=[50, 100, 300])
    assert report.paired(result, "list", 16, "peer") == (2, 1, 4)
    assert "2.00 (1.00 to 4.00)" in report.text(result)


def test_busy_machine_is_reported() -> None:
    assert "Not to be trusted" not in report.text(_result(ours=[2], peer=[1], busy=0.01))
    assert "Not to be trusted" in report.markdown(_result(ours=[2], peer=[1], busy=0.3))


def test_json_round_trip() -> None:
    result = _result(ours=[100], peer=[50])
    assert json.loads(report.as_json(result)) == result


def test_picture_is_valid_svg() -> None:
    drawn = ElementTree.fromstring(report.picture(_result(ours=[100], peer=[50])))
    bars = [each for each in drawn.iter("{http://www.w3.org/2000/svg}rect") if each.get("width")]
    widths = {each.get("class"): float(each.get("width", "")) for each in bars}
    assert widths["ours"] == pytest.approx(2 * widths["peer"], rel=0.01)


def test_the_document_shows_the_newest_run_that_is_kept() -> None:
    result = json.loads(sorted(RESULTS.glob("*-postgres.json"))[-1].read_text())
    assert report.markdown(result) in (ROOT / "docs" / "performance.md").read_text()
    assert (RESULTS / "comparison.svg").read_text() == report.picture(result)
