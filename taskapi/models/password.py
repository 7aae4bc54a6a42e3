"""Password rules and hashing."""

import base64
import functools
import hashlib
from pathlib import Path

import bcrypt

from taskapi.config import settings
from taskapi.errors import Invalid

MAX_LENGTH = 256


@functools.cache
def common_passwords() -> frozenset[str]:
    lines = Path(__file__).with_name("common_passwords.txt").read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def password_rules() -> str:
    min_length = settings().password_min_length
    return (
        f"A password has {min_length} to {MAX_LENGTH} characters, with an upper-case letter and a "
        "digit, and is neither a common password nor the username."
    )


def validate_password(password: str, own_names: set[str], field: str = "password") -> None:
    """Raise Invalid for the field unless the password meets the rules."""
    min_length = settings().password_min_length
    faults = []
    if len(password) < min_length:
        faults.append(f"Must have at least {min_length} characters.")
    if len(password) > MAX_LENGTH:
        faults.append(f"Must have at most {MAX_LENGTH} characters.")
    if not any(character.isupper() for character in password):
        faults.append("Must contain an upper-case letter.")
    if not any(character.isdigit() for character in password):
        faults.append("Must contain a digit.")
    if not faults and password.casefold() in common_passwords():
        faults.append("Must not be a common password.")
    if not faults and password.casefold() in own_names:
        faults.append("Must not be the username or e-mail.")
    if faults:
        raise Invalid({field: faults})


def hash_password(password: str) -> str:
    salt = bcrypt.gensalt(settings().bcrypt_rounds)
    return bcrypt.hashpw(_digest(password), salt).decode()


def is_password(password: str, password_hash: str | None) -> bool:
    """Check a password. A wrong one takes the same time whether or not there is a hash."""
    digest, rounds = _digest(password), settings().bcrypt_rounds
    if password_hash is None:
        bcrypt.checkpw(digest, _unmatched_hash(rounds))
        return False
    if bcrypt.checkpw(digest, password_hash.encode()):
        return True
    # Add the rounds that an older hash lacks: 2^n + 2^n + 2^(n+1) + ... = 2^rounds.
    for missing in range(_rounds_of(password_hash), rounds):
        bcrypt.checkpw(digest, _unmatched_hash(missing))
    return False


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash has another cost than BCRYPT_ROUNDS."""
    return _rounds_of(password_hash) != settings().bcrypt_rounds


def _rounds_of(password_hash: str) -> int:
    return int(password_hash.split("$")[2])


def _digest(password: str) -> bytes:
    # bcrypt ignores everything after 72 bytes or a NUL, so it gets a base64 digest.
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def _unmatched_hash(rounds: int) -> bytes:
    # A well-formed hash that no password matches.
    return b"$2b$%02d$" % rounds + b"." * 53
