"""What must never be logged: every password and token that the tests' clients see."""

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
# A personal token, a webhook's secret, a JWT; a token's visible prefix is shorter than this.
SHAPES = re.compile(r"tsk_[\w-]{20}|whsec_[\w+/=-]{20}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*")
# Most secrets are one long word: those are looked up, since to search for each takes minutes.
HEAD = 20
LONG_WORD = re.compile(rf"[\w-]{{{HEAD},}}")
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # most long words of a log


class Secrets:
    """Remembers secrets and finds them, and what looks like one, in a log."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._known)

    def learn(self, body: Any) -> None:
        """Remember the secrets of a JSON body, however deep they lie."""
        if isinstance(body, list):
            for each in body:
                self.learn(each)
        elif isinstance(body, dict):
            public = [body.get("username"), body.get("email")]
            for name, value in body.items():
                # Shorter ones are tests of bad passwords, and may be part of any word.
                if name in NAMES and isinstance(value, str) and len(value) >= 8:
                    if value not in public:
                        self._known.add(value)
                else:
                    self.learn(value)

    def found_in(self, text: str) -> list[str]:
        """The lines that give a secret away."""
        found = {match[0] for match in SHAPES.finditer(text)}
        heads: dict[str, list[str]] = {}
        for secret in self._known:
            if LONG_WORD.fullmatch(secret):
                heads.setdefault(secret[:HEAD], []).append(secret)
            elif not SHAPES.search(secret) and secret in text:
                found.add(secret)
        for word in set(LONG_WORD.findall(REQUEST_ID.sub("", text))):
            for start in range(len(word) - HEAD + 1):
                secrets = heads.get(word[start : start + HEAD], [])
                found |= {secret for secret in secrets if secret in word}
        if not found:
            return []
        return [line for line in text.splitlines() if any(secret in line for secret in found)]
