"""Draw the comparison as an SVG for light and dark pages."""

from html import escape
from statistics import median
from typing import Any

LABELS = {
    "list": "List of 20 of 1,000, filtered, with total",
    "get": "Get one",
    "create": "Create",
    "patch": "PATCH",
}
NAMES = {
    "ours": "Task API",
    "peer": "FastAPI, async",
    "sqlmodel": "FastAPI + SQLModel",
    "flask": "Flask-SQLAlchemy",
    "limit": "bare WSGI function",
}
WIDTH = 760
LEFT = 20
BAR = 20
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .operation { font-weight: 600 }
  .note, .value { fill: #59636e }
  .ours { fill: #1f6feb } .peer { fill: #6e7781 } .sqlmodel { fill: #8c959f }
  .flask { fill: #afb8c1 } .limit { fill: #d8dee4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note, .value { fill: #9198a1 }
    .ours { fill: #58a6ff } .peer { fill: #8b949e } .sqlmodel { fill: #6e7681 }
    .flask { fill: #484f58 } .limit { fill: #30363d }
  }
"""


def picture(result: dict[str, Any]) -> str:
    """Return a bar chart of requests per second at the fewest connections."""
    connections = result["connections"][0]
    rates: dict[str, dict[str, float]] = {}
    for operation in LABELS:
        for name in NAMES:
            found = [
                each["per_second"]
                for each in result["measurements"]
                if (each["operation"], each["connections"], each["contender"])
                == (operation, connections, name)
            ]
            if found:
                rates.setdefault(operation, {})[name] = median(found)
    longest = max(rate for each in rates.values() for rate in each.values())
    scale = (WIDTH - 2 * LEFT - 190) / longest
    parts = [
        _text(LEFT, 30, f"Requests per second, {connections} connections", "title"),
        *_legend(54),
    ]
    y = 84
    for operation, each in rates.items():
        parts.append(_text(LEFT, y, LABELS[operation], "operation"))
        y += 10
        for name, rate in each.items():
            width = max(2.0, rate * scale)
            parts.append(
                f'<rect class="{name}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 4}"'
                ' rx="3"/>'
            )
            told = f"{rate:,.0f}"
            if name == "ours" and "peer" in each:
                told += f" ({rate / each['peer']:.1f} times the peer)"
            parts.append(_text(LEFT + width + 8, y + 13, told, "value"))
            y += BAR
        y += 22
    machine = result["machine"]
    note = (
        f"{machine['cores']} cores, 2 workers each, PostgreSQL"
        f" {result['versions']['postgresql']}, Python {result['versions']['python']},"
        f" {result['date'][:10]}; script/bench repeats it"
    )
    parts.append(_text(LEFT, y, note, "note"))
    height = y + 20
    said = ", ".join(
        f"{LABELS[operation]}: {each['ours']:,.0f} against {each['peer']:,.0f} of the peer"
        for operation, each in rates.items()
        if {"ours", "peer"} <= each.keys()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-label="Requests per second. {escape(said)}">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _legend(y: int) -> list[str]:
    parts = []
    x = LEFT
    for name, label in NAMES.items():
        parts.append(f'<rect class="{name}" x="{x}" y="{y - 11}" width="12" height="12" rx="3"/>')
        parts.append(_text(x + 18, y, label, "note"))
        x += 18 + 7 * len(label) + 18
    return parts


def _text(x: float, y: float, content: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(content)}</text>'
