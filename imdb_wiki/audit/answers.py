"""Answers of a model that has not met the faces, kept in parts: a killed audit goes on.

What is kept beside an audit's files, and how it is told from what another audit has left there, is
said here for the folds, too.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json, part_of, write_whole
from imdb_wiki.models.answers import predict
from imdb_wiki.split_tables import digest_of_images
from imdb_wiki.training.compact.state import digest_of_network, digest_of_rows

if TYPE_CHECKING:
    import keras

_PART_FACES = 10_240  # whole batches, so that parts change no answer; seconds to minutes of work
_BATCH_SIZE = 64
ANSWERS_DIR, ABOUT_FILE = "answers", "answers.json"


def answers_of_model(
    model: "keras.Model", model_path: Path, frame: pd.DataFrame, output_dir: Path, verbose: int = 1
) -> dict[str, np.ndarray]:
    """Lets a model answer all faces, or those that it has not answered before it was stopped.

    Args:
        model: The model.
        model_path: Its file.
        frame: Of `read_faces`.
        output_dir: Of the audit; the answers are in its `answers`, a file for each 10,240 faces.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        As of `predict`, for the frame's rows; images are answered as they are and mirrored.

    Raises:
        InputError: The folder holds answers of another model or of other faces, or what is no
            answer; or an image is broken.
    """
    place = output_dir / ANSWERS_DIR
    about = {
        "model_digest": digest_of_network(str(model_path)),
        "data_digest": digest_of_rows(frame),
        "images_digest": digest_of_images(frame),
        "part_faces": _PART_FACES,
    }
    if what_is_noted(place / ABOUT_FILE, about) is None:
        place.mkdir(parents=True, exist_ok=True)
        write_whole(place / ABOUT_FILE, json.dumps(about) + "\n")
    starts = range(0, len(frame), _PART_FACES)
    answers: dict[str, np.ndarray] = {}
    for part, start in enumerate(starts):
        rows, path = slice(start, start + _PART_FACES), place / f"{part}.npz"
        found = read_answers(path, len(frame.iloc[rows]))
        if found is None:
            some = frame.iloc[rows].reset_index(drop=True)
            what = "predicting"
            what += f", part {part + 1} of {len(starts)}" if len(starts) > 1 else ""
            found = predict(model, some, _BATCH_SIZE, verbose, flip_averaging=True, what=what)
            write_answers(path, found)
        put_answers(answers, found, rows, len(frame))
    return answers


def what_is_noted(path: Path, about: dict[str, Any]) -> dict[str, Any] | None:
    """Reads what an audit has noted of the answers beside it; they must be the same audit's.

    Args:
        path: The note, a JSON file in a folder of its own.
        about: What it must say, and what JSON can hold.

    Returns:
        All that it says; None if it is not there and its folder is empty.

    Raises:
        InputError: It says something else, or the folder is no audit's.
    """
    if not path.is_file():
        # Half a note, of a process that was killed while it wrote it, is nobody's.
        there = set(path.parent.iterdir()) if path.parent.exists() else set()
        if there - {part_of(path)}:
            raise InputError(f"{path.parent} is not an audit's: name another folder")
        return None
    try:
        noted = parse_json(path.read_bytes())
        wanted = json.loads(json.dumps(about))  # tuples are lists there
        changed = [name for name, value in wanted.items() if noted.get(name) != value]
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} is not an audit's: name another folder") from error
    if changed:
        raise InputError(
            f"{path}: the audit there differs in {', '.join(changed)}: name another folder"
        )
    return noted


def read_answers(path: Path, count: int) -> dict[str, np.ndarray] | None:
    """Reads answers that `write_answers` wrote; None if there are none.

    Args:
        path: Their file.
        count: For how many faces they must be.

    Raises:
        InputError: It is another file, or a damaged one.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file) as kept:  # NumPy leaves a damaged one open
            answers = dict(kept)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged: remove it") from error
    if {len(values) for values in answers.values()} != {count}:
        raise InputError(f"{path} does not answer {count:,} faces: remove it")
    return answers


def write_answers(path: Path, answers: dict[str, np.ndarray]) -> None:
    """Writes answers of `predict`, which appear under their name only when they are whole."""
    content = io.BytesIO()
    np.savez(content, **answers)  # pyrefly: ignore[bad-argument-type]  # any names are allowed
    write_whole(path, content.getvalue())


def put_answers(
    answers: dict[str, np.ndarray],
    found: dict[str, np.ndarray],
    rows: np.ndarray | slice,
    count: int,
) -> None:
    """Puts answers for some rows into those for all, which are made with the first.

    Args:
        answers: Those for all rows, float32, by name.
        found: Those for some.
        rows: Which.
        count: How many there are in all.
    """
    for name, values in found.items():
        shape = (count, *values.shape[1:])
        answers.setdefault(name, np.zeros(shape, "float32"))[rows] = values
