"""Access tokens as nobody should accept them, made from a true one."""

import base64
import hashlib
import hmac
import json
from typing import Any


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, its signature unseen."""
    claims: dict[str, Any] = decoded(token.split(".")[1])
    return claims


def signed(
    header: Any, claims: Any, key: str, hash_name: str = "sha256", *, raw_claims: str | None = None
) -> str:
    """A token of this header and these claims, rightly signed with the key."""
    payload = json.dumps(claims) if raw_claims is None else raw_claims
    message = f"{encoded(json.dumps(header).encode())}.{encoded(payload.encode())}"
    return f"{message}.{encoded(hmac.digest(key.encode(), message.encode(), hash_name))}"


def resigned(token: str, key: str, *, without: str = "", **changes: Any) -> str:
    """The token with other claims, signed as the service would."""
    claims = {name: value for name, value in claims_of(token).items() if name != without}
    return signed({"alg": "HS256", "typ": "JWT"}, claims | changes, key)


def of_refresh(session_id: str, generation: str, signature: str | None = None) -> str:
    """Something in the shape of a refresh token."""
    made = signature or encoded(hashlib.sha256(b"guessed").digest())
    return f"{session_id}.{generation}.{made}"
