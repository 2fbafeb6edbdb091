"""Pictures as files, for tests."""

import io

import numpy as np
from PIL import Image


def encoded(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def is_red_above_blue(bgr: np.ndarray) -> bool:
    above, below = bgr[5, bgr.shape[1] // 2].astype(int), bgr[-6, bgr.shape[1] // 2].astype(int)
    return above[2] > 200 > 60 > above[0] and below[0] > 200 > 60 > below[2]
