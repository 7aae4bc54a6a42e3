"""Passwords: what is good enough, and how they are kept."""

import base64
import functools
import hashlib
from pathlib import Path

import bcrypt

from taskapi.config import settings
from taskapi.errors import Invalid

LONGEST = 256


@functools.cache
def common_passwords() -> frozenset[str]:
    lines = Path(__file__).with_name("common_passwords.txt").read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def refuse_weak(password: str, own_names: set[str], field: str = "password") -> None:
    """Invalid, naming the field, unless the password is good enough."""
    shortest = settings().password_min_length
    faults = []
    if len(password) < shortest:
        faults.append(f"Needs at least {shortest} characters.")
    if len(password) > LONGEST:
        faults.append(f"May have at most {LONGEST} characters.")
    if not any(character.isupper() for character in password):
        faults.append("Needs an upper-case letter.")
    if not any(character.isdigit() for character in password):
        faults.append("Needs a digit.")
    if not faults and password.casefold() in common_passwords():
        faults.append("Is one of the commonest passwords.")
    if not faults and password.casefold() in own_names:
        faults.append("Must not be your own name.")
    if faults:
        raise Invalid({field: faults})


def hash_password(password: str) -> str:
    salt = bcrypt.gensalt(settings().bcrypt_rounds)
    return bcrypt.hashpw(_digest(password), salt).decode()


def is_password(password: str, password_hash: str | None) -> bool:
    """Does it match? Without a hash to match the same time passes, and nothing does."""
    if password_hash is None:
        bcrypt.checkpw(_digest(password), _nobodys_hash(settings().bcrypt_rounds))
        return False
    return bcrypt.checkpw(_digest(password), password_hash.encode())


def is_outdated(password_hash: str) -> bool:
    """Was it made at another cost than today's?"""
    return int(password_hash.split("$")[2]) != settings().bcrypt_rounds


def _digest(password: str) -> bytes:
    # bcrypt reads 72 bytes and stops at a NUL; a digest in base64 makes every character count.
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def _nobodys_hash(rounds: int) -> bytes:
    # Of no password, so that it costs nothing to make, even the first time.
    return b"$2b$%02d$" % rounds + b"." * 53
