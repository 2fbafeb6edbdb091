"""Perceptual hashes of crops, in a module of their own so that worker processes start quickly."""

from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image


def read_grey(path: Path) -> np.ndarray:
    """Reads a crop as `(height, width)` uint8."""
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def perceptual_hashes(images: list[tuple[int, str]], folder: Path) -> list[tuple[int, int]]:
    """64-bit pHash of each image (http://phash.org), as ImageHash computes it.

    Args:
        images: the number and the file name of each image.
        folder: the folder of the files.

    Returns:
        The number and the hash of each image.
    """
    return [
        (number, int(str(imagehash.phash(Image.fromarray(read_grey(folder / name)))), 16))
        for number, name in images
    ]
