"""Waits for what something else brings about, and never for ever."""

import subprocess
import time
from collections.abc import Callable


def wait_for(happened: Callable[[], bool], is_alive: Callable[[], bool], timeout_s: float = 60):
    """Waits until something has happened; it fails where that cannot come any more, or not in time.

    Args:
        happened: Whether it has.
        is_alive: Whether the thread or process that brings it about is at work.
        timeout_s: How long to wait, in seconds.
    """
    deadline = time.monotonic() + timeout_s
    while not (there := happened()) and is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    state = "is still at work" if is_alive() else "has ended"
    assert there or happened(), f"has not happened, and what should bring it about {state}"


def wait_for_process(process: subprocess.Popen, happened: Callable[[], bool]) -> None:
    """As `wait_for`, of what a process brings about."""
    wait_for(happened, lambda: process.poll() is None)
