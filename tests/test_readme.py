"""What the documents show is run as it stands, and what they name is there."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from taskapi.config import Settings
from tests.conftest import SETTINGS
from tests.support.servers import ROOT

README = (ROOT / "README.md").read_text()
MARK = "---- next block ----"
sqlite_only = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
BLOCKS = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(path: str) -> list[tuple[str, str]]:
    """Each shell block with the answer that is shown below it, or nothing."""
    found = BLOCKS.findall((ROOT / path).read_text())
    pairs: list[tuple[str, str]] = []
    for kind, text in found:
        if kind == "sh":
            pairs.append((text, ""))
        else:
            pairs[-1] = (pairs[-1][0], text)
    return pairs


def values_in(text: str) -> list[Any]:
    """The JSON values in a text, one after another; what is none is taken as a line."""
    found: list[Any] = []
    decoder = json.JSONDecoder()
    while text := text.strip():
        try:
            value, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            value, _, text = text.partition("\n")
            found.append(value)
            continue
        found.append(value)
        text = text[end:]
    return found


def fits(shown: Any, real: Any) -> bool:
    """Is it what is shown? An ellipsis stands for anything, and fields may be left out."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and all(
            name in real and fits(value, real[name]) for name, value in shown.items()
        )
    if isinstance(shown, list):
        return (
            isinstance(real, list)
            and len(shown) == len(real)
            and all(fits(a, b) for a, b in zip(shown, real, strict=True))
        )
    if isinstance(shown, str) and "…" in shown:
        before, _, after = shown.partition("…")
        return str(real).startswith(before) and str(real).endswith(after)
    return type(shown) is type(real) and bool(shown == real)


@pytest.mark.needs_tools  # curl, which a small machine lacks
@pytest.mark.parametrize("path", ["README.md", "docs/curl.md"])
def test_the_commands_answer_as_shown(path, databases, live_server, tmp_path):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url)
    pairs = blocks_of(path)
    script = f"\necho '{MARK}'\n".join(command for command, _ in pairs)
    script = script.replace("http://localhost:8000", server.url)
    script = script.replace(".venv/bin/flask", f"{shlex.quote(sys.executable)} -m flask")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, "DATABASE_URL": url, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    answers = ran.stdout.split(f"{MARK}\n")
    assert len(answers) == len(pairs)
    for (command, shown), real in zip(pairs, answers, strict=True):
        expected, given = values_in(shown), values_in(real)
        assert len(expected) == len(given), f"{command}\nanswered\n{real}"
        for a, b in zip(expected, given, strict=True):
            assert fits(a, b), f"{command}\nanswered\n{json.dumps(b, indent=1)}"


def test_every_setting_is_in_the_table_with_its_meaning_and_in_the_example():
    rows = re.findall(r"^\| `([A-Z_]+)` \| .+? \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(each.name.upper(), each.metadata["meaning"]) for each in fields(Settings)]
    example = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert example == [name for name, _ in rows]


def names_of(context: click.Context, command: click.Command) -> list[str]:
    """A command's full name, or those of a group's commands."""
    if not isinstance(command, click.Group):
        return [f"{context.command_path} {command.name}".strip()]
    within = click.Context(command, context, command.name)
    inner = [command.get_command(within, name) for name in command.list_commands(within)]
    return [full for each in inner if each for full in names_of(within, each)]


@sqlite_only
def test_every_command_is_in_the_table_and_no_other(app):
    named = re.findall(r"^\| `(flask [a-z -]+)` \|", README, re.MULTILINE)
    app.cli.name = "flask"
    ours = [
        name
        for name in names_of(click.Context(click.Command("")), app.cli)
        if name.split()[1] not in {"db", "limiter", "routes", "run", "shell"}
    ]
    assert sorted(named) == sorted(ours)


def section(title: str) -> str:
    return README.partition(f"\n### {title}\n")[2].partition("\n#")[0]


@sqlite_only
def test_every_filter_and_order_is_named_and_no_other(root, client, alice):
    filters, _, orders = section("Lists").partition("They are sorted with")
    pages, _, filters = filters.partition("Tasks are filtered by")
    operation = root.get("/openapi.json").json["paths"]["/api/v1/tasks"]["get"]
    taken = {each["name"] for each in operation["parameters"]}
    assert {"limit", "skip", "cursor"} <= set(re.findall(r"`([a-z_]+)`", pages))
    assert set(re.findall(r"`([a-z_]+)`", filters)) == taken - {
        "limit",
        "skip",
        "cursor",
        "sort_by",
    }

    named = set(re.findall(r"`([a-z_]+)`", orders)) - {"sort_by"}
    task = client.post("/tasks", json={"title": "One"}, as_=alice).json
    for field in task:
        status = client.get(f"/tasks?sort_by={field}", as_=alice).status_code
        assert status == (200 if field in named else 400), field


@sqlite_only
def test_the_words_of_similar_apis_are_answered_with_ours(client, alice, admin):
    rows = re.findall(
        r"^\| (.+) \| (.+) \|$", section("If you come from a similar API"), re.MULTILINE
    )
    words = {"is_complete": "status", "is_admin": "role", "owner_id": "user_id"}
    words |= {"page": "skip", "per_page": "limit", "order_by": "sort_by"}
    for word, ours in words.items():
        (here,) = {here for there, here in rows if f"`{word}`" in there}
        assert ours in here
        answers = [
            client.get("/tasks", query_string={word: "1"}, as_=alice),
            client.post("/tasks", json={"title": "One", word: True}, as_=alice),
            client.post("/users", json={word: True}, as_=admin),
        ]
        assert [each.status_code for each in answers] == [400] * 3
        assert any(f"'{ours}'" in str(each.json["error"]["details"][word]) for each in answers)


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=str)
def test_links_lead_somewhere(path: Path):
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target
    headings = {
        re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in headings, anchor
