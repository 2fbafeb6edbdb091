"""Perceptual hashes: similar pictures have similar hashes. Workers compute them for their crops."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from imdb_wiki.parallel import in_chunks

_SIDE = 32  # pixels, of the picture whose frequencies are compared
_FREQUENCIES = 8  # the lowest, along each side
_BITS = _FREQUENCIES * _FREQUENCIES
# The discrete cosine transform of these frequencies, (8, 32): its type II, as SciPy scales it.
_COSINES = 2 * np.cos(np.pi / _SIDE * np.outer(np.arange(_FREQUENCIES), np.arange(_SIDE) + 0.5))
_SURELY_DIFFERENT = 1e-3  # of frequencies up to 10^6, whose rounding errors are below 10^-7
_LOBES = 3  # of the Lanczos window, on each side
_WEIGHT_BITS = 22  # Pillow rounds weights to integers of so many binary places
_LOWER_BITS = 7  # of these, which are summed apart
_UPPER_BITS = _WEIGHT_BITS - _LOWER_BITS
_FLOAT_BITS = 24  # of a whole number, which a 32-bit float holds exactly
_BAND = 8  # of the 32 numbers of a line, those that are computed together
# Pictures, and at most so many pixels: OpenBLAS has its fastest way for products so small.
_AT_ONCE, _PIXELS_AT_ONCE = 2, 2 * 200 * 200


def read_grey(path: Path) -> np.ndarray:
    """Reads a crop as `(height, width)` uint8."""
    jpeg = path.read_bytes()  # `imread` crashes at a name that is no UTF-8
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, "a crop of this project is a picture"
    return picture


def perceptual_hashes(jpegs: Iterable[bytes | np.ndarray]) -> np.ndarray:
    """64-bit pHash of each picture (http://phash.org), bit by bit as the package ImageHash has it.

    ImageHash takes one picture at a time and returns it as a text: twice the processor time.

    Args:
        jpegs: the content of each crop's file.

    Returns:
        `(pictures,)` uint64.
    """
    # The same pixels as OpenCV's, by the same library, in 0.8 of the time.
    greys = (simplejpeg.decode_jpeg(jpeg, "GRAY")[..., 0] for jpeg in jpegs)
    small = [
        _small(np.stack(some))
        for _, alike in groupby(greys, np.shape)
        for some in in_chunks(alike, _AT_ONCE, np.size, _PIXELS_AT_ONCE)
    ]
    if not small:
        return np.zeros(0, np.uint64)
    pictures = np.concatenate(small).astype(np.float64)  # (pictures, 32, 32)
    lowest = _COSINES @ pictures @ _COSINES.T  # (pictures, 8, 8)
    in_order = np.sort(lowest.reshape(len(pictures), -1), axis=1)
    below, above = in_order[:, _BITS // 2 - 1], in_order[:, _BITS // 2]  # the median lies between
    # SciPy rounds other digits of these floats. That matters only where hardly anything is between,
    # as in a picture of nothing; else the quarter of a second that its import takes is saved.
    close = np.flatnonzero(above - below < _SURELY_DIFFERENT)
    if len(close):
        lowest[close] = _lowest_of_scipy(pictures[close])
    lowest = lowest.reshape(len(pictures), -1)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def _lowest_of_scipy(pictures: np.ndarray) -> np.ndarray:
    """The lowest frequencies of pictures, `(pictures, 8, 8)`, as ImageHash computes them."""
    import scipy.fft

    frequencies = scipy.fft.dct(scipy.fft.dct(pictures, axis=1), axis=2)
    return frequencies[:, :_FREQUENCIES, :_FREQUENCIES]


def _small(greys: np.ndarray) -> np.ndarray:
    """Pictures `(pictures, height, width)` uint8 as `(pictures, 32, 32)` whole numbers.

    As Pillow's `resize` has it with LANCZOS: first along the lines, then along the columns, rounded
    after each.
    """
    count, height, width = greys.shape
    columns = _shrunk(greys.reshape(-1, width))  # (32, pictures * height): of each x the lines
    turned = _shrunk(columns.reshape(-1, height))  # (32, 32 * pictures): of each y each x
    return turned.reshape(_SIDE, _SIDE, count).transpose(2, 0, 1)


def _shrunk(lines: np.ndarray) -> np.ndarray:
    """Lines `(lines, pixels)` of whole numbers from 0 to 255 as `(32, lines)` such numbers.

    Pillow takes one pixel after the other. Matrix products of 32-bit floats take a quarter of the
    time, and are exact where no sum has more than 24 binary places: so the 22 of the weights are
    divided, 15 upper ones and 7 lower ones.
    """
    numbers = lines.astype(np.float32)
    shrunk = np.empty((_SIDE, len(lines)), np.float32)
    for band in _bands(lines.shape[1]):
        sums = band.weights @ numbers[:, band.pixels].T  # (2 * 8, lines)
        upper, lower = sums[:_BAND], sums[_BAND:]
        lower += 1 << _UPPER_BITS - 1  # half of what all is divided by in the end: it rounds
        np.floor(lower, out=lower)
        np.add(upper, lower, out=shrunk[band.columns])
    shrunk *= 1 / (1 << _UPPER_BITS)
    np.floor(shrunk, out=shrunk)
    return np.clip(shrunk, 0, 255, out=shrunk)


class _Band(NamedTuple):
    """Some of the 32 numbers that a line is scaled to, and the pixels that count for them."""

    columns: slice
    pixels: slice
    weights: np.ndarray  # (2 * 8, pixels): the upper places, then the lower ones


@lru_cache(maxsize=4)
def _bands(pixels: int) -> list[_Band]:
    """The weights of `_lanczos_weights`, without most of their zeros."""
    weights = _lanczos_weights(pixels)  # (pixels, 32)
    upper = np.rint(weights / (1 << _LOWER_BITS))
    lower = (weights - upper * (1 << _LOWER_BITS)) / (1 << _LOWER_BITS)
    # The largest sums, in the units in which they are whole numbers; up to 5,000 pixels they fit.
    largest = 255 * max(abs(upper).sum(axis=0).max(), abs(lower).sum(axis=0).max() * 128)
    assert largest + (1 << _WEIGHT_BITS - 1) < 1 << _FLOAT_BITS
    bands = []
    for first in range(0, _SIDE, _BAND):
        columns = slice(first, first + _BAND)
        used = np.flatnonzero(weights[:, columns].any(axis=1))
        counted = slice(int(used[0]), int(used[-1]) + 1)
        both = np.concatenate([upper[counted, columns], lower[counted, columns]], axis=1)
        bands.append(_Band(columns, counted, both.T.astype(np.float32)))
    return bands


def _lanczos_weights(pixels: int) -> np.ndarray:
    """How much each pixel of a line counts for each of the 32 that it is scaled to.

    Returns:
        `(pixels, 32)` float64, whole numbers of 22 binary places, exactly Pillow's.
    """
    scale = pixels / _SIDE
    stretch = max(scale, 1.0)  # of the window: when a line shrinks, it covers more pixels
    reach = _LOBES * stretch
    weights = np.zeros((pixels, _SIDE))
    for column in range(_SIDE):
        center = (column + 0.5) * scale
        first, last = max(0, int(center - reach + 0.5)), min(pixels, int(center + reach + 0.5))
        x = (np.arange(first, last) - center + 0.5) * (1 / stretch)
        window = np.where((x >= -_LOBES) & (x < _LOBES), np.sinc(x) * np.sinc(x / _LOBES), 0.0)
        share = window / window.sum() * (1 << _WEIGHT_BITS)
        weights[first:last, column] = np.trunc(share + np.copysign(0.5, share))
    return weights
