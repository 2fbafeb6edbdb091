"""Bytes → upright, square colour JPEG."""

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imdb_wiki import MAX_IMAGE_PIXELS
from imdb_wiki.images.headers import UnreadableImageError
from imdb_wiki.images.pixels import decode, encode, square
from imdb_wiki.images.reading import MissingPhotoError, Photo, read_bytes
from imdb_wiki.preparation.hashes import perceptual_hashes

# The rules that reject a photo while it is cropped; the others are in `rules`. Here, because each
# worker process imports this module, and that one takes a second.
MISSING_FILE, UNREADABLE_IMAGE = "missing_file", "unreadable_image"


class Job(NamedTuple):
    """One photo to crop: its row in the table, where it is, what its crop is called."""

    row: int
    photo: Photo
    crop_name: str
    # Where the labelled face is: left, top, right, bottom in pixels; None: in the middle.
    box: tuple[float, float, float, float] | None = None


def carried_bytes(job: Job) -> int:
    """The memory of a job that brings its photo's bytes along."""
    return len(job.photo) if isinstance(job.photo, bytes) else 0


class Outcome(NamedTuple):
    """What became of a photo: `rule` is "" when its crop is written."""

    row: int
    rule: str
    detail: str
    digest: str  # of the photo's bytes, to find identical files
    picture_hash: int | None = None  # of the crop, to find near-identical ones; None: not computed


def make_crops(
    jobs: list[Job],
    folder: Path,
    size: int,
    jpeg_quality: int,
    detect: bool = False,
    parts: Path | None = None,
) -> list[Outcome]:
    """Crops some photos, one after the other.

    Args:
        jobs: the photos.
        folder: where the crops are written.
        size: their side in pixels.
        jpeg_quality: 0–100, as OpenCV's.
        detect: whether the labelled face is searched in the photo and cut out upright; if not, the
            crop shows the whole photo.
        parts: where each crop is written before it is moved to `folder`, in one step: for several
            writers that do not know of each other. None: it is written in its place.

    Returns:
        One outcome a job; no bad photo stops the rest.

    Raises:
        OSError: a crop cannot be written.
        InputError: there is no detector.
    """
    write = partial(_write_and_move, _part_of(parts)) if parts else _write
    results = [_make_crop(job, folder, size, jpeg_quality, detect, write) for job in jobs]
    # While the crops are in memory: later, each would have to be read again.
    hashes = iter(perceptual_hashes(crop for _, crop in results if crop is not None).tolist())
    return [
        outcome if crop is None else outcome._replace(picture_hash=next(hashes))
        for outcome, crop in results
    ]


def _make_crop(
    job: Job, folder: Path, size: int, jpeg_quality: int, detect: bool, write: Callable
) -> tuple[Outcome, np.ndarray | None]:
    """Writes a crop; returns what became of the photo, and the crop's bytes if there is one."""
    try:
        data = read_bytes(job.photo)
        crop = _face(data, size, job) if detect else square(decode(data, size), size)
    except MissingPhotoError as error:
        return Outcome(job.row, MISSING_FILE, str(error), ""), None
    except UnreadableImageError as error:
        return Outcome(job.row, UNREADABLE_IMAGE, str(error), ""), None
    if isinstance(crop, Outcome):
        return crop, None
    encoded = encode(crop, jpeg_quality)
    write(f"{folder}/{job.crop_name}", encoded.data)
    # The fastest of hashlib's where the processor has instructions for it; 128 bits are plenty.
    return Outcome(job.row, "", "", hashlib.sha256(data).hexdigest()[:32]), encoded


def _face(data: bytes, size: int, job: Job) -> np.ndarray | Outcome:
    """The labelled face of a photo, `(size, size, 3)`, BGR; the outcome if there is none."""
    from imdb_wiki.faces.choosing import NoChipError, labelled_face
    from imdb_wiki.faces.detection import Box

    try:
        return labelled_face(decode(data, MAX_IMAGE_PIXELS), size, job.box and Box(*job.box))
    except NoChipError as error:
        return Outcome(job.row, error.rule, error.detail, "")


def _part_of(parts: Path) -> str:
    """A file that no other writer uses."""
    return f"{parts}/{os.urandom(8).hex()}"


def _write_and_move(part: str, path: str, content: memoryview) -> None:
    _write(part, content)
    os.rename(part, path)  # noqa: PTH104 - without `pathlib`, as in `_write`


def _write(path: str, content: memoryview) -> None:
    """Writes a file; `pathlib` and `open` would take twice the time for one as small as a crop."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        written = os.write(file, content)
        while written < len(content):  # a disk that fills up takes a part first, then says so
            written += os.write(file, content[written:])
    except OSError as error:
        error.filename = path  # of a full disk the system does not tell
        raise
    finally:
        os.close(file)
