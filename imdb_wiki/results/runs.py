"""What a run leaves behind: a folder of its own, and what its row in the results table says."""

import contextlib
import json
import re
from collections.abc import Generator, Mapping
from os import PathLike
from pathlib import Path
from typing import TextIO

import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.files import LOCK_NAME, locked, parse_json, write_whole
from imdb_wiki.models.files import MODEL_FILE, read_note
from imdb_wiki.results.provenance import current_commit, hardware, now

HISTORY_FILE, RUN_FILE, LOGS_DIR = "history.csv", "run.json", "logs"
RECIPE_FILE = "recipe.json"  # of the compact network's training
# What a training writes; a folder that holds one of these is taken.
_TRAINING_FILES = (MODEL_FILE, HISTORY_FILE, RUN_FILE, LOGS_DIR)
# Other files of the same run.
_OTHER_FILES = (
    *("metrics.json", "predictions.csv", "figures"),
    *("validation", "compact", "compact_validation"),
    *(RECIPE_FILE, "teacher.npy", "state-*.weights.h5"),  # of the compact network's training
)
_MOVING = ".part"  # ends the name of a folder that an earlier training is being moved to
EPOCH_NOTE = "epoch {}"  # what the model's file notes, counted from 0 as in the history
_held: dict[Path, TextIO] = {}  # the locks of this process


def holds_training(run_dir: Path) -> bool:
    """Whether a training has written into the folder."""
    return any((run_dir / name).exists() for name in _TRAINING_FILES)


def new_run_dir(run_dir: str | PathLike, if_taken: str = "number") -> Path:
    """Makes a folder for one run, so that no run replaces another.

    Args:
        run_dir: The wanted folder, e.g. `runs/sample`.
        if_taken: What happens if a training is there, or another process is about to train there:
            `number` takes `runs/sample-2`, or the first number that is free; `refuse` raises an
            error.

    Returns:
        The folder, which exists and holds no training. Until this process ends or its training has
        ended, no other process is given the same.

    Raises:
        InputError: The folder is taken and `if_taken` says `refuse`, or it says anything else; or
            the folder is something else, such as a prepared folder.
    """
    if if_taken not in ("number", "refuse"):
        raise InputError(f"if a run's folder is taken: {if_taken!r} is not 'number' or 'refuse'")
    if not isinstance(run_dir, str | PathLike) or not str(run_dir).strip():
        raise InputError(f"the run's folder is {run_dir!r}: name one, such as runs/sample")
    folder = Path(run_dir)
    first = folder = folder.resolve() if folder.name in ("", "..") else folder
    number = 1
    while True:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: name a folder for the run")
        if (folder / "train.csv").exists():
            raise InputError(f"{folder} is a prepared folder: name another one for the run")
        if not holds_training(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if _take(folder):
                return folder
        if if_taken == "refuse":
            taken = holds_training(folder)
            there = (
                "holds a training already" if taken else "is where another one is about to begin"
            )
            raise InputError(f"{folder} {there}: name another folder")
        number += 1
        folder = first.with_name(f"{first.name}-{number}")


def _take(folder: Path) -> bool:
    """Tries to take a folder for this process alone, until it ends or gives it back."""
    place = folder.resolve()
    if place in _held:
        return True
    lock = locked(folder / LOCK_NAME)
    if lock is None:
        return False
    _held[place] = lock
    return True


@contextlib.contextmanager
def at_work_in(run_dir: Path) -> Generator[None]:
    """Keeps other trainings out of a run's folder, which is made, as long as one is at work.

    Raises:
        InputError: Another one is at work there.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    if not _take(run_dir):
        raise InputError(f"{run_dir}: another training is at work there; name another folder")
    try:
        yield
    finally:
        _held.pop(run_dir.resolve()).close()


def set_aside(run_dir: Path) -> Path | None:
    """Moves an earlier training in a run's folder into a sub-folder, so that nothing is lost.

    Args:
        run_dir: Folder in which a training is about to start.

    Returns:
        Where the earlier one is now, `<run_dir>/earlier-1` or the next number; None if there is
        none.
    """
    begun = sorted(run_dir.glob(f"earlier-*{_MOVING}"))  # a process was killed while moving
    if not begun and not holds_training(run_dir):
        return None
    number = 1
    while (aside := run_dir / f"earlier-{number}").exists():
        number += 1
    moving = begun[0] if begun else aside.with_name(aside.name + _MOVING)
    moving.mkdir(exist_ok=True)
    for pattern in (*_TRAINING_FILES, *_OTHER_FILES):
        for path in run_dir.glob(pattern):
            path.rename(moving / path.name)
    return moving.rename(aside)


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


def run_row(run_dir: str | PathLike, split: str, evaluation_dir: str | PathLike) -> dict:
    """Puts a run's row for the results table together, from the files in its folder.

    From its files and not from a notebook's variables: after a training that was stopped those may
    belong to the one before.

    Args:
        run_dir: Folder of `training.train`.
        split: Which split was evaluated.
        evaluation_dir: Folder of `evaluation.write_evaluation`, in the run's folder or the same.

    Returns:
        Column names and values: time, run folder, data, every constant of the notebook (in lower
        case), epochs, validation by epoch, metrics, commit, hardware.

    Raises:
        InputError: A file is missing, or it cannot be read.
    """
    run_dir = Path(run_dir)
    run, history = read_json(run_dir / RUN_FILE), read_history(run_dir / HISTORY_FILE)
    metrics = read_json(Path(evaluation_dir) / "metrics.json")
    best = saved_epoch(run_dir, history)
    measured = {
        "time": now(),
        "run_dir": str(run_dir),
        "split": split,
        **{name: value for name, value in run.items() if name != "constants"},
        "epochs": len(history),
        "best_epoch": int(best["epoch"]) + 1,
        **_validation_of(history, best),
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


def _validation_of(history: pd.DataFrame, best: pd.Series) -> dict:
    """The saved epoch's errors on the validation split; of a network for one task, those it has."""
    columns = {
        "val_age_mae_years": "val_age_years_mae",
        "val_gender_cross_entropy": "val_gender_cross_entropy",
    }
    errors = {name: best[column] for name, column in columns.items() if column in best}
    return {name: round(float(error), 4) for name, error in errors.items()} | by_epoch(history)


def saved_epoch(run_dir: Path, history: pd.DataFrame) -> pd.Series:
    """The history's row of the epoch whose network `model.keras` holds.

    That is the best one, unless the process was killed between the writing of the two files.
    """
    note = re.fullmatch(EPOCH_NOTE.format(r"(\d+)"), read_note(run_dir / MODEL_FILE))
    rows = history[history["epoch"] == int(note[1])] if note else history
    if rows.empty:
        raise InputError(f"{run_dir / MODEL_FILE} is of an epoch that {HISTORY_FILE} lacks")
    return rows.iloc[rows["val_loss"].argmin()]


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
            if not isinstance(facts, dict):
                raise InputError(f"{source} is not what a training writes: {part} holds no names")
            break
    facts = {f"trained_with_{n}" if n == "data" else n.lower(): v for n, v in facts.items()}
    history_path = path.with_name(HISTORY_FILE)
    if path.name == MODEL_FILE and history_path.is_file():
        history = read_history(history_path)
        facts |= by_epoch(history)
    return facts


def by_epoch(history: pd.DataFrame) -> dict[str, str]:
    """The validation split's age error in years after each epoch, as one text for a table."""
    if "val_age_years_mae" not in history:
        return {}
    errors = map("{:.2f}".format, history["val_age_years_mae"])
    return {"val_age_mae_years_by_epoch": " ".join(errors)}


def rounded(metrics: Mapping[str, object]) -> dict:
    """Picks the plain numbers out of metrics, to four places."""
    return {name: round(v, 4) for name, v in metrics.items() if isinstance(v, int | float)}


def read_history(path: Path) -> pd.DataFrame:
    """Reads a training's `history.csv`, one row an epoch.

    Raises:
        InputError: It is missing, empty or no such table.
    """
    if not path.exists():
        raise InputError(f"no epoch of a training was finished here: {path} does not exist")
    try:
        history = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{path} cannot be read: {error}") from error
    wanted = ["epoch", "val_loss"]
    if history.empty or not set(wanted) <= set(history):
        raise InputError(f"{path} is no history of a training: it lacks one of {', '.join(wanted)}")
    if not all(pd.api.types.is_numeric_dtype(history[name]) for name in wanted):
        raise InputError(f"{path} has been changed: its columns are no numbers any more")
    return history


def read_json(path: Path) -> dict:
    """Reads a file that a training wrote.

    Raises:
        InputError: It is missing or no JSON.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not what a training writes: it holds no names")
    return content
