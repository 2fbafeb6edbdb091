"""The same picture twice: identical files, and near-identical ones that a perceptual hash finds.

A picture that stands in the data under several people or names would be learnt in training and
asked for in the test. Whatever shows the same picture is therefore kept in one split.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imdb_wiki.hashes import read_grey

# Of 64 bits. Measured on 30,934 WIKI crops and 18,983 UTKFace chips: at 2 nearly all pairs are the
# same picture, at 4 half are, beyond 6 none is.
MAX_DISTANCE_BITS = 4
# Of the pixels' grey values. On the same pairs the same picture, compressed again or brightened,
# gets 0.95 to 1; two aligned faces of different people get up to 0.92.
MIN_CORRELATION = 0.95
_COMPARED_PIXELS = 64  # a side; finer than the hash's 32, coarse enough to forgive compression
_BANDS = 7  # 4 changed bits leave at least 3 of 7 bands as they were


def contradicting(table: pd.DataFrame) -> pd.Series:
    """Finds identical files whose ages or genders contradict: nobody knows which is right.

    Args:
        table: columns `digest`, `age`, `gender` and `rule`; rows with a rule are not asked.

    Returns:
        `(rows,)` whether the row's file stands in the data with another age or gender too.
    """
    passed = table[table["rule"] == ""]
    by_file = (passed.groupby("digest")[["age", "gender"]].nunique() > 1).any(axis=1)
    return (table["rule"] == "") & table["digest"].isin(by_file.index[by_file])


def near_pairs(hashes: np.ndarray) -> np.ndarray:
    """Pairs of different hashes at most `MAX_DISTANCE_BITS` apart, without comparing all to all.

    Two such hashes agree in at least three of seven bands, so they are neighbours when the hashes
    are sorted by those three bands, for one of the 35 choices of three.

    Args:
        hashes: `(count,)` uint64, no two the same.

    Returns:
        `(pairs, 2)` indices, the smaller first, no pair twice.
    """
    edges = np.linspace(0, 64, _BANDS + 1).astype(np.uint64)
    bands = [
        (hashes >> low) & ((np.uint64(1) << (high - low)) - np.uint64(1))
        for low, high in itertools.pairwise(edges)
    ]
    found = [np.empty((0, 2), dtype=np.int64)]
    for chosen in itertools.combinations(bands, _BANDS - MAX_DISTANCE_BITS):
        order = np.lexsort(chosen)
        keys = np.stack(chosen, axis=1)[order]
        starts = np.arange(len(hashes))
        for step in itertools.count(1):
            starts = starts[starts + step < len(hashes)]
            starts = starts[(keys[starts] == keys[starts + step]).all(axis=1)]
            if not len(starts):
                break
            pairs = np.stack([order[starts], order[starts + step]], axis=1)
            distance = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
            found.append(pairs[distance <= MAX_DISTANCE_BITS])
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def same_picture_pairs(
    digests: pd.Series, hashes: np.ndarray, names: list[str], folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Finds which images show the same picture.

    Args:
        digests: `(images,)` of the files' bytes.
        hashes: `(images,)` uint64, of `perceptual_hashes`.
        names: `(images,)` of the files to look at where hashes are near.
        folder: where they are.

    Returns:
        Identical and near-identical pairs, each `(pairs, 2)` indices. A picture that stands in
        several places is paired with one of them only; the pairs are links, to be joined.
    """
    file_numbers, _ = pd.factorize(digests)
    _, first_of_file = np.unique(file_numbers, return_index=True)
    identical = np.stack([first_of_file[file_numbers], np.arange(len(digests))], axis=1)
    identical = identical[identical[:, 0] != identical[:, 1]]

    @lru_cache(maxsize=1_000)  # a picture's candidates follow each other
    def pixels(image: int) -> np.ndarray:
        return _normalised(read_grey(folder / names[image]))

    def same(first: int, second: int) -> bool:
        return float(pixels(first) @ pixels(second)) >= MIN_CORRELATION

    # Of the images with one hash only those that differ from each other are asked any further.
    different_with_hash: dict[int, list[int]] = defaultdict(list)
    near = []
    for image in first_of_file.tolist():
        known = different_with_hash[int(hashes[image])]
        twin = next((other for other in known if same(other, image)), None)
        if twin is None:
            known.append(image)
        else:
            near.append((twin, image))
    values = np.fromiter(different_with_hash, dtype=np.uint64)
    for one, other in near_pairs(values).tolist():
        candidates = itertools.product(
            different_with_hash[int(values[one])], different_with_hash[int(values[other])]
        )
        near += [pair for pair in candidates if same(*pair)]
    return identical, np.array(near, dtype=np.int64).reshape(-1, 2)


def joined(groups: np.ndarray, pairs: Iterable[np.ndarray]) -> np.ndarray:
    """Joins groups that pairs of images link.

    Args:
        groups: `(images,)` integers, such as the people.
        pairs: arrays `(pairs, 2)` of images that must stay together.

    Returns:
        `(images,)` integers: the groups, some of them now one.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    links = numbers[np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])]
    count = int(numbers.max()) + 1
    ones = np.ones(len(links), dtype=bool)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1][numbers]


def _normalised(grey: np.ndarray) -> np.ndarray:
    """Small, without mean and of length 1: two such vectors' product is their correlation."""
    side = (_COMPARED_PIXELS, _COMPARED_PIXELS)
    vector = cv2.resize(grey, side, interpolation=cv2.INTER_AREA).ravel().astype(np.float32)
    vector -= vector.mean()
    length = float(np.linalg.norm(vector))
    if length < 1.0:  # one plain colour: the same as any other, and as nothing else
        return np.full_like(vector, 1 / _COMPARED_PIXELS)
    return vector / length
