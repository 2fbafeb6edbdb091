"""What a sweep tells: a line for each trial, the table of all, the best one's command."""

import csv
import io
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from imdb_wiki.files import write_whole
from imdb_wiki.plots.style import save
from imdb_wiki.sweep.figure import sweep_figure
from imdb_wiki.sweep.space import value_text
from imdb_wiki.sweep.trials import Sweep, Trial, best_of

TABLE_FILE, FIGURE_FILE = "trials.csv", "sweep.png"


def values_text(values: dict[str, Any]) -> str:
    """Constants as on the command line: `LEARNING_RATE=0.00123 BATCH_SIZE=32`."""
    return " ".join(f"{name}={value_text(value)}" for name, value in values.items())


def trial_line(trials: list[Trial], sweep: Sweep) -> str:
    """What the last of some trials has reached, and how long the others may take.

    Args:
        trials: All finished ones.
        sweep: What decides them.

    Returns:
        One line.
    """
    last, total = trials[-1], trial_count(trials, sweep)
    parts = [f"{trial_name(last.number, total)}  {values_text(last.values)}"]
    if last.measured is None:
        parts.append(f"failed: {last.reason}")
    else:
        parts.append(f"{sweep.measure.column} {last.measured:.4f}, epoch {last.best_epoch}")
        if last.reason:
            parts.append(last.reason)
        elif last is best_of(trials, sweep.measure):
            parts.append("best so far")
    parts.append(duration_text(last.minutes))
    took = [one.minutes for one in trials if one.minutes]
    if total > len(trials) and took:
        left = (total - len(trials)) * sum(took) / len(took)
        parts.append(f"about {duration_text(left)} left")
    return "  ·  ".join(parts)


def trial_count(trials: list[Trial], sweep: Sweep) -> int:
    """How many trials there will be in all: each combination once, if there are few."""
    distinct = {values_text(one.values) for one in trials}
    there = len(trials)
    return max(there, int(min(sweep.trials, sweep.space.size + there - len(distinct))))


def trial_name(number: int, total: int) -> str:
    """A trial as lines call it: `trial  3/20`."""
    return f"trial {number:{len(str(total))}}/{total}"


def duration_text(minutes: float) -> str:
    """Says a duration: `40 s`, `12 min`, `3.5 h`."""
    if minutes < 1.5:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def write_report(trials: list[Trial], sweep: Sweep) -> None:
    """Writes `trials.csv` and `sweep.png` into the sweep's folder.

    Args:
        trials: All finished ones, at least one.
        sweep: What decides them.

    Raises:
        OSError: A file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = list(sweep.space.varied)
    measured = ["best_epoch", "minutes", "state", "reason"]
    table.writerow(["trial", *names, sweep.measure.column, *measured])
    for one in trials:
        failed = one.measured is None
        table.writerow(
            [
                one.number,
                *(value_text(one.values[name]) for name in names),
                "" if one.measured is None else round(one.measured, 6),
                "" if one.best_epoch is None else one.best_epoch,
                round(one.minutes, 2),
                "failed" if failed else "done",
                one.reason,
            ]
        )
    write_whole(sweep.run_dir / TABLE_FILE, text.getvalue())
    save(sweep_figure(trials, sweep.space, sweep.measure), sweep.run_dir / FIGURE_FILE)


def papermill_command(values: dict[str, Any], sweep: Sweep) -> str:
    """The command that runs the whole notebook with a trial's constants.

    Args:
        values: Of the varied constants.
        sweep: What it was a trial of.

    Returns:
        A line for a shell. The run's folder is `best` in the sweep's; its number counts up.
    """
    notebook = "imdb_wiki_gpu.ipynb"
    beside = Path(sys.executable).with_name("papermill")
    program = os.path.relpath(beside) if beside.is_file() else "papermill"
    command = [program, notebook, str(sweep.run_dir / "best.ipynb")]
    folders = sweep.prepared_dirs
    constants = {
        "PREPARED_DIRS": folders if len(folders) > 1 else folders[0],
        "RUN_DIR": str(sweep.run_dir / "best"),
        **sweep.space.fixed,
        **values,
    }
    for name, value in constants.items():
        command += _papermill_option(name, value)
    return shlex.join(command)


def _papermill_option(name: str, value: Any) -> list[str]:
    """A constant for papermill: `-p` guesses what kind of value a text is, `-y` (YAML) says it."""
    if isinstance(value, list) or (isinstance(value, str) and _is_taken_for_another(value)):
        return ["-y", f"{name}: {json.dumps(value, ensure_ascii=False)}"]
    return ["-p", name, str(value)]


def _is_taken_for_another(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("True", "False", "None")
    return True
