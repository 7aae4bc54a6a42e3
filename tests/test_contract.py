"""The OpenAPI document and recorded responses do not change by accident.

A change of the contract includes the files in tests/contract in the same commit. They are written
by `pytest --record-contract tests/test_contract.py`.
"""

import json

import pytest

from tests.contract import EXCHANGES, OPENAPI
from tests.contract.exchanges import Runner
from tests.contract.openapi import promise_of, readable
from tests.contract.requests import SCENARIOS
from tests.support.client import ApiClient
from tests.support.worker import working


@pytest.fixture
def app_settings():
    return {
        "CORS_ORIGINS": "https://app.example",
        "METRICS_TOKEN": "a-token-for-figures-only",
        "RATE_LIMIT_PER_MINUTE": "100000",
        "RATE_LIMIT_AUTH_PER_MINUTE": "100000",
        "WEBHOOK_ALLOW_PRIVATE": "1",
    }


@pytest.fixture
def record(request, backend):
    """Whether to write the files, which the tests with SQLite do."""
    return request.config.getoption("record_contract") and backend == "sqlite"


@pytest.mark.sqlite
def test_openapi_contract_is_unchanged(root, record):
    promise = promise_of(root.get("/openapi.json").json)
    if record:
        OPENAPI.write_text(readable(promise) + "\n")
    assert promise == json.loads(OPENAPI.read_text())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recorded_exchanges_are_unchanged(
    scenario, app, secrets, alice, bob, admin, make_app, receiver, record
):
    if scenario == "sizes and limits":
        app = make_app(RATE_LIMIT_PER_MINUTE="5")
    runner = Runner(app, ApiClient(app, secrets, base=""), [alice, bob, admin], receiver.url())
    requests = SCENARIOS[scenario]
    if any(each.until for each in requests):
        with working(app):
            exchanges = [runner.exchange(each) for each in requests]
    else:
        exchanges = [runner.exchange(each) for each in requests]
    kept = json.loads(EXCHANGES.read_text()) if EXCHANGES.exists() else {}
    if record:
        kept[scenario] = json.loads(json.dumps(exchanges))
        kept = {name: kept[name] for name in SCENARIOS if name in kept}
        EXCHANGES.write_text(readable(kept) + "\n")
    assert len(exchanges) == len(kept[scenario])
    for now, before in zip(exchanges, kept[scenario], strict=True):
        assert now == before, f"{before['request']} as {before.get('as')}"


# Their only error is an unknown parameter.
PAGES = {f"GET {path}" for path in ("/", "/docs", "/redoc", "/openapi.json", "/health/detailed")}


def test_every_operation_is_recorded_with_success_and_error():
    recorded = json.loads(EXCHANGES.read_text())
    assert list(recorded) == list(SCENARIOS)
    exchanges = [each for scenario in recorded.values() for each in scenario]
    for name in json.loads(OPENAPI.read_text())["operations"]:
        kinds = {each["status"] // 100 for each in exchanges if each["operation"] == name}
        assert 2 in kinds, f"no success of {name}"
        assert 4 in kinds or name in PAGES, f"no error of {name}"
