"""Detect weak secret keys, and generate one for development."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

# Words and keys from the examples of documentation and templates.
KNOWN_SECRETS = (
    *("changeme", "changethis", "changeit", "replaceme", "yoursecret", "mysecret", "devsecret"),
    *("secretkey", "supersecret", "topsecret", "jwtsecret", "insecure", "example"),
    *("placeholder", "password", "qwerty", "notsosecret"),
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
)


def is_weak(key: str) -> bool:
    """Return whether the key is a known example or easy to guess."""
    letters = "".join(filter(str.isalnum, key.lower()))
    is_repeated = key in (key + key)[1:-1]
    return (
        len(set(key)) < 8
        or is_repeated
        or "0123456789" in key
        or any(known in letters for known in KNOWN_SECRETS)
    )


def kept_secret(path: Path) -> str:
    """Return the key in this file. Create it once, even if several processes start."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        with suppress(FileExistsError):  # unlike rename, fails if another process was first
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
