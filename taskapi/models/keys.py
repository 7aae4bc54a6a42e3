"""Secrets and signatures that are derived from SECRET_KEY, one kind for each purpose."""

import base64
import hashlib
import hmac
import secrets

from taskapi.config import settings


def sign(purpose: str, message: str) -> str:
    """A signature by the key that signs."""
    return _signature(settings().secret_keys[0], purpose, message)


def is_signed(purpose: str, message: str, signature: str) -> bool:
    """Was it signed by any of our keys?"""
    return any(
        hmac.compare_digest(_signature(key, purpose, message).encode(), signature.encode())
        for key in settings().secret_keys
    )


def digest(secret: str) -> str:
    """What is kept of a secret that is random enough not to be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(purpose: str, secret: bytes) -> str:
    """A secret of up to 32 bytes that we must know again, so that the database alone is no use.

    It is hidden under a pad that only the key and a fresh nonce give, and sealed by a signature.
    """
    nonce = secrets.token_urlsafe(16)
    hidden = base64.b64encode(_pad(settings().secret_keys[0], purpose, nonce, secret)).decode()
    return f"{nonce}.{hidden}.{sign(f'{purpose}-seal', f'{nonce}.{hidden}')}"


def unseal(purpose: str, sealed: str) -> bytes | None:
    """The secret, if any of our keys sealed it."""
    claim, _, signature = sealed.rpartition(".")
    nonce, _, hidden = claim.partition(".")
    for key in settings().secret_keys:
        ours = _signature(key, f"{purpose}-seal", claim)
        if hmac.compare_digest(ours.encode(), signature.encode()):
            return _pad(key, purpose, nonce, base64.b64decode(hidden))
    return None


def is_sealed_by_first(purpose: str, sealed: str) -> bool:
    """False for what an older key sealed, which is to be sealed again before that key goes."""
    claim, _, signature = sealed.rpartition(".")
    return hmac.compare_digest(sign(f"{purpose}-seal", claim).encode(), signature.encode())


def _pad(key: str, purpose: str, nonce: str, text: bytes) -> bytes:
    pad = hmac.digest(key.encode(), f"{purpose}-pad:{nonce}".encode(), "sha256")
    assert len(text) <= len(pad)
    return bytes(a ^ b for a, b in zip(text, pad, strict=False))


def _signature(key: str, purpose: str, message: str) -> str:
    mac = hmac.digest(key.encode(), f"{purpose}:{message}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
