"""The same picture twice: identical files, and near-identical ones that a perceptual hash finds.

The same picture may be in the data several times, under several people or file names. If it were in
both training and test, the test result would be too good. So all its copies are kept in one split.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from imdb_wiki.labels import with_age_ranges
from imdb_wiki.parallel import in_chunks
from imdb_wiki.preparation.hashes import read_grey

# Of 64 bits. Measured on 30,934 WIKI crops and 18,983 UTKFace crops: of the pairs that differ in 2
# bits nearly all are the same picture, in 4 bits half, in more than 6 bits none.
MAX_DISTANCE_BITS = 4
# Correlation of the pixels' grey values. Measured on the same pairs: the same picture, compressed
# again or brightened, has 0.95 to 1; two aligned faces of different people have up to 0.92.
MIN_CORRELATION = 0.95
_COMPARED_PIXELS = 64  # per side; finer than the hash's 32, coarse enough to ignore compression
_COMPARED_AT_ONCE = 500  # pairs, or groups of pictures with one hash: a chunk of half a second
_BANDS = 7  # if 4 bits differ, at least 3 of 7 bands are equal
_BAND_BITS = np.uint64(10)  # of the widest


def contradicting(table: pd.DataFrame) -> pd.Series:
    """Finds identical files with different ages or genders: no one can say which label is right.

    Args:
        table: columns `digest`, `gender`, `rule` and `age`, or `age_low` and `age_high`; rows with
            a rule are ignored.

    Returns:
        `(rows,)` whether the row's file is also in the data with another age or gender.
    """
    passed = with_age_ranges(table[table["rule"] == ""])
    by_file = passed.groupby("digest")
    different_genders = by_file["gender"].nunique() > 1
    # No age is in all of a file's ranges; of exact ages, two are not the same.
    different_ages = by_file["age_low"].max() > by_file["age_high"].min()
    contradicted = different_genders | different_ages
    return (table["rule"] == "") & table["digest"].isin(contradicted.index[contradicted])


def near_pairs(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """Finds pairs of hashes that differ in at most `MAX_DISTANCE_BITS`, without comparing them all.

    The 64 bits are divided into seven bands. Two such hashes are equal in at least three bands. So
    for each of the 35 choices of three bands the hashes are sorted by these bands, and only hashes
    with equal bands are compared.

    Args:
        hashes: `(count,)` uint64, all different.

    Yields:
        `(pairs, 2)` indices, the smaller one first, part by part: of many hashes, the pairs need
        not be in memory together. Each pair is in one part, that of its first three equal bands.
    """
    edges = np.linspace(0, 64, _BANDS + 1).astype(np.uint64)
    bands = [
        (hashes >> low) & ((np.uint64(1) << (high - low)) - np.uint64(1))
        for low, high in itertools.pairwise(edges)
    ]
    for chosen in itertools.combinations(range(_BANDS), _BANDS - MAX_DISTANCE_BITS):
        # One number of the three bands is sorted in a fifth of the time of three numbers.
        keys = functools.reduce(
            lambda key, band: (key << _BAND_BITS) | band, [bands[number] for number in chosen]
        )
        earlier = [bands[number] for number in range(chosen[-1]) if number not in chosen]
        order = np.argsort(keys)
        keys = keys[order]
        starts = np.arange(len(hashes))
        for step in itertools.count(1):
            starts = starts[starts + step < len(hashes)]
            starts = starts[keys[starts] == keys[starts + step]]
            if not len(starts):
                break
            one, other = order[starts], order[starts + step]
            near = np.bitwise_count(hashes[one] ^ hashes[other]) <= MAX_DISTANCE_BITS
            one, other = one[near], other[near]
            for band in earlier:
                different = band[one] != band[other]
                one, other = one[different], other[different]
            if len(one):
                pairs = np.sort(np.stack([one, other], axis=1), axis=1)
                yield pairs[np.lexsort(pairs.T[::-1])]


Compare = Callable[[Callable[[list], Any], Iterable[list]], Iterable[Any]]


def same_picture_pairs(
    digests: pd.Series, hashes: np.ndarray, names: list[str], folder: Path, compared: Compare = map
) -> tuple[np.ndarray, np.ndarray]:
    """Finds which images show the same picture.

    Args:
        digests: `(images,)` digests of the files' bytes.
        hashes: `(images,)` uint64, from `perceptual_hashes`.
        names: `(images,)` the files; they are opened and compared where hashes are similar.
        folder: the folder of the files.
        compared: calls a function for each chunk of work, as `map` does, in any order.

    Returns:
        Identical pairs and near-identical pairs, each `(pairs, 2)` indices. Not all pairs are
        listed: of several copies, each is paired with one other. `joined` makes groups of them.
    """
    file_numbers, _ = pd.factorize(digests)
    _, first_of_file = np.unique(file_numbers, return_index=True)
    identical = np.stack([first_of_file[file_numbers], np.arange(len(digests))], axis=1)
    identical = identical[identical[:, 0] != identical[:, 1]]

    # `first_of_file` is in the order of the images, and so is each of these groups.
    order = np.argsort(hashes[first_of_file], kind="stable")
    values, starts = np.unique(hashes[first_of_file][order], return_index=True)
    first_with_value = first_of_file[order][starts]  # (values,)
    ends = np.append(starts[1:], len(order))
    several = [
        (value, [(image, names[image]) for image in first_of_file[order[start:end]].tolist()])
        for value, start, end in zip(*_where_several(starts, ends), strict=True)
    ]
    near: list[tuple[int, int]] = []
    # Of the images with the same hash, only those that look different are compared any further.
    different_with_value: dict[int, list[int]] = {}
    for found in compared(partial(_alike, folder=folder), in_chunks(several, _COMPARED_AT_ONCE)):
        for value, different, pairs in found:
            different_with_value[value] = different
            near += pairs

    def images(value: int) -> list[int]:
        return different_with_value.get(value) or [int(first_with_value[value])]

    candidates = (
        ((first, names[first]), (second, names[second]))
        for part in near_pairs(values)
        for one, other in part.tolist()
        for first, second in itertools.product(images(one), images(other))
    )
    chunks = in_chunks(candidates, _COMPARED_AT_ONCE)
    for found in compared(partial(_same, folder=folder), chunks):
        near += found
    return identical, np.array(sorted(near), dtype=np.int64).reshape(-1, 2)


def _where_several(starts: np.ndarray, ends: np.ndarray) -> tuple[list[int], list[int], list[int]]:
    """Which runs have more than one element: their numbers, starts and ends."""
    numbers = np.flatnonzero(ends - starts > 1)
    return numbers.tolist(), starts[numbers].tolist(), ends[numbers].tolist()


_Image = tuple[int, str]  # its number and its file


def _alike(
    groups: list[tuple[int, list[_Image]]], folder: Path
) -> list[tuple[int, list[int], list[tuple[int, int]]]]:
    """Of groups of images: their numbers, the images that look different, pairs that do not."""
    same = _comparison(folder)
    results = []
    for number, images in groups:
        known: list[_Image] = []
        pairs = []
        for image in images:
            twin = next((other for other in known if same(other, image)), None)
            if twin is None:
                known.append(image)
            else:
                pairs.append((twin[0], image[0]))
        results.append((number, [image for image, _ in known], pairs))
    return results


def _same(pairs: list[tuple[_Image, _Image]], folder: Path) -> list[tuple[int, int]]:
    """Of pairs of images those that show the same picture."""
    same = _comparison(folder)
    return [(first[0], second[0]) for first, second in pairs if same(first, second)]


def _comparison(folder: Path) -> Callable[[_Image, _Image], bool]:
    """Makes what tells whether two images show the same picture."""

    @lru_cache(maxsize=1_000)  # a picture's candidates follow each other
    def pixels(name: str) -> np.ndarray:
        return _normalised(read_grey(folder / name))

    def same(one: _Image, other: _Image) -> bool:
        return float(pixels(one[1]) @ pixels(other[1])) >= MIN_CORRELATION

    return same


def joined(groups: np.ndarray, pairs: Iterable[np.ndarray]) -> np.ndarray:
    """Joins groups that pairs of images link.

    Args:
        groups: `(images,)` integers, such as the people.
        pairs: arrays `(pairs, 2)` of images that must stay together.

    Returns:
        `(images,)` integers: the groups after joining.
    """
    from scipy.sparse import coo_array  # `preparation` imports it while it waits
    from scipy.sparse.csgraph import connected_components

    _, numbers = np.unique(groups, return_inverse=True)
    links = numbers[np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])]
    count = int(numbers.max()) + 1
    ones = np.ones(len(links), dtype=bool)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1][numbers]


def _normalised(grey: np.ndarray) -> np.ndarray:
    """The small grey picture as a vector with mean 0 and length 1: products are correlations."""
    side = (_COMPARED_PIXELS, _COMPARED_PIXELS)
    vector = cv2.resize(grey, side, interpolation=cv2.INTER_AREA).ravel().astype(np.float32)
    vector -= vector.mean()
    length = float(np.linalg.norm(vector))
    if length < 1.0:  # one plain colour: equal to other plain pictures only
        return np.full_like(vector, 1 / _COMPARED_PIXELS)
    return vector / length
