"""Print the progress of a run."""

import sys
import time


class Progress:
    """A line that is updated on a terminal, or a line every five seconds elsewhere."""

    def __init__(self, steps: int):
        self._steps = steps
        self._done = 0
        self._began = time.monotonic()
        self._told = 0.0

    def step(self, text: str) -> None:
        now = time.monotonic()
        if sys.stderr.isatty():
            print(f"\r\033[K{self._line(text, now)}", end="", file=sys.stderr, flush=True)
        elif now - self._told >= 5:
            self._told = now
            print(self._line(text, now), file=sys.stderr, flush=True)
        self._done += 1

    def _line(self, text: str, now: float) -> str:
        left = (now - self._began) / self._done * (self._steps - self._done) if self._done else 0
        rest = f", about {left / 60:.0f} min left" if left >= 60 else ""
        return f"[{self._done * 100 // self._steps:3}%{rest}] {text}"

    def end(self) -> None:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
