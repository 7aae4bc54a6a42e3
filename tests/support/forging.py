"""Forged access tokens."""

import base64
import hmac
import json
from typing import Any

from tests.support.live import SETTINGS

KEY = SETTINGS["SECRET_KEY"]


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token without checking its signature."""
    claims: dict[str, Any] = decoded(token.split(".")[1])
    return claims


def signed(
    header: Any, claims: Any, key: str, hash_name: str = "sha256", *, raw_claims: str | None = None
) -> str:
    """Return a token with this header and these claims, signed with the key."""
    payload = json.dumps(claims) if raw_claims is None else raw_claims
    message = f"{encoded(json.dumps(header).encode())}.{encoded(payload.encode())}"
    return f"{message}.{encoded(hmac.digest(key.encode(), message.encode(), hash_name))}"


def resigned(token: str, key: str, *, without: str = "", **changes: Any) -> str:
    """Return the token with changed claims and a valid signature."""
    claims = {name: value for name, value in claims_of(token).items() if name != without}
    return signed({"alg": "HS256", "typ": "JWT"}, claims | changes, key)
