"""Perceptual hashes: similar pictures have similar hashes. Workers compute them for their crops."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

_SIDE = 32  # pixels, of the picture whose frequencies are compared
_FREQUENCIES = 8  # the lowest, along each side: 64 bits
_LOBES = 3  # of the Lanczos window, on each side
_WEIGHT_BITS = 22  # Pillow rounds weights to integers of so many binary places


def read_grey(path: Path) -> np.ndarray:
    """Reads a crop as `(height, width)` uint8."""
    return _decoded(path.read_bytes())  # `imread` crashes at a name that is no UTF-8


def _decoded(jpeg: bytes | np.ndarray) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, "a crop of this project is a picture"
    return picture


def perceptual_hashes(jpegs: Iterable[bytes | np.ndarray]) -> np.ndarray:
    """64-bit pHash of each picture (http://phash.org), bit by bit as the package ImageHash has it.

    ImageHash takes one picture at a time and returns it as a text: 1.5 times the processor time.

    Args:
        jpegs: the content of each crop's file.

    Returns:
        `(pictures,)` uint64.
    """
    import scipy.fft  # a quarter of a second, which only the workers need

    small = [_small(_decoded(jpeg)) for jpeg in jpegs]
    if not small:
        return np.zeros(0, np.uint64)
    pictures = np.stack(small)  # (pictures, 32, 32)
    frequencies = scipy.fft.dct(scipy.fft.dct(pictures, axis=1), axis=2)
    lowest = frequencies[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(pictures), -1)  # (…, 64)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def _small(grey: np.ndarray) -> np.ndarray:
    """A picture `(height, width)` uint8 as `(32, 32)` whole numbers in float64.

    As Pillow's `resize` has it with LANCZOS: first along the lines, then along the columns, rounded
    after each. Pillow takes one pixel after the other, twice the time of two matrix products. These
    are exact: 22-bit weights times 8-bit pixels leave room in the 53 bits of a float.
    """
    height, width = grey.shape
    lines = _rounded(grey.astype(np.float64) @ _lanczos_weights(width))  # (height, 32)
    return _rounded(_lanczos_weights(height).T @ lines)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values + 0.5, 0, 255))


@lru_cache(maxsize=4)
def _lanczos_weights(pixels: int) -> np.ndarray:
    """How much each pixel of a line counts for each of the 32 that it is scaled to.

    Returns:
        `(pixels, 32)` float64, each a multiple of 2^-22, exactly Pillow's.
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
    return weights / (1 << _WEIGHT_BITS)
