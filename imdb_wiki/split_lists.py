"""Lists of the photos in val and test, by which a split is made again elsewhere."""

import json
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.csv_files import read_csv_table
from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json, write_whole
from imdb_wiki.images.names import file_names
from imdb_wiki.labels import SPLIT_NAMES

# A file name with fewer letters, such as `1.jpg`, may be there twice, in `train/` and in `val/`.
# Those of IMDB, WIKI and UTKFace have 17 at least.
DISTINCTIVE_LETTERS = 12


def listed_name_digests(sources: pd.Series) -> pd.Series:
    """A photo's name in a split list: 12 hexadecimal digits.

    They are a digest of its file name, since the folders above it differ from machine to machine;
    of its folder's and its own name where the file name is short.

    Args:
        sources: `(rows,)` paths with forward slashes.
    """
    names = file_names(sources)
    with_folders = sources.str.split("/").str[-2:].str.join("/")
    return _short_digests(names.where(names.str.len() >= DISTINCTIVE_LETTERS, with_folders))


def is_listed(sources: pd.Series, listed: set[str]) -> pd.Series:
    """Whether a list has each photo, `(rows,)`; older lists go by file names alone, short or not.

    Args:
        sources: `(rows,)` paths with forward slashes.
        listed: digests of a list.
    """
    by_file_name = _short_digests(file_names(sources)).isin(listed)
    return by_file_name | listed_name_digests(sources).isin(listed)


def _short_digests(names: pd.Series) -> pd.Series:
    digests = text_digests(names).tolist()
    return pd.Series([f"{digest >> 16:012x}" for digest in digests], names.index)


def split_list_text(
    frames: dict[str, pd.DataFrame], older: dict[str, set[str]] | None = None
) -> str:
    """Lists which photos are in val and test, for `--split_file`, without names and labels.

    Args:
        frames: for each split, rows with a column `source`; a split that is missing is empty.
        older: a list whose photos stay listed, but for those in the split `train`.

    Returns:
        The content of the JSON file.

    Raises:
        InputError: the rows have no column `source`.
    """
    digests = {split: set() for split in SPLIT_NAMES}
    for split, rows in frames.items():
        if "source" not in rows:
            raise InputError(f"the rows of {split} lack the column source")
        digests[split] = set(listed_name_digests(rows["source"]))
    known = set().union(*digests.values())  # today's split decides, not the older list's
    listed = {
        split: sorted(digests[split] | ((older or {}).get(split, set()) - known))
        for split in SPLIT_NAMES[1:]
    }
    return json.dumps(listed, indent=0) + "\n"


def list_beside(model_path: Path) -> dict[str, set[str]] | None:
    """The list of the faces that a model has not learnt from, if there is one beside it."""
    path = model_path.with_name(f"{model_path.stem}_split.json")
    return read_split_list(path) if path.is_file() else None


def write_split_list(path: Path, frames: dict[str, pd.DataFrame]) -> None:
    """Writes what `split_list_text` returns for these rows."""
    write_whole(path, split_list_text(frames))


def read_split_list(path: Path) -> dict[str, set[str]]:
    """Reads what `write_split_list` wrote.

    Raises:
        InputError: the file does not exist, or is not such a list.
    """
    try:
        listed = parse_json(path.read_text(encoding="utf-8"))
        return {split: set(listed[split]) for split in SPLIT_NAMES[1:]}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a list of a split's photos") from error


def is_published_split(path: Path) -> bool:
    """Whether a split file is a table of all photos, as authors publish them, and no list."""
    return path.suffix.lower() == ".csv"


def read_published_split(path: Path) -> dict[str, str]:
    """Reads a split that somebody has published: a CSV with the columns `file` and `split`.

    Args:
        path: Its file; the splits are called train, val and test.

    Returns:
        The split of each photo, by its path as the file names it.

    Raises:
        InputError: It cannot be read, lacks a column, names another split, names a photo twice or
            leaves train or test empty.
    """
    try:
        columns, rows, lines = read_csv_table(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    table = pd.DataFrame(rows, lines, columns, dtype=str)
    if not {"file", "split"} <= set(table):
        raise InputError(f"{path}: it lacks one of the columns file, split")
    others = table[~table["split"].isin(SPLIT_NAMES)]
    if len(others):
        raise InputError(
            f"{path}, line {others.index[0]}: the split {others['split'].iloc[0]!r} is none of "
            f"{', '.join(SPLIT_NAMES)}"
        )
    names = table["file"]
    if names.duplicated().any():
        raise InputError(f"{path}: it names {names[names.duplicated()].iloc[0]} twice")
    for split in ("train", "test"):
        if split not in set(table["split"]):
            raise InputError(f"{path}: it names no photo for {split}")
    return dict(zip(names, table["split"], strict=True))


def published_splits(sources: pd.Series, published: dict[str, str]) -> pd.Series:
    """Finds photos in a split that somebody has published, who may have had them elsewhere.

    A photo is found by its whole path. If that is not named, by the longest end of it, at the least
    the file name, that one path of the split alone and no other photo have.

    Args:
        sources: `(rows,)` the photos' paths in the data set.
        published: What `read_published_split` returns.

    Returns:
        `(rows,)` the split of each photo; "" where none is named.
    """
    photos = sources.unique()
    found = {photo: published[photo] for photo in photos if photo in published}
    part_count = 1 + max((path.count("/") for path in (*photos, *published)), default=0)
    for depth in range(part_count, 0, -1):
        if len(found) == len(photos):
            break
        ends = {path: "/".join(path.split("/")[-depth:]) for path in (*photos, *published)}
        of_photos = Counter(ends[photo] for photo in photos)
        of_list = Counter(ends[path] for path in published)
        split_of_end = {ends[path]: split for path, split in published.items()}
        for photo in photos:
            if of_photos[ends[photo]] == of_list[ends[photo]] == 1:
                found.setdefault(photo, split_of_end[ends[photo]])
    return pd.Series([found.get(source, "") for source in sources], sources.index, dtype=str)


def warning_of_seen_faces(path: str | Path, frame: pd.DataFrame) -> str:
    """Warns if a split holds faces that the model may have been trained on.

    Args:
        path: The model's file; `<name>_split.json` beside it lists the faces kept out of training.
        frame: Rows of `read_split` with a `source`.

    Returns:
        A sentence; "" if there is no list, if all faces are on it, or if none is (then the data is
        another data set, which the model was not trained on).

    Raises:
        InputError: There is a file with that name, but it is not such a list.
    """
    path = Path(path)
    listed = list_beside(path)
    if listed is None or "source" not in frame:
        return ""
    left_out = is_listed(frame["source"], set().union(*listed.values()))
    if left_out.all() or not left_out.any():
        return ""
    return (
        f"{(~left_out).sum():,} of these {len(frame):,} faces are not among those that the "
        f"training of {path} left out, and it may know them; to evaluate on faces that it has not "
        f"seen, prepare with --split_file {path.with_name(f'{path.stem}_split.json')}"
    )


def text_digests(names: pd.Series, prefix: bytes = b"") -> np.ndarray:
    """`(rows,)` uint64, a digest of each text; the same on every machine."""
    texts = (prefix + name.encode(errors="surrogatepass") for name in names)
    digests = (int.from_bytes(blake2b(text, digest_size=8).digest()) for text in texts)
    return np.fromiter(digests, dtype=np.uint64, count=len(names))
