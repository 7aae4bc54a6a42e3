"""The contract as files: what the OpenAPI document promises, and recorded requests and answers.

`pytest --record-contract tests/test_contract.py` writes both files anew.
"""

from pathlib import Path

HERE = Path(__file__).parent
OPENAPI = HERE / "openapi.json"
EXCHANGES = HERE / "exchanges.json"
