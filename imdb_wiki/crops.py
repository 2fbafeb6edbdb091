"""Bytes → upright, square colour JPEG."""

import hashlib
import stat
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from imdb_wiki import MAX_IMAGE_PIXELS

MAX_PHOTO_BYTES = 100_000_000  # no photo of this data has a tenth; more is no photo

# What a JPEG decoder can divide the sides by while it decodes, at a fraction of the work.
_REDUCED_FLAGS = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
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
    """Decodes an image, at a reduced scale where that still leaves `size` pixels.

    Orientation marks (EXIF) are honoured; grey, CMYK, 16-bit and transparent images become colour.

    Args:
        data: a file in any format of OpenCV's.
        size: the pixels that the longer side shall keep at least, where it has them.

    Returns:
        `(height, width, 3)` uint8, BGR.

    Raises:
        UnreadableImageError: no image, cut in the middle, or above `MAX_IMAGE_PIXELS`.
    """
    flag = cv2.IMREAD_COLOR
    if data[:2] == b"\xff\xd8":
        # A cut JPEG still decodes, its rest grey; only the end mark after the last scan tells.
        if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
            raise UnreadableImageError("the file is cut")
        height, width = _jpeg_sides(data)
        if height * width > MAX_IMAGE_PIXELS:  # OpenCV would count the reduced picture's pixels
            raise UnreadableImageError(f"{width} × {height} pixels are too many")
        longer_side = max(height, width)
        flag = next((f for factor, f in _REDUCED_FLAGS if longer_side >= factor * size), flag)
    if not data:
        raise UnreadableImageError("the file is empty")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise UnreadableImageError(f"the decoder refuses it ({error.err})") from None
    if image is None:
        raise UnreadableImageError("not an image")
    return image


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Fits an image into a square without squashing it: scaled, then padded by its own edge.

    Args:
        image: `(height, width, 3)` uint8.
        size: the side of the square in pixels.

    Returns:
        `(size, size, 3)` uint8.
    """
    height, width = image.shape[:2]
    longer_side = max(height, width)
    scaled_height = max(1, round(height * size / longer_side))
    scaled_width = max(1, round(width * size / longer_side))
    if longer_side != size:
        image = _resize(image, scaled_width, scaled_height)
    above, left = (size - scaled_height) // 2, (size - scaled_width) // 2
    below, right = size - scaled_height - above, size - scaled_width - left
    if above or below or left or right:
        image = cv2.copyMakeBorder(image, above, below, left, right, cv2.BORDER_REPLICATE)
    return image


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Averages areas when shrinking, at a fraction of the time of OpenCV's own for odd ratios.

    INTER_AREA takes 0.7 ms for a crop at a ratio that is no whole number, more than all the rest.
    Below a ratio of 2, the only ones that a JPEG comes with (see `decode`), the same is had
    with bilinear interpolation: below 1.6 its two weights are nearly the areas', above it goes to
    twice the size, where 2×2 pixels are averaged. Both differ from INTER_AREA by less than the
    JPEG encoding afterwards changes (`benchmarks/preparation.py` shows it).
    """
    ratio = max(image.shape[0] / height, image.shape[1] / width)
    if ratio < 1:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    if ratio < 1.6:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if ratio < 2:
        image = cv2.resize(image, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


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
        data = _read(job.photo)
        crop = square(decode(data, size), size)
    except MissingPhotoError as error:
        return Outcome(job.row, "missing_file", str(error), "")
    except UnreadableImageError as error:
        return Outcome(job.row, "unreadable_image", str(error), "")
    (folder / job.crop_name).write_bytes(encode(crop, jpeg_quality))
    return Outcome(job.row, "", "", hashlib.blake2b(data, digest_size=16).hexdigest())


def _read(photo: str | Region | bytes | None) -> bytes:
    if photo is None:
        raise MissingPhotoError
    if isinstance(photo, bytes):
        return photo
    in_archive = isinstance(photo, Region)
    try:
        if isinstance(photo, str):
            status = Path(photo).stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
                raise MissingPhotoError
            photo = Region(photo, 0, status.st_size)
        if photo.size > MAX_PHOTO_BYTES:
            raise UnreadableImageError(f"{photo.size} bytes are too many")
        with Path(photo.path).open("rb", buffering=0) as file:
            file.seek(photo.offset)
            return file.read(photo.size)
    except OSError as error:
        if in_archive:
            raise  # the archive is gone, and with it every other photo
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise MissingPhotoError("" if absent else error.strerror) from None


def _jpeg_sides(data: bytes) -> tuple[int, int]:
    """Height and width from a JPEG's frame header (ITU T.81, B.2.2); (0, 0) where there is none."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte before the marker
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_JPEG_FRAME:
            return (
                int.from_bytes(data[position + 5 : position + 7], "big"),
                int.from_bytes(data[position + 7 : position + 9], "big"),
            )
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0
