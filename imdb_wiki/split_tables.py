"""The tables of a prepared folder: its rows by split, their labels, and faces to leave out.

Rows of several folders can be written as another prepared folder, whose crops are links.
"""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.face_lists import without_listed
from imdb_wiki.files import Kind, parse_json, write_whole
from imdb_wiki.labels import (
    FEMALE,
    MALE,
    MAX_AGE_YEARS,
    MIN_AGE_YEARS,
    SPLIT_NAMES,
    TASK_OUTPUTS,
    TASKS,
    with_age_ranges,
)
from imdb_wiki.layout import CROP_NAME, REPORT_NAME

_LABEL_COLUMNS = ("filename", "age", "gender")


SUSPECTS_FILE = "suspects.csv"  # what an audit says of each face; the review reads it

# A list of faces to leave out, which the audit and the review write and `read_split` takes.
LEFT_OUT_FILE = "left_out.csv"
LEFT_OUT_COLUMNS = ("folder", "filename", "source", "wrong_probability", "reason")
LEFT_OUT_KIND = Kind("list of faces to leave out", (",".join(LEFT_OUT_COLUMNS).encode(),))
PROBABLY_WRONG = "probably_wrong"  # the reason where no person has decided

# What a row says where its folder lacks a column that another one has.
_WHERE_ABSENT = {"identity": "", "source": "", "weight": 1.0}


def read_split(
    prepared_dirs: str | PathLike | Sequence[str | PathLike],
    split: str,
    incomplete: bool = False,
    left_out: str | PathLike = "",
) -> pd.DataFrame:
    """Reads one split's CSV of one prepared folder or of several.

    Args:
        prepared_dirs: A folder that `imdb_wiki_preparation.py` wrote, or a list of them.
        split: `train`, `val` or `test`.
        incomplete: Whether ages may be ranges, and labels missing. If not, such a row is an error:
            who reads `age` never meets an empty one unprepared.
        left_out: A list of faces that are not read, `left_out.csv` of an audit; "" for none.

    Returns:
        One row an image, in the files' order: the CSV's columns (`age` in whole years, `gender`
        0 female, 1 male), `path`, the absolute path of the image, and `folder`, the prepared
        folder as it was given. With `incomplete`, `age_low` and `age_high` are the ends of each
        age's range in years: equal where it is exact, NaN where nothing is known; `age` and
        `gender` are floats with NaN where some are not known.

    Raises:
        FileNotFoundError: A folder or its CSV is missing.
        InputError: A CSV is empty or unreadable, a column is missing, a label is out of range, or
            no folder is given, or one twice; or for the list as of `without_listed`.
    """
    if isinstance(prepared_dirs, str | PathLike):
        prepared_dirs = [prepared_dirs]
    elif not isinstance(prepared_dirs, list | tuple):
        raise InputError(f"{prepared_dirs!r} is neither a prepared folder nor a list of them")
    refuse_named_twice(prepared_dirs)
    frames = [_read_one(Path(folder), split, incomplete) for folder in prepared_dirs]
    if not frames:
        raise InputError("no prepared folder was given")
    frame = pooled(frames)
    return without_listed(frame, split, left_out) if left_out else frame


def refuse_named_twice(prepared_dirs: Sequence[str | PathLike]) -> None:
    """Refuses folders of which two are one place, however they are written.

    Raises:
        InputError: There are some: each of their faces would count twice.
    """
    places = [Path(prepared_dir).resolve() for prepared_dir in prepared_dirs]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{prepared_dirs[number]} is named twice among the prepared folders")


def pooled(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Puts rows of several splits or folders together, which may have different columns.

    Args:
        frames: Rows of `read_split`.

    Returns:
        All rows, numbered anew; an `identity` or a `source` that one of the folders lacks is "", as
        in a CSV with an empty cell, and a `weight` is 1.
    """
    frame = pd.concat(frames, ignore_index=True)
    return frame.fillna({name: v for name, v in _WHERE_ABSENT.items() if name in frame})


def read_splits(prepared_dirs: Sequence[str | PathLike]) -> dict[str, pd.DataFrame]:
    """Reads all splits that are there, as `read_split` does with `incomplete`."""
    names = splits_of(prepared_dirs)
    return {name: read_split(prepared_dirs, name, incomplete=True) for name in names}


def write_linked_folder(folder: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Writes a prepared folder of faces of others, with links to their crops.

    Args:
        folder: It is made; what an earlier call has written there is replaced.
        frames: Rows of `read_split`, with `incomplete`, by the split that they become; all their
            columns are written but `path` and `folder`.

    Raises:
        OSError: It cannot be written; the error names what.
    """
    crops = folder / CROP_NAME
    if crops.is_symlink():  # to the crops of others, which get no links of ours
        crops.unlink()
    crops.mkdir(parents=True, exist_ok=True)
    others = sorted({name for frame in frames.values() for name in frame["folder"]})
    for split in set(SPLIT_NAMES) - set(frames):
        (folder / f"{split}.csv").unlink(missing_ok=True)
    targets = {
        f"{number}": (Path(other) / CROP_NAME).resolve() for number, other in enumerate(others)
    }
    for link in crops.iterdir():
        if link.is_symlink() and targets.get(link.name) != link.resolve():
            link.unlink()
    for name, target in targets.items():
        if not (crops / name).is_symlink():
            (crops / name).symlink_to(target)
    for split, frame in frames.items():
        names = [
            f"{others.index(o)}/{name}" for o, name in frame[["folder", "filename"]].to_numpy()
        ]
        table = frame.drop(columns=["path", "folder"]).assign(filename=names)
        whole = dict.fromkeys(("age", "age_low", "age_high", "gender"), "Int64")
        write_whole(folder / f"{split}.csv", table.astype(whole).to_csv(index=False))


def digest_of_images(*frames: pd.DataFrame, count: int = 500) -> str:
    """Digest of some images of each frame: all of them would take minutes.

    If prepared with another size or margin, they have the same names but other contents.
    """
    digest = hashlib.blake2b(digest_size=8)
    for frame in frames:
        for path in frame["path"].iloc[:: max(1, len(frame) // count)]:
            if Path(path).is_file():  # one that is missing is named where it is needed
                digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def has_labels_of(frame: pd.DataFrame, task: str) -> bool:
    """Whether at least one row of `read_split` has a label of a task, of `labels.TASKS`."""
    return bool(labels_and_known(frame)[1][TASK_OUTPUTS[task]].any())


def refuse_unlabelled(frame: pd.DataFrame, split: str, tasks: Sequence[str] = TASKS) -> None:
    """Checks that a split has at least one label of each task.

    Args:
        frame: Rows of `read_split`.
        split: What the message calls them.
        tasks: What a network is to learn, of `labels.TASKS`.

    Raises:
        InputError: It has none of one of them.
    """
    for task in tasks:
        if not has_labels_of(frame, task):
            others = " ".join(other for other in tasks if other != task)
            hint = f"; without it, this can be done for the task {others}" if others else ""
            raise InputError(f"no face of the {split} split has a label of its {task}{hint}")


def splits_of(prepared_dirs: Sequence[str | PathLike]) -> list[str]:
    """Names the splits to read: train and val always, test where every folder has one.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`.
    """
    has_test = all((Path(folder) / "test.csv").is_file() for folder in prepared_dirs)
    return [name for name in SPLIT_NAMES if name != "test" or has_test]


def are_drawings(prepared_dirs: Sequence[str | PathLike]) -> bool:
    """Whether one of the folders holds the drawn sample, by its `report.json`."""
    for folder in prepared_dirs:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # own folders have no report
            report = parse_json((Path(folder) / REPORT_NAME).read_bytes())
            if report.get("arguments", {}).get("dataset") == "sample":
                return True
    return False


def _read_one(prepared_dir: Path, split: str, incomplete: bool) -> pd.DataFrame:
    csv_path = prepared_dir / f"{split}.csv"
    if not csv_path.is_file():
        raise FileNotFoundError(f"no {split} split: {csv_path} does not exist")
    try:
        frame = pd.read_csv(
            csv_path,
            dtype={"filename": str, "identity": str, "source": str},
            keep_default_na=False,  # a person may be called NA
            na_values={"face_score": [""]},
        )
    except ValueError as error:  # pandas' parser errors and undecodable bytes are ValueErrors
        raise InputError(f"{csv_path} cannot be read: {error}") from error
    missing = [name for name in _LABEL_COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"{csv_path} lacks the column {', '.join(missing)}")
    if frame.empty:
        raise InputError(f"{csv_path} has no rows")
    unnamed = (frame["filename"].str.strip() == "").to_numpy()
    if unnamed.any():
        raise InputError(f"{csv_path}, line {int(unnamed.argmax()) + 2}: it has no filename")
    ends = [name for name in ("age_low", "age_high") if name in frame]
    for name, lowest, highest in (
        *((name, MIN_AGE_YEARS, MAX_AGE_YEARS) for name in ("age", *ends)),
        ("gender", FEMALE, MALE),
    ):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        # Only the preparation's own columns say that an empty cell is meant.
        empty = (frame[name].isna() | (frame[name].astype(str).str.strip() == "")) & (
            len(ends) == 2
        )
        bad = (~numbers.between(lowest, highest) | (numbers % 1 != 0)) & ~empty
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise InputError(
                f"{csv_path}, line {row + 2}: {name} is {str(frame[name].iloc[row])!r}, "
                f"not a whole number from {lowest} to {highest}"
            )
        if empty.any() and not incomplete and name in _LABEL_COLUMNS:
            row = int(empty.to_numpy().argmax())
            raise InputError(
                f"{csv_path}, line {row + 2}: {name} is empty; ages that are ranges, and missing "
                "labels, cannot be used here"
            )
        frame[name] = numbers.astype("float64" if empty.any() else "int32")
    if "weight" in frame:
        weights = pd.to_numeric(frame["weight"], errors="coerce")
        bad = ~weights.between(0, 1)
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise InputError(
                f"{csv_path}, line {row + 2}: weight is {str(frame['weight'].iloc[row])!r}, not a "
                "number from 0 to 1"
            )
        frame["weight"] = weights
    if incomplete:
        frame = _checked_ranges(with_age_ranges(frame), csv_path)
    crop_dir = prepared_dir.resolve() / CROP_NAME
    paths = [str(crop_dir / name) for name in frame["filename"]]
    return frame.assign(path=paths, folder=str(prepared_dir))


def _checked_ranges(frame: pd.DataFrame, csv_path: Path) -> pd.DataFrame:
    """The rows with the ends of each age's range, both or none; an exact age is both."""
    for end in ("age_low", "age_high"):
        frame[end] = frame["age"].where(frame["age"].notna(), frame[end])
    low, high = frame["age_low"], frame["age_high"]
    bad = ((low.isna() != high.isna()) | (low > high)).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{csv_path}, line {row + 2}: age_low {low.iloc[row]:g} and age_high "
            f"{high.iloc[row]:g} are no range"
        )
    return frame


def has_plain_labels(frame: pd.DataFrame, tasks: Sequence[str] = TASKS) -> bool:
    """Whether each row of `read_split` has a label of each task, and no age is a range."""
    labels, known = labels_and_known(frame)
    outputs = [TASK_OUTPUTS[task] for task in tasks]
    has_ranges = "age" in tasks and labels["age_years"].shape[1] > 1
    return not has_ranges and all((known[name] == 1).all() for name in outputs)


def labels_and_known(frame: pd.DataFrame) -> tuple[dict, dict]:
    """Labels for a network, and how much each counts, both by output.

    An unknown age is the range of all ages, (count, 2), an unknown gender any number, (count, 1);
    they count 0. Others count 1, or what the face's column `weight` says, from 0 to 1.
    """
    ends = with_age_ranges(frame)[["age_low", "age_high"]].to_numpy("float32")  # (count, 2)
    is_known = {
        "age_years": ~np.isnan(ends[:, 0]),
        "gender": frame["gender"].notna().to_numpy(),
    }  # each (count,)
    weight = frame["weight"].to_numpy("float32") if "weight" in frame else 1
    if (ends[:, 0] == ends[:, 1]).all():
        ages = ends[:, :1]  # (count, 1)
    else:
        ages = np.where(is_known["age_years"][:, np.newaxis], ends, (MIN_AGE_YEARS, MAX_AGE_YEARS))
    gender = frame["gender"].fillna(FEMALE).to_numpy("int32")[:, np.newaxis]  # (count, 1)
    counts = {name: known * weight for name, known in is_known.items()}
    return {"age_years": ages.astype("float32"), "gender": gender}, counts
