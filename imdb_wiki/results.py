"""What a run leaves behind: a folder of its own, a row in a table, a count of test readings."""

import contextlib
import csv
import fcntl
import io
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.journal import write_whole
from imdb_wiki.model_files import MODEL_FILE
from imdb_wiki.recipe import RECIPE_FILE

HISTORY_FILE, RUN_FILE, LOGS_DIR = "history.csv", "run.json", "logs"
# What a training writes; a folder that holds one of these is taken.
_TRAINING_FILES = (MODEL_FILE, HISTORY_FILE, RUN_FILE, LOGS_DIR)
# What else the notebook puts beside them.
_OTHER_FILES = ("metrics.json", "predictions.csv", "figures", "validation", "compact")
TEST_READINGS_FILE = "test_reads.csv"  # in a prepared folder


def holds_training(run_dir: Path) -> bool:
    """Whether a training has written into the folder."""
    return any((run_dir / name).exists() for name in _TRAINING_FILES)


def new_run_dir(run_dir: str | PathLike, if_taken: str = "number") -> Path:
    """Makes a folder for one run, so that no run replaces another.

    Args:
        run_dir: The wanted folder, e.g. `runs/sample`.
        if_taken: What happens if a training is there: `number` takes `runs/sample-2`, or the first
            number that is free; `refuse` raises an error.

    Returns:
        The folder, which exists and holds no training.

    Raises:
        InputError: The folder is taken and `if_taken` says `refuse`, or it says anything else.
    """
    if if_taken not in ("number", "refuse"):
        raise InputError(f"if a run's folder is taken: {if_taken!r} is not 'number' or 'refuse'")
    first = folder = Path(run_dir)
    number = 1
    while holds_training(folder):
        if if_taken == "refuse":
            raise InputError(f"{folder} holds a training already: name another folder")
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def set_aside(run_dir: Path) -> Path | None:
    """Moves an earlier training in a run's folder into a sub-folder, so that nothing is lost.

    Args:
        run_dir: Folder in which a training is about to start.

    Returns:
        Where the earlier one is now, `<run_dir>/earlier-1` or the next number; None if there is
        none.
    """
    if not holds_training(run_dir):
        return None
    number = 1
    while (aside := run_dir / f"earlier-{number}").exists():
        number += 1
    aside.mkdir()
    for name in (*_TRAINING_FILES, *_OTHER_FILES):
        if (run_dir / name).exists():
            (run_dir / name).rename(aside / name)
    return aside


def constants_of(names: Mapping[str, object]) -> dict:
    """Picks a notebook's constants out of its names: those in capitals that JSON can hold.

    Args:
        names: The notebook's `globals()`.

    Returns:
        Values by name, in the order in which they were defined; paths as text.
    """
    chosen = {name: value for name, value in names.items() if name.isupper() and name[0] != "_"}
    return {name: value for name, value in chosen.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(part) for part in value)
    return value is None or isinstance(value, bool | int | float | str | PathLike)


def start_run(run_dir: Path, facts: Mapping[str, object]) -> None:
    """Writes `run.json`: what is known when a training starts, for its row in the results table.

    Args:
        run_dir: The run's folder.
        facts: What decides the training, e.g. `constants`, the network's name, counts of images.
            When it starts, the commit and the hardware are added here.
    """
    started = {"started": now(), "commit": current_commit(), "hardware": hardware()}
    text = json.dumps({**started, **facts}, indent=1, default=str, ensure_ascii=False)
    write_whole(run_dir / RUN_FILE, text + "\n")


def run_row(run_dir: str | PathLike, split: str, metrics: Mapping[str, object]) -> dict:
    """Puts a run's row for the results table together, from the files in its folder.

    From its files and not from a notebook's variables: after a training that was stopped those may
    belong to the one before.

    Args:
        run_dir: Folder of `training.train`.
        split: Which split the metrics are of.
        metrics: Of `metrics.score`.

    Returns:
        Column names and values: time, run folder, data, every constant of the notebook (in lower
        case), epochs, validation by epoch, metrics, commit, hardware.

    Raises:
        InputError: The folder lacks a file, or it cannot be read.
    """
    run_dir = Path(run_dir)
    run, history = read_json(run_dir / RUN_FILE), read_history(run_dir / HISTORY_FILE)
    best = history.loc[history["val_loss"].idxmin()]
    measured = {
        "time": now(),
        "run_dir": str(run_dir),
        "split": split,
        **{name: value for name, value in run.items() if name != "constants"},
        "epochs": len(history),
        "best_epoch": int(best["epoch"]) + 1,
        "val_age_mae_years": round(float(best["val_age_years_mae"]), 4),
        "val_age_mae_years_by_epoch": by_epoch(history),
        "val_gender_cross_entropy": round(float(best["val_gender_cross_entropy"]), 4),
        "training_minutes": round(float(history["seconds"].sum()) / 60, 1),
        **rounded(metrics),
    }
    row = dict(measured)
    for name, value in run["constants"].items():
        name = name.lower()
        if measured.get(name, value) != value:  # EPOCHS is how many there may be, `epochs` how
            name += "_set"  # many there were: the row has both
        row[name] = value
    return row


def training_facts(model_path: str | PathLike) -> dict:
    """What is known of a model's training, from the files beside it: for a row about the model.

    Args:
        model_path: A `.keras` file; its `.json` (of `shipping`), or in a run's folder `run.json` or
            `recipe.json`, hold what decided the training, and `history.csv` how it went.

    Returns:
        Column names and values, e.g. `seed`; empty where there is no such file.
    """
    path = Path(model_path)
    facts: dict = {}
    for source, part in (
        (path.with_name(f"{path.stem}.json"), "training"),
        (path.with_name(RUN_FILE), "constants"),
        (path.with_name(RECIPE_FILE), None),
    ):
        if source.is_file():
            content = read_json(source)
            facts = content.get(part, {}) if part else content
            break
    facts = {f"trained_with_{n}" if n == "data" else n.lower(): v for n, v in facts.items()}
    history_path = path.with_name(HISTORY_FILE)
    if path.name == MODEL_FILE and history_path.is_file():
        history = read_history(history_path)
        facts["val_age_mae_years_by_epoch"] = by_epoch(history)
    return facts


def by_epoch(history: pd.DataFrame) -> str:
    """The validation split's age error in years after each epoch, as one text for a table."""
    return " ".join(map("{:.2f}".format, history["val_age_years_mae"]))


def rounded(metrics: Mapping[str, object]) -> dict:
    """Picks the plain numbers out of metrics, to four places."""
    return {name: round(v, 4) for name, v in metrics.items() if isinstance(v, int | float)}


def read_history(path: Path) -> pd.DataFrame:
    """Reads a training's `history.csv`, one row an epoch.

    Raises:
        InputError: It is missing, empty or no such table.
    """
    try:
        history = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{path} cannot be read: {error}") from error
    if "epoch" not in history or "val_loss" not in history or history.empty:
        raise InputError(f"{path} is no history of a training: it has no epoch or no val_loss")
    return history


def read_json(path: Path) -> dict:
    """Reads a file that a training wrote.

    Raises:
        InputError: It is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def now() -> str:
    """The time, for people and machines of all zones: `2026-01-31T14:05:00+0100`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def hardware() -> str:
    """Says what computes, for the results table: `2 × NVIDIA A100` or `x86_64 CPU, 8 cores`."""
    import tensorflow as tf  # here: the rest of this module needs none

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"{len(gpus)} × {details.get('device_name', 'GPU')}"
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


def append_result(csv_path: str | PathLike, row: Mapping[str, object]) -> None:
    """Appends one row to the results table.

    A column that the table does not have yet is added to its end, and stays empty for older rows.
    Several runs may append at the same time. A table that a spreadsheet has saved (with a byte
    order mark, semicolons, decimal commas, in Windows-1252) is read as what it is, and written as
    plain CSV again.

    Args:
        csv_path: The table; made if it does not exist. An empty text: no table is kept.
        row: Column names and values.
    """
    if not str(csv_path):
        return
    csv_path = Path(csv_path)
    csv_path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(csv_path.parent):
        columns, rows = _read_table(csv_path) if csv_path.is_file() else ([], [])
        columns += [name for name in row if name not in columns]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
        write_whole(csv_path, text.getvalue())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one process or thread at a time change the folder's tables; leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which unlocks


def _read_table(csv_path: Path) -> tuple[list[str], list[dict]]:
    """Reads a table that a spreadsheet may have saved; returns its columns and rows."""
    data = csv_path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")  # what Windows' spreadsheets write
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    rows = [row for row in rows if any(row)]
    if not rows:
        return [], []
    columns = rows[0]
    for number in range(len(columns), max(map(len, rows))):
        columns.append(f"remark_{number + 1}")  # cells beyond the last column's
    if delimiter != ",":  # then the comma is the decimal mark
        rows = [[re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", cell) for cell in row] for row in rows]
    return columns, [dict(zip(columns, row, strict=False)) for row in rows[1:]]


def count_test_reading(prepared_dirs: list[str | PathLike], model: str | PathLike) -> list[str]:
    """Notes that test splits were read, and says how often that was.

    Who changes something after each look at the test split tunes to it, and its numbers become too
    good. So each look is counted, in the prepared folder itself.

    Args:
        prepared_dirs: Folders whose test splits were read.
        model: What was scored.

    Returns:
        A sentence a folder.
    """
    sentences = []
    for folder in map(Path, prepared_dirs):
        path = folder / TEST_READINGS_FILE
        try:
            append_result(path, {"time": now(), "model": str(model)})
            count = len(_read_table(path)[1])
        except OSError as error:  # a folder may be read-only, such as a shared one
            sentences.append(f"{path} cannot be written ({error.strerror}): not counted")
            continue
        times = "once, now" if count == 1 else f"{count} times, this one included"
        sentences.append(f"the test split of {folder} has been read {times} ({path})")
    return sentences
