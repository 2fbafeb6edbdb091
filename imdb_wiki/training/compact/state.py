"""What a training of the compact network has on disk, so that it can go on: recipe, data, state."""

import hashlib
import io
import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.files import write_whole
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.models.files import MODEL_FILE
from imdb_wiki.pipeline import has_plain_labels
from imdb_wiki.processes import all_or_none, is_first
from imdb_wiki.results.runs import (
    HISTORY_FILE,
    RECIPE_FILE,
    holds_training,
    read_history,
    read_json,
)

STATE_FILE = "state-{}.weights.h5"
TEACHER_FILE = "teacher.npy"  # (count, 102), the teacher's answers for the train split


def digest_of_rows(*frames: pd.DataFrame) -> str:
    """Digest of a training's rows: it must not continue with other rows or another order."""
    digest = hashlib.blake2b(digest_size=8)
    for frame in frames:
        columns = ["filename", "age", "gender"]
        if not has_plain_labels(frame):
            columns += ["age_low", "age_high"]
        columns += [name for name in ("weight",) if name in frame]
        digest.update(frame[columns].to_csv(index=False).encode())
    return digest.hexdigest()


def digest_of_network(path: str) -> str | None:
    """Digest of the network that a training starts from; None if the file is gone."""
    if not Path(path).is_file():
        return None
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=8).hexdigest()


# The message if something other than the recipe has changed.
_CHANGED = {
    "data_digest": "the prepared folders have changed",
    "images_digest": "the images in the prepared folders have changed",
    "start_digest": "the network that it starts from has changed",
    "teacher_digest": "the network that teaches it has changed",
}


def keep_recipe(run_dir: Path, recipe: dict) -> None:
    """Writes `recipe.json`; refuses another recipe once an epoch of the one there is finished.

    Raises:
        InputError: The folder holds a training of another recipe or another kind.
    """
    path = run_dir / RECIPE_FILE
    text = json.dumps(recipe, indent=1)
    recipe = json.loads(text)  # as it will be read: tuples are lists there
    before = read_json(path) if path.is_file() else None
    if before is None and holds_training(run_dir):
        raise InputError(f"{run_dir} holds a training of another kind: name another folder")
    if before is not None and not {"data", "folder_shares"} <= before.keys():
        raise InputError(f"{path} is not a training's: name another folder")
    if before is None and (run_dir / TEACHER_FILE).exists():
        raise InputError(f"{run_dir / TEACHER_FILE} is not a training's: name another folder")
    has_begun = (run_dir / MODEL_FILE).exists() or _states(run_dir)
    if has_begun and before is not None:
        # Not compared is what an earlier version of this code did not write, and the networks that
        # it started from or that taught it, which it does not need any more.
        changed = [
            name
            for name, value in recipe.items()
            if before.get(name, value) != value
            and not (name in ("start_digest", "teacher_digest") and value is None)
        ]
        others = [name for name in changed if name not in _CHANGED]
        if others:
            raise InputError(f"{path}: the training there differs in {', '.join(others)}")
        if changed:
            raise InputError(
                f"{run_dir}: {_CHANGED[changed[0]]} since this training began: name another "
                "folder, or bring back what was there"
            )
        return
    if is_first():
        write_whole(path, text + "\n")


def _states(run_dir: Path) -> dict[int, Path]:
    """The states on disk, by the number of epochs that they hold."""
    paths = run_dir.glob(STATE_FILE.format("*"))
    numbers = {path.name.removeprefix("state-").split(".")[0]: path for path in paths}
    return {int(number): path for number, path in numbers.items() if number.isdecimal()}


def keep_state(network: keras.Model, history: list[dict], run_dir: Path, epochs: int) -> None:
    """Writes weights, optimizer and history; removes the old state when the new one is complete.

    Of several processes the first does so.

    Args:
        network: The compiled network.
        history: One row an epoch.
        run_dir: The training's folder.
        epochs: How many are finished.
    """
    if not is_first():
        return
    # First the history: a row whose state is missing is left out when the training goes on.
    write_whole(run_dir / HISTORY_FILE, pd.DataFrame(history).to_csv(index=False))
    write_whole(run_dir / STATE_FILE.format(epochs), _state(network))
    _remove_states_before(run_dir, epochs)


def _remove_states_before(run_dir: Path, epochs: int) -> None:
    for number, path in _states(run_dir).items():
        if number < epochs:
            path.unlink()


def _variables(network: keras.Model) -> dict[str, keras.Variable]:
    """All that a training changes, by name."""
    variables = [*network.weights, *network.optimizer.variables]
    return {f"{number} {variable.path}": variable for number, variable in enumerate(variables)}


def _state(network: keras.Model) -> bytes:
    """The content of a state's file.

    Written in memory: where a disk is full, HDF5 crashes the process.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, variable in _variables(network).items():
            file[name] = keras.ops.convert_to_numpy(variable)
    return buffer.getvalue()


def restored(network: keras.Model, run_dir: Path) -> tuple[list[dict], int]:
    """Loads the last whole epoch's state into a compiled network.

    Returns:
        The history's rows up to that epoch, and how many epochs are finished.

    Raises:
        InputError: The state or the history is not what this training has written.
    """
    variables = _variables(network)
    with all_or_none():  # only then the variables: several processes set them together
        values, epochs = _last_state(variables, run_dir)
    for variable, value in zip(variables.values(), values, strict=False):
        variable.assign(value)
    if epochs == 0:
        return [], 0
    if is_first():
        _remove_states_before(run_dir, epochs)  # killed before it could
    history_path = run_dir / HISTORY_FILE
    if not history_path.exists():
        return [], epochs
    try:
        history = read_history(history_path)
    except InputError as error:
        raise InputError(
            f"{error}; move it away, and the training goes on without the rows before"
        ) from error
    return history[history["epoch"] < epochs].to_dict(orient="records"), epochs


def _last_state(
    variables: dict[str, keras.Variable], run_dir: Path
) -> tuple[list[np.ndarray], int]:
    """The variables' values after the last whole epoch, and its number from 1; none and 0."""
    states = _states(run_dir)
    if not states:
        return [], 0
    epochs, path = max(states.items())
    values = []
    try:
        with h5py.File(io.BytesIO(path.read_bytes())) as file:
            for name, variable in variables.items():
                values.append(file[name][()])
                if values[-1].shape != tuple(variable.shape):
                    raise ValueError(f"{name} has the shape {values[-1].shape}")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is no whole state of this training: {first_line(error)}"
        ) from error
    return values, epochs


def read_teacher(run_dir: Path, count: int) -> np.ndarray:
    """Reads what the teacher answered for the train split, (count, 102).

    Raises:
        InputError: The file is missing, or is not what this training has written.
    """
    path = run_dir / TEACHER_FILE
    try:
        taught = np.load(path)
        if len(taught) != count:
            raise ValueError(f"it has {len(taught)} rows for {count} images")
        if taught.shape[1:] == (len(AGES_YEARS),):  # of an earlier version, which taught ages only
            taught = np.pad(taught, [(0, 0), (0, 1)])
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be used: {first_line(error)}") from error
    return taught
