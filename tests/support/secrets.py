"""Passwords and tokens that must not be logged."""

import re
from typing import Any

NAMES = {
    "password",
    "current_password",
    "new_password",
    "access_token",
    "refresh_token",
    "token",
    "secret",
}
# Personal tokens, secrets of webhooks, and JWTs; the visible prefix of a token is shorter.
SHAPES = [
    re.compile(r"tsk_[\w-]{20}"),
    re.compile(r"whsec_[\w+/=-]{20}"),
    re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
]
# Nearly all secrets are one word: those are looked up, since to search for each takes minutes.
HEAD = 8
WORD = re.compile(rf"[\w-]{{{HEAD},}}")
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # most words of a log


class Secrets:
    """Find recorded secrets, and text that looks like one, in a log."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._known)

    def learn(self, body: Any) -> None:
        """Record all secrets in a JSON body."""
        if isinstance(body, list):
            for each in body:
                self.learn(each)
        elif isinstance(body, dict):
            public = [body.get("username"), body.get("email")]
            for name, value in body.items():
                # Shorter values are tests of weak passwords, and may be part of any word.
                if name in NAMES and isinstance(value, str) and len(value) >= HEAD:
                    if value not in public:
                        self._known.add(value)
                else:
                    self.learn(value)

    def found_in(self, text: str) -> list[str]:
        """Return the lines that contain a secret."""
        found = {match[0] for shape in SHAPES for match in shape.finditer(text)}
        heads: dict[str, list[str]] = {}
        for secret in self._known:
            if WORD.fullmatch(secret):
                heads.setdefault(secret[:HEAD], []).append(secret)
            elif not _is_shaped(secret) and secret in text:
                found.add(secret)
        for word in set(WORD.findall(text)):
            if not REQUEST_ID.fullmatch(word):
                for start in range(len(word) - HEAD + 1):
                    of_this_head = heads.get(word[start : start + HEAD], [])
                    found |= {secret for secret in of_this_head if secret in word}
        if not found:
            return []
        return [line for line in text.splitlines() if any(secret in line for secret in found)]


def _is_shaped(secret: str) -> bool:
    return any(shape.search(secret) for shape in SHAPES)
