"""Format results as tables, JSON and text."""

import json
from statistics import median
from typing import Any

from bench.load import OPERATIONS
from bench.picture import picture

__all__ = ["as_json", "markdown", "picture", "text"]

Result = dict[str, Any]
QUIET = 0.05  # maximum share of other processes, which do not affect all servers equally


def as_json(result: Result) -> str:
    """Format JSON with one measurement per line, so that a diff of two runs is readable."""
    lists = {name: result[name] for name in ("measurements", "bursts")}
    rest = {name: value for name, value in result.items() if name not in lists}
    head = json.dumps(rest, indent=2).removesuffix("\n}")
    parts = [
        f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(each)}" for each in rows) + "\n  ]"
        for name, rows in lists.items()
    ]
    return ",\n".join([head, *parts]) + "\n}\n"


def operations(result: Result) -> list[str]:
    return list(dict.fromkeys(each["operation"] for each in result["measurements"]))


def contenders(result: Result) -> list[str]:
    return list(result["memory"])


def values(
    result: Result, what: str, operation: str, connections: int, contender: str, kind: str
) -> list[float]:
    """Return one value for each round."""
    return [
        each[what]
        for each in result[kind]
        if (each["operation"], each["connections"], each["contender"])
        == (operation, connections, contender)
    ]


def middle(
    result: Result,
    what: str,
    operation: str,
    connections: int,
    contender: str,
    kind: str = "measurements",
) -> float | None:
    found = values(result, what, operation, connections, contender, kind)
    return median(found) if found else None


def paired(
    result: Result, operation: str, connections: int, other: str
) -> tuple[float, float, float] | None:
    """Return the median, minimum and maximum ratio of our rate to that of another contender."""
    mine = values(result, "per_second", operation, connections, "ours", "measurements")
    others = values(result, "per_second", operation, connections, other, "measurements")
    ratios = sorted(a / b for a, b in zip(mine, others, strict=False))
    return (median(ratios), ratios[0], ratios[-1]) if ratios else None


def number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def times(ratio: tuple[float, float, float] | None) -> str:
    return "-" if ratio is None else f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})"


def aligned(rows: list[list[str]], names: int = 1) -> list[str]:
    """Align columns: names to the left, then numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def text(result: Result) -> str:
    """Format all results for a terminal."""
    lines = []
    for connections in sorted({each["connections"] for each in result["measurements"]}):
        head = ["", "", "requests/s", "p50 ms", "p99 ms", "CPU ms", "ours to it (range)"]
        rows = [head]
        for operation in operations(result):
            for contender in contenders(result):
                found = [
                    middle(result, what, operation, connections, contender)
                    for what in ("per_second", "p50", "p99", "cpu_ms")
                ]
                if found[0] is None:
                    continue
                ratio = paired(result, operation, connections, contender)
                rows.append(
                    [
                        OPERATIONS[operation].label if contender == "ours" else "",
                        contender,
                        *map(number, found, (0, 1, 1, 2)),
                        "" if contender == "ours" else times(ratio),
                    ]
                )
        lines += [f"{connections} connections", *aligned(rows, names=2), ""]
    return "\n".join([*lines, *_besides(result)])


def _besides(result: Result) -> list[str]:
    """Format the results that are not rates."""
    rows = [["Besides", *contenders(result)], *besides(result)]
    return [*aligned(rows), "", *_conclusion(result)]


def besides(result: Result) -> list[list[str]]:
    """Return rows for bursts, many connections, memory and cold starts."""
    names = contenders(result)
    rows = []
    for operation in dict.fromkeys(each["operation"] for each in result["bursts"]):
        for what in ("mean", "slowest"):
            found = [middle(result, what, operation, 100, name, "bursts") for name in names]
            label = f"100 at once, {OPERATIONS[operation].label}: {what} ms"
            rows.append([label, *(number(figure, 1) for figure in found)])
    few, many = result["connections"][0], result["connections"][-1]
    for operation in operations(result) if many != few else []:
        kept = [_kept(result, operation, few, many, name) for name in names]
        if any(kept):
            label = f"requests/s at {many} to those at {few}: {OPERATIONS[operation].label}"
            rows.append([label, *(number(figure, 2) for figure in kept)])
    memory = [result["memory"][name] / 2**20 for name in names]
    rows.append(["memory of all processes: MiB", *(number(figure) for figure in memory)])
    cold = [median(result["cold_starts"][name]) for name in names]
    rows.append(["cold start to the first answer: s", *(number(figure, 2) for figure in cold)])
    return rows


def markdown(result: Result) -> str:
    """Format the comparison at the fewest connections for the documentation."""
    connections = result["connections"][0]
    names = contenders(result)
    lines = []
    for title, what, digits in (
        ("requests/s", "per_second", 0),
        ("p99, ms", "p99", 1),
        ("CPU of all processes, ms a request", "cpu_ms", 2),
    ):
        rows = [
            [OPERATIONS[operation].label]
            + [number(middle(result, what, operation, connections, name), digits) for name in names]
            for operation in operations(result)
        ]
        lines += _table([f"{title}, {connections} connections", *names], rows)
        if what == "per_second":
            ratios = [
                [OPERATIONS[operation].label]
                + [times(paired(result, operation, connections, name)) for name in names[1:]]
                for operation in operations(result)
            ]
            lines += _table(["requests/s of ours to those of (range)", *names[1:]], ratios)
    lines += _table(["besides", *names], besides(result))
    return "\n".join([*lines, " ".join(_conclusion(result)), ""])


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [*(f"| {' | '.join(row)} |" for row in (head, rule, *rows)), ""]


def _kept(result: Result, operation: str, few: int, many: int, contender: str) -> float | None:
    """Return the ratio of the throughput at many connections to that at few."""
    pairs = [
        values(result, "per_second", operation, connections, contender, "measurements")
        for connections in (few, many)
    ]
    ratios = [b / a for a, b in zip(*pairs, strict=False)]
    return median(ratios) if ratios else None


def _conclusion(result: Result) -> list[str]:
    answers = sum(each["requests"] for each in result["measurements"] + result["bursts"])
    others = median(each["others"] for each in result["measurements"])
    is_busy = [f"Not to be trusted: the machine was {others:.0%} busy with something else."]
    return [
        f"Every one of {answers:,} answers had the right status and content; of each kind a"
        " sample was taken apart before and after each round.",
        f"{result['machine']['cores']} cores, {result['machine']['cpu']}; Python"
        f" {result['versions']['python']}, PostgreSQL {result['versions']['postgresql']};"
        f" {result['rounds']} rounds of {result['seconds']} s.",
        *(is_busy if others > QUIET else []),
    ]
