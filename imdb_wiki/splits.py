"""Train, validation and test that share no person."""

import json
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.journal import write_whole
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.photos import file_names


def split_groups(
    groups: np.ndarray, names: pd.Series, shares: tuple[float, ...], seed: int
) -> np.ndarray:
    """Deals whole groups to the splits so that each gets its share of rows.

    A group's place comes from a digest of its names and the seed, and the splits are cut out of
    the groups in that order. So a row more or less, or two groups that are found to be one, move
    a few groups at the cuts and no others: on another machine, at another crop size or with more
    photos, test is still what test was. Groups of several rows are cut first; the single ones
    then even the shares out.

    Args:
        groups: `(rows,)` integers; rows of one number stay together.
        names: `(rows,)` texts, the row's person or photo.
        shares: one positive number a split, summing to 1.
        seed: of the order.

    Returns:
        `(rows,)` index of the split of each row.
    """
    _, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    places = np.full(len(sizes), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(places, group_of_row, _digests(names, f"{seed} ".encode()))
    split_of_group = np.empty(len(sizes), dtype=np.int64)
    room = np.array(shares) * len(groups)
    for several in (True, False):
        part = np.flatnonzero((sizes > 1) == several)
        part = part[np.argsort(places[part], kind="stable")]
        rows = np.cumsum(sizes[part])
        wanted = np.array(shares) * sizes[part].sum() if several else np.maximum(room, 0)
        cuts = np.cumsum(wanted)[:-1]
        split_of_group[part] = np.searchsorted(cuts, rows - sizes[part] / 2)
        room -= np.bincount(split_of_group[part], sizes[part], minlength=len(shares))
    return split_of_group[group_of_row]


def listed_splits(groups: np.ndarray, names: pd.Series, listed: dict[str, set[str]]) -> np.ndarray:
    """Deals groups as a list says: to test or val where any of their photos is listed, else train.

    Args:
        groups: `(rows,)` integers; rows of one number stay together.
        names: `(rows,)` of the photos.
        listed: `val` and `test`, each the photos' `name_digests`.

    Returns:
        `(rows,)` index in `SPLIT_NAMES` of each row's split.
    """
    digests = name_digests(names)
    _, group_of_row = np.unique(groups, return_inverse=True)
    split_of_group = np.zeros(group_of_row.max() + 1, dtype=np.int64)
    for number, split in enumerate(SPLIT_NAMES[1:], start=1):
        rows = digests.isin(listed[split]).to_numpy()
        np.maximum.at(split_of_group, group_of_row[rows], number)
    return split_of_group[group_of_row]


def name_digests(names: pd.Series) -> pd.Series:
    """What a split's list calls a photo: 12 hexadecimal digits from its file name alone.

    The folder does not count: it is another one wherever the data set lies.

    Args:
        names: `(rows,)` paths with forward slashes.
    """
    digests = _digests(file_names(names)).tolist()
    return pd.Series([f"{digest >> 16:012x}" for digest in digests], names.index)


def split_list_text(frames: dict[str, pd.DataFrame]) -> str:
    """Lists which photos are in val and test, for `--split_file`; names and labels stay out.

    Args:
        frames: by split, rows with a column `source`; one that is missing lists none.

    Returns:
        The content of the JSON file.

    Raises:
        InputError: the rows do not say their source.
    """
    listed = {split: [] for split in SPLIT_NAMES[1:]}
    for split, rows in frames.items():
        if "source" not in rows:
            raise InputError(f"the rows of {split} lack the column source")
        listed[split] = sorted(set(name_digests(rows["source"])))
    return json.dumps(listed, indent=0) + "\n"


def write_split_list(path: Path, frames: dict[str, pd.DataFrame]) -> None:
    """Writes what `split_list_text` returns for these rows."""
    write_whole(path, split_list_text(frames))


def read_split_list(path: Path) -> dict[str, set[str]]:
    """Reads what `write_split_list` wrote.

    Raises:
        InputError: there is no such file, or it is none.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return {split: set(listed[split]) for split in SPLIT_NAMES[1:]}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a list of a split's photos") from error


def warning_of_seen_faces(path: str | Path, frame: pd.DataFrame) -> str:
    """Says where a split mixes faces that the model has not learnt from with others.

    Args:
        path: The model's file; `<name>_split.json` beside it lists what its training left out.
        frame: Rows of `read_split` with a `source`.

    Returns:
        A sentence; "" where there is no list, or all faces or none are on it (data that the model
        never met is not listed either).

    Raises:
        InputError: There is a file of that name, and it is no list.
    """
    path = Path(path)
    list_path = path.with_name(f"{path.stem}_split.json")
    if not list_path.is_file() or "source" not in frame:
        return ""
    left_out = name_digests(frame["source"]).isin(set().union(*read_split_list(list_path).values()))
    if left_out.all() or not left_out.any():
        return ""
    return (
        f"{(~left_out).sum():,} of these {len(frame):,} faces are not among those that the "
        f"training of {path} left out, and it may know them; to evaluate on faces that it has not "
        f"seen, prepare with --split_file {list_path}"
    )


def person_numbers(identity: pd.Series) -> np.ndarray:
    """Numbers the people: equal identities share a number, an empty one is a person of its own.

    Args:
        identity: `(rows,)` texts.

    Returns:
        `(rows,)` int64.
    """
    numbers, people = pd.factorize(identity)
    nobody = (identity == "").to_numpy()
    numbers = numbers.astype(np.int64)
    numbers[nobody] = len(people) + np.arange(nobody.sum())
    return numbers


def split_shares(split_ratio: float, test_ratio: float) -> dict[str, float]:
    """The share of each split by name; validation is the rest, no test at a `test_ratio` of 0."""
    rest = round(1 - split_ratio - test_ratio, 9)  # 1 − 0.7 − 0.3 is not quite 0 in floats
    shares = (split_ratio, rest, test_ratio)
    return {name: share for name, share in zip(SPLIT_NAMES, shares, strict=True) if share > 0}


def _digests(names: pd.Series, prefix: bytes = b"") -> np.ndarray:
    """(rows,) uint64 of each text, the same on every machine."""
    texts = (prefix + name.encode(errors="surrogatepass") for name in names)
    digests = (int.from_bytes(blake2b(text, digest_size=8).digest()) for text in texts)
    return np.fromiter(digests, dtype=np.uint64, count=len(names))
