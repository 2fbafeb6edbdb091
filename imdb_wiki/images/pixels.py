"""Bytes → pixels → bytes: decodes, scales, squares and encodes images."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg

from imdb_wiki.images.headers import UnreadableImageError, checked, jpeg_header

# Above this ratio of a picture to its crop, bilinear interpolation begins to skip pixels.
_BILINEAR_RATIO = 1.6


# What turns a picture upright, by the orientation that it is marked with.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.transpose(cv2.rotate(image, cv2.ROTATE_180)),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def decode(data: bytes, size: int) -> np.ndarray:
    """Decodes an image; a JPEG at a reduced scale where that still leaves `size` pixels.

    Orientation marks are honoured; grey, CMYK, 16-bit and transparent images become colour.

    Args:
        data: a file in any format of OpenCV's.
        size: least number of pixels that the longer side keeps, if it has so many.

    Returns:
        `(height, width, 3)` uint8, BGR.

    Raises:
        UnreadableImageError: no image, cut in the middle, or too large (`images.headers`).
    """
    if not data:
        raise UnreadableImageError("the file is empty")
    orientation = 1  # OpenCV turns what is marked by EXIF
    if data[:2] == b"\xff\xd8":
        header = jpeg_header(data)
        if not header.has_exif:
            try:
                return _decode_jpeg(data, header.height, header.width, size)
            except ValueError:
                pass  # CMYK, or damaged
        _refuse_cut_jpeg(data)
    else:
        data, orientation = checked(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableImageError(f"the decoder refuses it ({error.err})") from None
    if image is None:
        raise UnreadableImageError("not an image")
    return _TURNS[orientation](image) if orientation in _TURNS else image


def _refuse_cut_jpeg(data: bytes) -> None:
    """Refuses a JPEG whose pixels end early, which OpenCV would fill up with grey.

    Other damage is left to OpenCV, which makes the best of it.
    """
    for colours in ("GRAY", "CMYK"):  # a CMYK picture has no grey
        try:
            simplejpeg.decode_jpeg(data, colours, min_factor=8)  # the fastest: an eighth
            return
        except ValueError as error:
            if "premature end" in str(error).lower():  # libjpeg's words
                raise UnreadableImageError("the file is cut") from None


def _decode_jpeg(data: bytes, height: int, width: int, size: int) -> np.ndarray:
    """Decodes a JPEG at a scale in eighths; the sides are those in its header."""
    longer_side = max(height, width)
    least = _least_pixels(longer_side, size)
    if height >= width:
        image = simplejpeg.decode_jpeg(data, "BGR", min_height=least)
    else:
        image = simplejpeg.decode_jpeg(data, "BGR", min_width=least)
    # The decoder rounds sides up. What is hardly begun of a pixel would shift all others.
    eighths = 8 * max(image.shape) // longer_side
    return image[: max(1, round(height * eighths / 8)), : max(1, round(width * eighths / 8))]


def _least_pixels(longer_side: int, size: int) -> int:
    """How small a JPEG may be decoded: the decoder takes the next of its scales, eighths.

    Halves are the fastest and the first choice. Where one leaves so much that bilinear
    interpolation would not do, 5/8 or 3/8 is faster than averaging areas afterwards.
    """
    ratio = longer_side / size
    if ratio < _BILINEAR_RATIO:
        return longer_side
    halving = 2 ** int(math.log2(ratio))
    return math.ceil(longer_side / halving) if ratio / halving < _BILINEAR_RATIO else size


def scaled(image: np.ndarray, scale: float) -> np.ndarray:
    """Scales an image, averaging areas where it shrinks; returns it unchanged at a scale of 1.

    Args:
        image: `(height, width, 3)` uint8.
        scale: what both sides are multiplied by.

    Returns:
        `(height * scale, width * scale, 3)` uint8, each side of 1 pixel at least.
    """
    if scale == 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=interpolation)


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Fits an image into a square without squashing it: scaled, then padded by its own edge.

    Args:
        image: `(height, width, 3)` uint8.
        size: the side of the square in pixels.

    Returns:
        `(size, size, 3)` uint8.
    """
    height, width = image.shape[:2]
    ratio = max(height, width) / size
    # OpenCV's INTER_AREA takes 0.8 ms for a crop, more than all the rest of its work.
    if ratio < 1:
        interpolation = cv2.INTER_CUBIC
    elif ratio < _BILINEAR_RATIO:
        interpolation = cv2.INTER_LINEAR
    else:
        interpolation = cv2.INTER_AREA
    height, width = max(1, round(height / ratio)), max(1, round(width / ratio))
    top, left = (size - height) // 2, (size - width) // 2
    bottom, right = top + height, left + width
    crop = np.empty((size, size, 3), np.uint8)
    # Into its place at once: copyMakeBorder would take half as long again.
    cv2.resize(image, (width, height), crop[top:bottom, left:right], interpolation=interpolation)
    crop[:top], crop[bottom:] = crop[top], crop[bottom - 1]
    crop[:, :left], crop[:, right:] = crop[:, left, None], crop[:, right - 1, None]
    return crop


def encode(image: np.ndarray, jpeg_quality: int) -> np.ndarray:
    """Encodes a crop `(height, width, 3)` uint8, BGR, as the bytes of a colour JPEG."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1]
