"""Train, validation and test that share no person."""

import numpy as np
import pandas as pd

from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.split_lists import is_listed, text_digests


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
    np.minimum.at(places, group_of_row, text_digests(names, f"{seed} ".encode()))
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


def listed_splits(
    groups: np.ndarray, sources: pd.Series, listed: dict[str, set[str]]
) -> np.ndarray:
    """Assigns groups by a list: to test or val if any of their photos is listed there, or to train.

    Args:
        groups: `(rows,)` integers; rows with the same number stay together.
        sources: `(rows,)` the photos' paths in the data set.
        listed: for `val` and `test`, the digests of the listed photos (`split_lists`).

    Returns:
        `(rows,)` index in `SPLIT_NAMES` of each row's split.
    """
    _, group_of_row = np.unique(groups, return_inverse=True)
    split_of_group = np.zeros(group_of_row.max() + 1, dtype=np.int64)
    for number, split in enumerate(SPLIT_NAMES[1:], start=1):
        rows = is_listed(sources, listed[split]).to_numpy()
        np.maximum.at(split_of_group, group_of_row[rows], number)
    return split_of_group[group_of_row]


def official_splits(groups: np.ndarray, official: pd.Series, wanted: list[str]) -> np.ndarray:
    """Assigns groups as the data set deals its photos; the same picture in two splits to the last.

    Args:
        groups: `(rows,)` integers; rows with the same number stay together.
        official: `(rows,)` names of splits.
        wanted: the names, training first.

    Returns:
        `(rows,)` index in `wanted` of each row's split.
    """
    _, group_of_row = np.unique(groups, return_inverse=True)
    split_of_group = np.zeros(group_of_row.max() + 1, dtype=np.int64)
    np.maximum.at(split_of_group, group_of_row, official.map(wanted.index).to_numpy(np.int64))
    return split_of_group[group_of_row]


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
