"""Bytes → upright, square colour JPEG."""

import hashlib
import math
import os
import stat
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from imdb_wiki import MAX_IMAGE_PIXELS

MAX_PHOTO_BYTES = 100_000_000  # no photo of this data has a tenth; more is no photo

# Above this ratio of a picture to its crop, bilinear interpolation begins to skip pixels.
_BILINEAR_RATIO = 1.6
_NO_JPEG_FRAME = (0xC4, 0xC8, 0xCC)  # tables and extensions among the markers C0–CF


class UnreadableImageError(ValueError):
    """The bytes are no image that can be decoded whole; the message says why."""


class MissingPhotoError(ValueError):
    """There is no such photo, or it cannot be opened; the message says why, if there is more."""


class Region(NamedTuple):
    """A photo inside an archive."""

    path: str
    offset: int
    size: int


class Job(NamedTuple):
    """One photo to crop: where it stands in the table, where it is, what its crop is called."""

    row: int
    photo: str | Region | bytes | None  # a path, a place or the bytes; None: it is not there
    crop_name: str


class Outcome(NamedTuple):
    """What became of a photo: `rule` is "" when its crop is written."""

    row: int
    rule: str
    detail: str
    digest: str  # of the photo's bytes, to find identical files


def decode(data: bytes, size: int) -> np.ndarray:
    """Decodes an image; a JPEG at a reduced scale where that still leaves `size` pixels.

    Orientation marks (EXIF) are honoured; grey, CMYK, 16-bit and transparent images become colour.

    Args:
        data: a file in any format of OpenCV's.
        size: the pixels that the longer side shall keep at least, where it has them.

    Returns:
        `(height, width, 3)` uint8, BGR.

    Raises:
        UnreadableImageError: no image, cut in the middle, or above `MAX_IMAGE_PIXELS`.
    """
    if not data:
        raise UnreadableImageError("the file is empty")
    if data[:2] == b"\xff\xd8":
        height, width, has_exif = _jpeg_header(data)
        if height * width > MAX_IMAGE_PIXELS:
            raise UnreadableImageError(f"{width} × {height} pixels are too many")
        if not has_exif:
            try:
                return _decode_jpeg(data, height, width, size)
            except ValueError:
                pass  # CMYK, or damage in the middle: OpenCV makes the best of it
        # A cut JPEG still decodes, its rest grey; only the end mark after the last scan tells.
        if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
            raise UnreadableImageError("the file is cut")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableImageError(f"the decoder refuses it ({error.err})") from None
    if image is None:
        raise UnreadableImageError("not an image")
    return image


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
    """Scales an image, averaging areas where it shrinks; the very same one at a scale of 1.

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


def make_crops(jobs: list[Job], folder: Path, size: int, jpeg_quality: int) -> list[Outcome]:
    """Crops some photos, one after the other.

    Args:
        jobs: the photos.
        folder: where the crops are written.
        size: their side in pixels.
        jpeg_quality: 0–100, as OpenCV's.

    Returns:
        One outcome a job; no bad photo stops the rest.

    Raises:
        OSError: a crop cannot be written.
    """
    return [_make_crop(job, folder, size, jpeg_quality) for job in jobs]


def _make_crop(job: Job, folder: Path, size: int, jpeg_quality: int) -> Outcome:
    try:
        data = read_bytes(job.photo)
        crop = square(decode(data, size), size)
    except MissingPhotoError as error:
        return Outcome(job.row, "missing_file", str(error), "")
    except UnreadableImageError as error:
        return Outcome(job.row, "unreadable_image", str(error), "")
    _write(f"{folder}/{job.crop_name}", encode(crop, jpeg_quality))
    # The fastest of hashlib's where the processor has instructions for it; 128 bits are plenty.
    return Outcome(job.row, "", "", hashlib.sha256(data).hexdigest()[:32])


def read_bytes(photo: str | Region | bytes | None) -> bytes:
    """Reads the photo of a `Job`.

    Raises:
        MissingPhotoError: there is none, or it cannot be opened.
        UnreadableImageError: more than `MAX_PHOTO_BYTES`.
        OSError: the archive it lies in cannot be read any more.
    """
    if photo is None:
        raise MissingPhotoError
    if isinstance(photo, bytes):
        return photo
    in_archive = isinstance(photo, Region)
    try:
        # Opening a pipe or a device would wait for ever without O_NONBLOCK.
        file = os.open(photo.path if in_archive else photo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if in_archive:
                return _checked_read(file, photo.size, photo.offset)
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise MissingPhotoError
            return _checked_read(file, status.st_size, 0)
        finally:
            os.close(file)
    except UnicodeEncodeError:
        raise MissingPhotoError("no file can have this name") from None
    except OSError as error:
        if in_archive:
            raise  # the archive is gone, and with it every other photo
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise MissingPhotoError("" if absent else error.strerror) from None


def _checked_read(file: int, size: int, offset: int) -> bytes:
    if size > MAX_PHOTO_BYTES:
        raise UnreadableImageError(f"{size} bytes are too many")
    return os.pread(file, size, offset)


def _write(path: str, content: np.ndarray) -> None:
    """Writes a file; `pathlib` and `open` would take twice the time for one as small as a crop."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        written = os.write(file, content)
        while written < len(content):  # a disk that fills up takes a part first, then says so
            written += os.write(file, content[written:])
    finally:
        os.close(file)


def _jpeg_header(data: bytes) -> tuple[int, int, bool]:
    """Height, width (0 without a frame header) and whether EXIF stands before (ITU T.81, B.2.2)."""
    position, has_exif = 2, False
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte before the marker
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_JPEG_FRAME:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return height, int.from_bytes(data[position + 7 : position + 9], "big"), has_exif
        has_exif |= marker == 0xE1 and data[position + 4 : position + 8] == b"Exif"
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0, has_exif
