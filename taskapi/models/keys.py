"""Secrets and signatures that are derived from SECRET_KEY, one kind for each purpose."""

import base64
import hashlib
import hmac

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


def _signature(key: str, purpose: str, message: str) -> str:
    mac = hmac.digest(key.encode(), f"{purpose}:{message}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
