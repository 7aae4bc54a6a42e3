"""The files for deployment platforms."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.live import PASSED_ON
from tests.support.schemas import APP_JSON, RENDER
from tests.support.servers import ROOT, free_port

OFFERED = re.findall(r"^#?([A-Z_]+)=(.*)", (ROOT / ".env.example").read_text(), re.MULTILINE)
OURS = {name for name, _ in OFFERED}
RELEASE = "flask db upgrade && flask users ensure-admin"
WEB = "gunicorn wsgi:app"


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text())


def procfile():
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def assert_valid(document, schema):
    errors = [
        f"{list(each.path)}: {each.message}"
        for each in Draft202012Validator(schema).iter_errors(document)
    ]
    assert errors == []


# --- Heroku, Render -----------------------------------------------------------------------------


@pytest.mark.sqlite
def test_procfile_commands_exist(app):
    processes = procfile()
    assert processes.pop("release") == RELEASE
    assert processes.pop("web") == WEB
    assert set(processes) <= {"worker"}
    for command in (RELEASE, *processes.values()):
        for part in command.split(" && "):
            program, *arguments = shlex.split(part)
            assert program == "flask"
            shown = app.test_cli_runner().invoke(args=[*arguments, "--help"])
            assert shown.exit_code == 0, part


def test_app_json_matches_herokus_schema():
    manifest = json.loads((ROOT / "app.json").read_text())
    assert_valid(manifest, APP_JSON)
    assert set(manifest["formation"]) <= set(procfile())
    assert set(manifest["env"]) <= OURS
    assert manifest["env"]["SECRET_KEY"] == {
        "description": manifest["env"]["SECRET_KEY"]["description"],
        "generator": "secret",
    }
    plans = [plan.partition(":")[0] for plan in manifest["addons"]]
    assert plans == ["heroku-postgresql", "heroku-redis"]


def test_heroku_button_fits_the_connection_limit():
    env = json.loads((ROOT / "app.json").read_text())["env"]
    given = {name: each["value"] for name, each in env.items() if "value" in each}
    value = {name: int(text) for name, text in (dict(OFFERED) | given).items() if text.isdigit()}
    each = value["DATABASE_POOL_SIZE"] + value["DATABASE_MAX_OVERFLOW"]
    assert each >= value["WEB_THREADS"]
    assert 2 * value["WEB_CONCURRENCY"] * each <= 20  # old and new processes run at the same time


def test_render_yaml_matches_renders_schema():
    blueprint = read_yaml("render.yaml")
    assert_valid(blueprint, RENDER)
    by_type = {each["type"]: each for each in blueprint["services"]}
    web = by_type["web"]
    assert web["preDeployCommand"] == RELEASE
    assert web["startCommand"] == WEB
    assert web["healthCheckPath"] == "/health"
    assert "--require-hashes -r requirements.txt" in web["buildCommand"]
    databases = {each["name"] for each in blueprint["databases"]}
    env = {each["key"]: each for each in web["envVars"]}
    assert set(env) <= OURS
    assert env["SECRET_KEY"]["generateValue"] is True
    assert env["DATABASE_URL"]["fromDatabase"]["name"] in databases
    assert env["REDIS_URL"]["fromService"]["name"] == by_type["keyvalue"]["name"]
    assert int(env["TRUSTED_PROXIES"]["value"]) > 0


def test_one_python_version_and_one_requirements_file():
    version = (ROOT / ".python-version").read_text().strip()
    assert re.fullmatch(r"3\.\d+", version)
    assert f"FROM python:{version}-slim" in (ROOT / "Dockerfile").read_text()
    # Heroku rejects a second package manager and the obsolete runtime.txt.
    for name in ("uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock", "runtime.txt"):
        assert not (ROOT / name).exists()


# --- Docker -------------------------------------------------------------------------------------


def instructions():
    """Return the instructions of each stage of the Dockerfile."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


def test_final_image_is_small_and_unprivileged():
    build, final = instructions()
    assert build[0][1].endswith(" AS build")
    names = [name for name, _ in final]
    assert set(names) <= {
        *("FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "CMD"),
    }
    steps = dict(final)
    assert "slim" in steps["FROM"]
    assert int(steps["USER"]) > 0  # a number, which Kubernetes can check for runAsNonRoot
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))
    for name, step in final:
        if name == "RUN":
            assert not re.search(r"apt|gcc|build-essential|pip|curl", step)
    assert json.loads(steps["CMD"]) == shlex.split(WEB)
    assert "--require-hashes" in dict(build[1:])["RUN"]
    assert not OURS & {"SECRET_KEY", "DATABASE_URL"} & set(re.findall(r"(\w+)=", steps["ENV"]))


def what_docker_copies(to: Path) -> None:
    """Copy the files that `COPY . .` includes according to .dockerignore."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    left_out = {PurePosixPath(rule).name for rule in rules[1:] if rule.startswith("**/")}
    for name in taken:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns(*left_out))
        else:
            shutil.copy(source, to / name)


@pytest.mark.postgres
def test_image_contains_all_required_files(tmp_path, databases):
    app = tmp_path / "app"
    app.mkdir()
    what_docker_copies(app)
    final = dict(instructions()[1])
    given = dict(part.split("=", 1) for part in shlex.split(final["ENV"]))
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= given | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(free_port()),
        "SECRET_KEY": os.urandom(32).hex(),
        "DATABASE_URL": databases.blank(),
        "WORKER": "off",
    }
    subprocess.run(["sh", "-c", RELEASE], cwd=app, env=env, check=True, capture_output=True)
    command = json.loads(final["CMD"])
    health = json.loads(final["HEALTHCHECK"].partition("CMD ")[2])
    health[0] = sys.executable
    process = subprocess.Popen(command, cwd=app, env=env, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 20
        while subprocess.run(health, env=env, capture_output=True, check=False).returncode:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert subprocess.run(health, env=env, capture_output=True, check=False).returncode == 1
    assert "Traceback" not in said


def test_compose_yaml_matches_its_schema():
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_compose_services_fit_together():
    services = read_yaml("compose.yaml")["services"]
    ours = {name: each for name, each in services.items() if each.get("image") == "taskapi"}
    assert {"web", "migrate"} <= set(ours)
    for each in ours.values():
        assert set(each["environment"]) <= OURS
        grace = int(each["stop_grace_period"].removesuffix("s"))
        assert grace > 20  # the graceful timeout of gunicorn
    assert RELEASE in services["migrate"]["command"]
    for each in services.values():
        assert set(each.get("depends_on", {})) <= set(services)
        for volume in each.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists()
    assert [name for name, each in services.items() if "ports" in each] == ["nginx"]
    upstream = re.findall(r"server (\w+):(\d+);", (ROOT / "deploy/nginx.conf").read_text())
    assert upstream == [("web", services["web"]["expose"][0])]


def test_docker_compose_accepts_the_file():
    """Without Docker, only the schema is checked."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        env = {**os.environ, "SECRET_KEY": os.urandom(32).hex(), "POSTGRES_PASSWORD": "x" * 20}
        subprocess.run(
            ["docker", "compose", "--file", ROOT / "compose.yaml", "config", "--quiet"],
            env=env,
            check=True,
        )


# --- systemd --------------------------------------------------------------------------------------


@pytest.mark.needs_tools
def test_systemd_accepts_the_unit(tmp_path):
    unit = (ROOT / "deploy/taskapi.service").read_text()
    programs = set(re.findall(r"^Exec\w+=(/srv/taskapi/\S+)", unit, re.MULTILINE))
    assert {Path(each).name for each in programs} == {"flask", "gunicorn"}
    copy = tmp_path / "taskapi.service"
    here = unit.replace("/srv/taskapi/.venv/bin", str(Path(sys.executable).parent))
    copy.write_text(here.replace("/srv/taskapi", str(ROOT)))
    checked = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    ours = [line for line in checked.stderr.splitlines() if "taskapi.service" in line]
    assert (checked.returncode, ours) == (0, [])


def test_unit_sets_known_settings_only():
    unit = (ROOT / "deploy/taskapi.service").read_text()
    names = set(re.findall(r"(\w+)=", re.findall(r"^Environment=(.*)", unit, re.MULTILINE)[0]))
    assert names <= OURS | {"FLASK_APP"}
    assert f"/{WEB}\n" in unit
