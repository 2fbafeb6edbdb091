"""When, where and by which code something was computed."""

import os
import platform
import subprocess
import time
from pathlib import Path


def hardware() -> str:
    """Says what computes, for the results table: `2 × NVIDIA A100` or `x86_64 CPU, 8 cores`."""
    from imdb_wiki.backend import gpu_names  # here: it imports Keras

    gpus = gpu_names()
    if gpus:
        return f"{len(gpus)} × {gpus[0]}"
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def current_commit() -> str:
    """Names the checkout's commit for the results table, with a `+` if files differ from it.

    Returns:
        A short hash such as `1a2b3c4+`, or an empty text outside a git checkout.
    """
    describe = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(
            describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:  # no git on this machine
        return ""
    return done.stdout.strip()


def now() -> str:
    """The time, for people and machines of all zones: `2026-01-31T14:05:00+0100`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
