"""The worker leaves the processor to who waits for an answer."""

import os
import subprocess
import sys
import time

import pytest

from taskapi.jobs.courtesy import LONGEST, SCHEDSTAT, Courtesy


@pytest.mark.skipif(
    not SCHEDSTAT.exists(),
    reason="only Linux tells how long a thread waited for a processor, and so only there it rests",
)
def test_a_thread_that_waited_for_a_processor_rests_and_longer_where_others_rest(monkeypatch):
    allowed = os.sched_getaffinity(0)
    only = {min(allowed)}
    spin = f"import os; os.sched_setaffinity(0, {only})\nwhile True: pass"
    rival = subprocess.Popen([sys.executable, "-c", spin])
    try:
        os.sched_setaffinity(0, only)
        courtesy, *others = (Courtesy() for _ in range(3))
        monkeypatch.setattr(Courtesy, "resting", set(others))
        began, worked = time.monotonic(), time.thread_time()
        while (time.monotonic() - began) - (time.thread_time() - worked) < 0.05:
            assert time.monotonic() - began < 10, "the rival never took its turn"
        before = time.monotonic()
        courtesy.rest()
        assert time.monotonic() - before >= LONGEST * (1 + len(others))
    finally:
        os.sched_setaffinity(0, allowed)
        rival.kill()
        rival.wait()
