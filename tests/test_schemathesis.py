"""Requests generated from the OpenAPI document by Schemathesis."""

import os
import subprocess
import sys

import pytest

from tests.support.live import SETTINGS
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "3")


def test_generated_requests_get_documented_responses(databases, live_server):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url, LOG_LEVEL="WARNING")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file=tests/schemathesis.toml",
            "run",
            f"{server.url}/openapi.json",
            f"--max-examples={EXAMPLES}",
            "--continue-on-failure",
            "--warnings=off",
        ],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, "DATABASE_URL": url, "API_URL": server.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
