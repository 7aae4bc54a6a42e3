"""Run the commands of the documents and compare their tables with the application."""

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
from taskapi.version import __version__
from tests.support.live import SETTINGS
from tests.support.servers import ROOT

README = (ROOT / "README.md").read_text()
MARK = "---- next block ----"
BLOCKS = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(path: str) -> list[tuple[str, str]]:
    """Return each shell block with the output that is shown below it, or an empty string."""
    found = BLOCKS.findall((ROOT / path).read_text())
    pairs: list[tuple[str, str]] = []
    for kind, text in found:
        if kind == "sh":
            pairs.append((text, ""))
        else:
            pairs[-1] = (pairs[-1][0], text)
    return pairs


def values_in(text: str) -> list[Any]:
    """Return the JSON values of a text; a line that is not JSON counts as a value."""
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


def fits(shown: Any, real: Any, whole: bool) -> bool:
    """Compare an example with the output; `…` matches any text, `whole` allows no other keys."""
    if isinstance(shown, dict):
        return (
            isinstance(real, dict)
            and (not whole or shown.keys() == real.keys())
            and all(
                name in real and fits(value, real[name], whole) for name, value in shown.items()
            )
        )
    if isinstance(shown, list):
        return (
            isinstance(real, list)
            and len(shown) == len(real)
            and all(fits(a, b, whole) for a, b in zip(shown, real, strict=True))
        )
    if isinstance(shown, str) and "…" in shown:
        before, _, after = shown.partition("…")
        return str(real).startswith(before) and str(real).endswith(after)
    return type(shown) is type(real) and bool(shown == real)


@pytest.mark.needs_tools  # curl
def test_commands_print_what_the_documents_show(databases, live_server, tmp_path):
    """Run README.md and docs/curl.md in one shell, one after the other."""
    url = databases.fresh()
    server = live_server(DATABASE_URL=url)
    blocks = [(*block, True) for block in blocks_of("README.md")]
    blocks += [(*block, False) for block in blocks_of("docs/curl.md")]
    script = f"\necho '{MARK}'\n".join(command for command, _, _ in blocks)
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
    outputs = ran.stdout.split(f"{MARK}\n")
    for (command, shown, whole), output in zip(blocks, outputs, strict=True):
        expected, printed = values_in(shown), values_in(output)
        assert len(expected) == len(printed), f"{command}\nprinted\n{output}"
        for a, b in zip(expected, printed, strict=True):
            assert fits(a, b, whole), f"{command}\nprinted\n{json.dumps(b, indent=1)}"


def test_settings_table_and_env_example_list_every_setting():
    rows = re.findall(r"^\| `([A-Z_]+)` \| .+? \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(each.name.upper(), each.metadata["meaning"]) for each in fields(Settings)]
    example = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert example == [name for name, _ in rows]


def commands_in(context: click.Context, command: click.Command) -> dict[str, click.Command]:
    """Return a command, or every command of a group, by its full name."""
    if not isinstance(command, click.Group):
        return {f"{context.command_path} {command.name}".strip(): command}
    within = click.Context(command, context, command.name)
    found: dict[str, click.Command] = {}
    for name in command.list_commands(within):
        found |= commands_in(within, command.commands[name])
    return found


@pytest.mark.sqlite
def test_command_table_lists_every_command(app):
    rows = dict(re.findall(r"^\| `(flask [a-z -]+)` \| (.+) \|$", README, re.MULTILINE))
    app.cli.name = "flask"
    commands = commands_in(click.Context(click.Command("")), app.cli)
    assert rows == {
        name: command.get_short_help_str(200).rstrip(".")
        for name, command in commands.items()
        if name.split()[1] not in {"db", "limiter", "routes", "run", "shell"}
    }


def section(title: str, level: str = "###") -> str:
    return README.partition(f"\n{level} {title}\n")[2].partition("\n#")[0]


@pytest.mark.sqlite
def test_lists_section_names_every_filter_and_sort_key(root, client, alice):
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


@pytest.mark.sqlite
def test_endpoint_table_lists_every_route_and_method(root):
    paths = root.get("/openapi.json").json["paths"]
    routes = {path: {method.upper() for method in item} for path, item in paths.items()}
    table = re.findall(r"^\| (`/.+`) \| ([A-Z, ]+) \|", section("Endpoints", "##"), re.MULTILINE)
    listed = {
        path if path in routes else f"/api/v1{path}": set(methods.split(", "))
        for paths, methods in table
        for path in re.findall(r"`([^`]+)`", paths)
    }
    assert listed == routes


@pytest.mark.sqlite
def test_task_table_lists_every_field(client, alice):
    rows = re.findall(r"^\| (`.+?`) \|", section("Task fields"), re.MULTILINE)
    task = client.post("/tasks", json={"title": "One"}, as_=alice).json
    assert sorted(re.findall("`(.+?)`", " ".join(rows))) == sorted(task)


@pytest.mark.sqlite
def test_status_table_lists_every_error_code(root):
    schemas = root.get("/openapi.json").json["components"]["schemas"]
    codes = set(re.findall(r"`([A-Z_]+)`", section("Status codes")))
    assert codes == set(schemas["Problem"]["properties"]["code"]["enum"])


@pytest.mark.sqlite
def test_changelog_has_released_the_current_version(root):
    changelog = (ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$", changelog, re.MULTILINE)
    assert released[0] == __version__ == root.get("/openapi.json").json["info"]["version"]


def test_performance_table_has_the_figures_of_the_last_benchmark():
    rows = re.findall(r"^(\| .+ \|)$", section("Performance", "##"), re.M)
    figures = (ROOT / "docs" / "performance.md").read_text()
    assert len(rows[1:]) == 4
    for row in rows[1:]:
        assert f"\n{row}\n" in figures


FOREIGN_NAMES = {
    "is_complete": "status",
    "completed": "status",
    "owner_id": "user_id",
    "is_admin": "role",
    "is_superuser": "role",
    "page": "skip",
    "per_page": "limit",
    "offset": "skip",
    "order_by": "sort_by",
    "sort": "sort_by",
}


@pytest.mark.sqlite
def test_names_of_similar_apis_are_rejected_with_a_hint(client, alice, admin):
    rows = re.findall(
        r"^\| (.+) \| (.+) \|$", section("If you come from a similar API"), re.MULTILINE
    )
    for name, ours in FOREIGN_NAMES.items():
        (here,) = {here for there, here in rows if f"`{name}`" in there}
        assert ours in here
        responses = [
            client.get("/tasks", query_string={name: "1"}, as_=alice),
            client.post("/tasks", json={"title": "One", name: True}, as_=alice),
            client.post("/users", json={name: True}, as_=admin),
        ]
        assert [each.status_code for each in responses] == [400] * 3
        assert any(f"'{ours}'" in str(each.json["error"]["details"][name]) for each in responses)


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["is_admin", "is_superuser"])
def test_is_admin_is_rejected_with_a_hint(client, alice, admin, name):
    change = {name: True, "current_password": alice.password}
    account = {name: True, "username": "eve", "password": "Lantern-and-7-rivers"}
    for response, hint in (
        (client.post("/users", json=account, as_=admin), "Use 'role'."),
        (client.post("/auth/register", json=account), "Only an admin can set 'role'."),
        (client.patch("/users/me", json=change, as_=alice), "Only an admin can set 'role'."),
    ):
        assert response.status_code == 400
        assert response.json["error"]["details"] == {name: [f"Unknown field '{name}'. {hint}"]}


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=str)
def test_links_have_targets(path: Path):
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
