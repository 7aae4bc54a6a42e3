"""script/sbom."""

import json
import re
import subprocess
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from referencing import Registry, Resource

from tests.support.servers import ROOT


@pytest.fixture(scope="module")
def bill():
    told = subprocess.run(
        [ROOT / "script" / "sbom"], capture_output=True, text=True, check=True, cwd="/"
    )
    return json.loads(told.stdout)


def test_bill_matches_the_cyclonedx_schema(bill):
    package = find_spec("cyclonedx")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "schema" / "_res"
    names = ("bom-1.6", "spdx", "jsf-0.82", "cryptography-defs")
    found = [folder / f"{name}.SNAPSHOT.schema.json" for name in names]
    schemas = [json.loads(path.read_text()) for path in found if path.exists()]
    registry: Registry = Registry().with_resources(
        [(each["$id"], Resource.from_contents(each)) for each in schemas]
    )
    errors = list(Draft7Validator(schemas[0], registry=registry).iter_errors(bill))
    assert errors == []


@pytest.mark.sqlite
def test_bill_has_the_current_version(bill, root):
    version = root.get("/", headers={"Accept": "application/json"}).json["version"]
    assert bill["metadata"]["component"]["version"] == version


def needed(names: list[str]) -> set[str]:
    """Return these packages and all their requirements according to their metadata."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    seen = set()
    while waiting:
        each = waiting.pop()
        name, extras = canonicalize_name(each.name), each.extras or {""}
        if (name, tuple(extras)) in seen:
            continue
        seen.add((name, tuple(extras)))
        found.add(name)
        for line in metadata.requires(name) or []:
            more = Requirement(line)
            if not more.marker or any(more.marker.evaluate({"extra": each}) for each in extras):
                waiting.append(more)
    return found


def test_bill_contains_all_requirements(bill):
    named = {(canonicalize_name(each["name"]), each["version"]) for each in bill["components"]}
    text = (ROOT / "requirements.txt").read_text()
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?==([^ ;]+)", text, re.MULTILINE)
    assert named == {(canonicalize_name(name), version) for name, version in pins}
    assert len(bill["components"]) == len(pins)

    lines = (ROOT / "requirements.in").read_text().splitlines()
    direct = [line for line in lines if line and not line.startswith("#")]
    assert {(name, metadata.version(name)) for name in needed(direct)} <= named
    for each in bill["components"]:
        (files,) = each["externalReferences"]
        assert files["hashes"], each["name"]


def test_dependency_graph_is_complete(bill):
    of = {each["ref"]: set(each["dependsOn"]) for each in bill["dependencies"]}
    refs = {each["bom-ref"] for each in bill["components"]}
    assert set(of) == refs | {"taskapi"}
    assert set().union(*of.values()) == refs, "nothing is there for no reason"
    assert "pkg:pypi/flask@" + metadata.version("flask") in of["taskapi"]
