"""Perceptual hashes: similar pictures have similar hashes. Workers compute them for their crops."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import scipy.fft
from PIL import Image

_SIDE = 32  # pixels, of the picture whose frequencies are compared
_FREQUENCIES = 8  # the lowest, along each side: 64 bits


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
    small = [_small(jpeg) for jpeg in jpegs]
    if not small:
        return np.zeros(0, np.uint64)
    pictures = np.stack(small).astype(float)  # (pictures, 32, 32)
    frequencies = scipy.fft.dct(scipy.fft.dct(pictures, axis=1), axis=2)
    lowest = frequencies[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(pictures), -1)  # (…, 64)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def _small(jpeg: bytes | np.ndarray) -> np.ndarray:
    """A picture as `(32, 32)` uint8, grey."""
    return np.asarray(
        Image.fromarray(_decoded(jpeg)).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    )
