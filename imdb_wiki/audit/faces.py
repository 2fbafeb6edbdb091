"""Which faces are audited, and which of them a model knows already."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.labels import SPLIT_NAMES, known_ages
from imdb_wiki.pipeline import read_split
from imdb_wiki.results.runs import read_json, training_facts
from imdb_wiki.split_lists import is_listed, list_beside
from imdb_wiki.split_tables import pooled, refuse_named_twice

_WEAK = 0.8  # of a constant answer's error; a network that has learnt has about half of it
LEAST_FACES = 50  # of fewer, neither a share of wrong labels nor a calibration can be told


def read_faces(prepared_dirs: Sequence[str], splits: Sequence[str] = ()) -> pd.DataFrame:
    """Reads all faces of prepared folders.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`.
        splits: Which splits, each once; all that a folder has if empty.

    Returns:
        Rows of `read_split` with their `split`.

    Raises:
        InputError: There are too few, none has a label, or a folder is named twice.
        FileNotFoundError: A folder has none of the splits.
    """
    refuse_named_twice(prepared_dirs)
    frames = []
    for folder in prepared_dirs:
        there = [split for split in SPLIT_NAMES if Path(folder, f"{split}.csv").is_file()]
        for split in dict.fromkeys(splits) or there or ["train"]:
            frames.append(read_split(folder, split, incomplete=True).assign(split=split))
    frame = pooled(frames)
    labelled = int((frame["age_low"].notna() | frame["gender"].notna()).sum())
    if labelled < LEAST_FACES:
        raise InputError(
            f"{labelled} labelled faces are too few to tell which labels are wrong: "
            f"{LEAST_FACES} are needed"
        )
    return frame


def what_is_audited(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Which labels can be judged, of `labels.TASKS`, and sentences that say why others cannot.

    Raises:
        InputError: None can: all faces have the same label.
    """
    tasks, notes = [], []
    for task, columns in {"age": ["age_low", "age_high"], "gender": ["gender"]}.items():
        known = frame[columns].dropna().drop_duplicates()
        if len(known) > 1:
            tasks.append(task)
        elif known.empty:
            notes.append(f"no face has a label of its {task}: it is not audited")
        else:
            notes.append(f"all faces have the same {task}: it cannot be audited")
    if not tasks:
        raise InputError("; ".join(notes))
    return tasks, notes


def notes_of_weakness(frame: pd.DataFrame, answers: dict) -> list[str]:
    """Says when networks know hardly more than a constant answer: what they say is then worthless.

    Args:
        frame: Of `read_faces`.
        answers: Of the networks, for its rows.
    """
    ages = known_ages(frame)
    if "age_years" not in answers or ages.empty:
        return []
    error = float(np.abs(answers["age_years"][ages.index] - ages).mean())
    constant = float((ages - ages.median()).abs().mean())
    if error < _WEAK * constant:
        return []
    return [
        f"the networks err by {error:.1f} years, always the median by {constant:.1f}: they know "
        "too little, and the share of wrong labels cannot be believed; more faces or more epochs "
        "may help"
    ]


def refuse_known(model_path: Path, frame: pd.DataFrame) -> None:
    """Refuses faces that a model was trained on: it has learnt their labels, right or wrong.

    Args:
        model_path: The model; `<name>_split.json` beside it lists the faces that it has not met.
        frame: Of `read_faces`.

    Raises:
        InputError: There are some.
    """
    listed = set().union(*(list_beside(model_path) or {}).values())
    folders, names = _training_data(model_path)
    for folder in frame["folder"].unique():
        rows, place = frame[frame["folder"] == folder], Path(folder).resolve()
        # A row without its photo's name can be in no list.
        can_be_listed = bool(listed) and "source" in rows and bool((rows["source"] != "").any())
        if can_be_listed and _names_any_of(listed, rows, folder):
            known = ~is_listed(rows["source"], listed).to_numpy()
        else:
            # Of a data set that it has not met, no photo is listed. Of training faces alone none is
            # either: then what their folder is called is all that may tell.
            held_out = [place / f"{split}.csv" for split in SPLIT_NAMES[1:]]
            is_told = can_be_listed and any(path.is_file() for path in held_out)
            is_its = place in folders or (not is_told and place.name in names)
            known = (rows["split"] == "train").to_numpy() & is_its
        if known.any():
            others = " ".join(sorted(set(rows["split"][~known]) - set(rows["split"][known])))
            hint = f"audit others with --splits {others}, or" if others else "audit"
            raise InputError(
                f"{known.sum():,} of the {len(rows):,} faces of {folder} are ones that "
                f"{model_path} may have learnt from, with their labels: {hint} all with --folds 5"
            )


def _names_any_of(listed: set[str], rows: pd.DataFrame, folder: str) -> bool:
    """Whether a list names a face of a folder, in whichever split: the audited rows are some."""
    if is_listed(rows["source"], listed).any():
        return True
    for split in set(SPLIT_NAMES) - set(rows["split"]):
        if Path(folder, f"{split}.csv").is_file():
            with contextlib.suppress(InputError):  # what is not audited may be empty
                others = read_split(folder, split, incomplete=True)
                if "source" in others and is_listed(others["source"], listed).any():
                    return True
    return False


def _training_data(model_path: Path) -> tuple[set[Path], set[str]]:
    """The prepared folders that a model was trained on, and names of such folders.

    A run's folder says where they are; the `.json` and the recipe of a model that is passed on say
    only what they were called.
    """
    facts = training_facts(model_path)
    folders = facts.get("trained_with_data", facts.get("prepared_dirs", []))
    folders = [folders] if isinstance(folders, str) else folders
    names = set(folders) if model_path.with_name(f"{model_path.stem}.json").is_file() else set()
    recipe = model_path.with_name(f"{model_path.stem}.recipe.json")
    if recipe.is_file():
        names |= set(read_json(recipe).get("data", ()))
    return {Path(folder).resolve() for folder in folders}, names
