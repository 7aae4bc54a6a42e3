"""The web comes first: a thread of the worker that had to wait for a processor rests a while."""

import time
from pathlib import Path
from typing import ClassVar

UNNOTICED = 0.0002  # seconds that a thread waits even where there is nobody else
TIMES = 1000  # as long as it has waited, it rests
LONGEST = 0.05  # for each that rests: together they go on twenty times a second at least
SCHEDSTAT = Path("/proc/thread-self/schedstat")


class Courtesy:
    """Of the thread that makes it."""

    resting: ClassVar[set["Courtesy"]] = set()

    def __init__(self) -> None:
        self._waited = _waited()

    def rest(self) -> None:
        """Sleep, if it had to wait for a processor: who has it now is served first."""
        before, self._waited = self._waited, _waited()
        noticed = self._waited - before - UNNOTICED
        if noticed > 0:
            self.resting.add(self)
            time.sleep(min(noticed * TIMES, LONGEST * len(self.resting)))
            self.resting.remove(self)


def _waited() -> float:
    """Seconds in which this thread could have worked, and somebody else did."""
    try:
        with SCHEDSTAT.open() as told:
            return int(told.read().split()[1]) / 1e9
    except OSError:
        return 0.0  # a system that does not tell
