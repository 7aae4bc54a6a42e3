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
        words: dict[str, list[str]] = {}  # by how they begin
        for secret in filter(LONG_WORD.fullmatch, self._known):
            words.setdefault(secret[:HEAD], []).append(secret)
        others = [
            secret
            for secret in self._known
            if not LONG_WORD.fullmatch(secret) and not SHAPES.search(secret)
        ]

        def gives_away(line: str) -> bool:
            return (
                bool(SHAPES.search(line))
                or any(
                    secret in word
                    for word in LONG_WORD.findall(line)
                    for i in range(len(word) - HEAD + 1)
                    for secret in words.get(word[i : i + HEAD], ())
                )
                or any(secret in line for secret in others)
            )

        return [line for line in text.splitlines() if gives_away(line)]
