"""The preparation's whole command as a process: seconds from start to end, and peak memory."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import scipy.io

from imdb_wiki.errors import InputError
from imdb_wiki.layout import REPORT_NAME
from imdb_wiki.preparation.crops import UNREADABLE_IMAGE
from imdb_wiki.preparation.rules import CONTRADICTING_DUPLICATE, REPEATED_ROW

SCRIPT = Path(__file__).parents[1] / "imdb_wiki_preparation.py"
STEPS = ("reading_table", "rules", "crops", "duplicates", "split", "publishing")
# Between two looks at the memory, each of which takes 26 ms of a processor from what is measured.
_PAUSE_SECONDS = 0.5


def prepared(arguments: list[str], folder: Path) -> dict:
    """Runs the command with a new output folder in `folder`.

    Memory is the sum over the command and its processes of their proportional set sizes, where
    pages that several share count once.

    Returns:
        The report, with `wall_seconds` and `peak_bytes`.

    Raises:
        InputError: it failed.
    """
    output_dir = folder / "prepared"
    most, start = 0, time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, str(SCRIPT), "--output_dir", str(output_dir), *arguments]
        with psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process:
            while process.poll() is None:
                most = max(most, sum(map(_memory_bytes, _with_children(process))))
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(_PAUSE_SECONDS)
        seconds = time.perf_counter() - start
        errors.seek(0)
        if process.returncode:
            raise InputError(f"the preparation failed: {errors.read().splitlines()[-1:]}")
    report = json.loads((output_dir / REPORT_NAME).read_text(encoding="utf-8"))
    return report | {"wall_seconds": seconds, "peak_bytes": most}


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:  # it has just ended
        return []


def _memory_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0


def first_rows(mat_path: Path, rows: int, path: Path) -> None:
    """Writes an imdb.mat of the first rows of another."""
    name = mat_path.stem
    record = scipy.io.loadmat(mat_path)[name].reshape(-1)[0]
    values = {field: record[field] for field in record.dtype.names}
    count = values["full_path"].size
    struct = {
        field: value.reshape(-1)[:rows][np.newaxis] if value.size == count else value
        for field, value in values.items()
    }
    scipy.io.savemat(path, {name: struct}, do_compression=True)


def opened_photos(report: dict) -> int:
    """How many photos the preparation has opened: those of rows that no other rule took."""
    later_rules = (UNREADABLE_IMAGE, REPEATED_ROW, CONTRADICTING_DUPLICATE)
    return report["kept"] + sum(report["rejected"][rule] for rule in later_rules)


def heading() -> str:
    """The line above those of `described`."""
    steps = "".join(f"{step.removeprefix('reading_'):>11}" for step in STEPS)
    return (
        f"{'rows':>9}{'photos':>9}{'seconds':>9}{'plain':>8}{'times':>7}{steps}{'rest':>7}{'MB':>7}"
    )


def described(report: dict, plain_seconds: float) -> str:
    """One run as a line of the table."""
    whole = report["wall_seconds"]
    steps = [report["seconds"][step] for step in STEPS]
    return (
        f"{report['rows']:>9,}{opened_photos(report):>9,}{whole:>9.1f}{plain_seconds:>8.1f}"
        f"{plain_seconds / whole:>7.2f}{''.join(f'{value:>11.2f}' for value in steps)}"
        f"{whole - sum(steps):>7.2f}{report['peak_bytes'] / 1e6:>7,.0f}"
    )
