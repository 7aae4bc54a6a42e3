"""Webhook secrets, encrypted with keys derived from SECRET_KEY."""

import base64
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from taskapi.config import settings


def new_secret(webhook_id: int) -> tuple[str, str]:
    """Create a secret and return it in plain text and encrypted."""
    secret = secrets.token_bytes(32)
    # Contains the id, so that a secret cannot be moved to another row.
    encrypted = MultiFernet(_fernets()).encrypt(f"{webhook_id}:".encode() + secret)
    return _shown(secret), encrypted.decode()


def decrypt(webhook_id: int, encrypted: str) -> str | None:
    """Decrypt a secret; None if no SECRET_KEY decrypts it for this webhook."""
    plain = _decrypt(MultiFernet(_fernets()), encrypted)
    owner, _, secret = (plain or b"").partition(b":")
    return _shown(secret) if owner == str(webhook_id).encode() else None


def rotated(encrypted: str) -> str | None:
    """Re-encrypt with the first SECRET_KEY; None if that is not needed or not possible."""
    fernets = _fernets()
    is_newest = _decrypt(fernets[0], encrypted) is not None
    plain = None if is_newest else _decrypt(MultiFernet(fernets), encrypted)
    return None if plain is None else fernets[0].encrypt(plain).decode()


def fernet_key(secret: str) -> bytes:
    """Derive an encryption key from one of the keys in SECRET_KEY."""
    derive = HKDF(hashes.SHA256(), length=32, salt=None, info=b"taskapi.webhook-secrets")
    return base64.urlsafe_b64encode(derive.derive(secret.encode()))


def _fernets() -> list[Fernet]:
    return [Fernet(fernet_key(secret)) for secret in settings().secret_keys]


def _decrypt(fernet: Fernet | MultiFernet, encrypted: str) -> bytes | None:
    try:
        return fernet.decrypt(encrypted.encode())
    except InvalidToken:
        return None


def _shown(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()
