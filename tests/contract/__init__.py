"""The contract as files: the OpenAPI document, and recorded requests with their responses.

`pytest --record-contract tests/test_contract.py` writes both files.
"""

from pathlib import Path

HERE = Path(__file__).parent
OPENAPI = HERE / "openapi.json"
EXCHANGES = HERE / "exchanges.json"
