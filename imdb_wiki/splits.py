"""Train, validation and test that share no person."""

import json
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.journal import write_whole
from imdb_wiki.json_files import parse_json
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.photos import file_names


def split_groups(
    groups: np.ndarray, names: pd.Series, shares: tuple[float, ...], seed: int
) -> np.ndarray:
    """Assigns whole groups to the splits so that each split gets its share of the rows.

    The groups are sorted by a digest of their names and the seed. The first part of this order is
    one split, the next part the next split, and so on. If a few rows are added or removed, or two
    groups are joined, only a few groups near the boundaries between the parts change their split.
    So the test split stays nearly the same on another machine, with another crop size or with more
    photos. Groups of several rows are assigned first; groups of one row then fill each split up to
    its share.

    Args:
        groups: `(rows,)` integers; rows with the same number stay together.
        names: `(rows,)` texts, the row's person or photo.
        shares: one positive number for each split; they sum to 1.
        seed: changes the order of the groups.

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
    """Assigns groups by a list: to test or val if any of their photos is listed there, or to train.

    Args:
        groups: `(rows,)` integers; rows with the same number stay together.
        names: `(rows,)` the photos' names.
        listed: for `val` and `test`, the `name_digests` of the listed photos.

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
    """A photo's name in a split list: 12 hexadecimal digits, computed from its file name alone.

    The folder is not used, because it is different on every machine.

    Args:
        names: `(rows,)` paths with forward slashes.
    """
    digests = _digests(file_names(names)).tolist()
    return pd.Series([f"{digest >> 16:012x}" for digest in digests], names.index)


def split_list_text(frames: dict[str, pd.DataFrame]) -> str:
    """Lists which photos are in val and test, for `--split_file`, without names and labels.

    Args:
        frames: for each split, rows with a column `source`; a split that is missing is empty.

    Returns:
        The content of the JSON file.

    Raises:
        InputError: the rows have no column `source`.
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
        InputError: the file does not exist, or is not such a list.
    """
    try:
        listed = parse_json(path.read_text(encoding="utf-8"))
        return {split: set(listed[split]) for split in SPLIT_NAMES[1:]}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a list of a split's photos") from error


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
    """Numbers the people: equal identities get the same number, each empty one a new number.

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
    """The share of each split, by name; validation gets the rest. 0 for the test: no test split."""
    rest = round(1 - split_ratio - test_ratio, 9)  # 1 − 0.7 − 0.3 is not quite 0 in floats
    shares = (split_ratio, rest, test_ratio)
    return {name: share for name, share in zip(SPLIT_NAMES, shares, strict=True) if share > 0}


def _digests(names: pd.Series, prefix: bytes = b"") -> np.ndarray:
    """`(rows,)` uint64, a digest of each text; the same on every machine."""
    texts = (prefix + name.encode(errors="surrogatepass") for name in names)
    digests = (int.from_bytes(blake2b(text, digest_size=8).digest()) for text in texts)
    return np.fromiter(digests, dtype=np.uint64, count=len(names))
