"""Train, validation and test that share no person."""

import numpy as np
import pandas as pd

from imdb_wiki.labels import SPLIT_NAMES


def split_groups(groups: np.ndarray, shares: tuple[float, ...], seed: int) -> np.ndarray:
    """Deals whole groups to the splits so that each gets its share of rows.

    Large groups are dealt first, each to the split that is emptiest for its share, and equal
    sizes in random order: so every split gets large and small groups, and the many small ones
    at the end even the shares out.

    Args:
        groups: `(rows,)` integers; rows of one number stay together.
        shares: one positive number a split, summing to 1.
        seed: of the random order.

    Returns:
        `(rows,)` index of the split of each row.
    """
    _, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    targets = [share * len(groups) for share in shares]
    filled = [0] * len(shares)
    split_of_group = np.empty(len(sizes), dtype=np.int64)
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        split = min(range(len(shares)), key=lambda s: (filled[s] + size) / targets[s])
        split_of_group[group] = split
        filled[split] += size
    return split_of_group[group_of_row]


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
