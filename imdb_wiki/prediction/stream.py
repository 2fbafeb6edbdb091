"""Predicts photo after photo from their paths, with few of them in memory at a time."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from os.path import realpath  # unlike Path.resolve it takes links that lead to themselves
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from imdb_wiki import MAX_IMAGE_PIXELS
from imdb_wiki.errors import InputError
from imdb_wiki.images.headers import UnreadableImageError
from imdb_wiki.images.names import is_image_name
from imdb_wiki.images.pixels import decode
from imdb_wiki.images.reading import MissingPhotoError, read_bytes
from imdb_wiki.prediction.faces import Face, Predictor, predict_faces
from imdb_wiki.prediction.limits import PIXELS_AT_ONCE

# Photos that are searched before the model predicts their faces: enough for a full batch.
PHOTOS_AT_ONCE = 32


class PhotoPath(NamedTuple):
    """A photo to be read."""

    name: str  # as it was given; in a folder, its path there
    path: Path


@dataclass(frozen=True)
class PhotoResult:
    """The faces of one photo, or why it could not be read."""

    name: str
    faces: list[Face] = field(default_factory=list)
    error: str = ""  # why it could not be read; "" if it could
    height: int | None = None  # in pixels, upright
    width: int | None = None


def list_photos(paths: Iterable[Path], left_out: Path | None = None) -> list[PhotoPath]:
    """Lists the photos that the command was given, in folders too.

    Args:
        paths: Photos and folders. A path that is neither is listed, too: reading it says why.
        left_out: The folder that drawn photos are written to, which are not read again.

    Returns:
        The photos in the order in which they were given, those of a folder by name.

    Raises:
        InputError: The drawn photos would be written into a folder that is read.
    """
    photos = []
    for path in paths:
        if not _is_folder(path):
            photos.append(PhotoPath(str(path), path))
            continue
        if left_out and realpath(left_out) == realpath(path):
            raise InputError(f"{path} holds the photos: name another folder for what is drawn")
        inside = sorted(_inside(path, realpath(left_out) if left_out else ""))
        photos += [PhotoPath(str(found.relative_to(path)), found) for found in inside]
        photos += [] if inside else [PhotoPath(str(path), path)]
    return photos


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # too long a name, or in a folder that may not be looked into: reading says so
        return False


def _inside(folder: Path, left_out: str) -> Iterator[Path]:
    """The photos in a folder and its folders, and the folders that cannot be looked into."""
    shut = []
    for at, folders, names in os.walk(folder, onerror=lambda error: shut.append(error.filename)):
        folders[:] = [name for name in folders if realpath(Path(at, name)) != left_out]
        for name in names:
            if is_image_name(name):
                yield Path(at, name)
    yield from (Path(name) for name in shut if Path(name) != folder)


def photo_bytes(path: Path) -> bytes:
    """Reads a photo's file.

    Raises:
        MissingPhotoError, UnreadableImageError: The message says why.
    """
    try:
        if path.is_dir():
            next(path.iterdir(), None)  # raises an error if it may not be looked into
            raise MissingPhotoError("a folder without photos")
        return read_bytes(str(path))
    except OSError as error:
        raise MissingPhotoError(error.strerror) from None
    except MissingPhotoError as error:
        raise MissingPhotoError(str(error) or "no such file") from None


def decode_photo(data: bytes, suffix: str = "") -> np.ndarray:
    """Decodes a photo upright; of an animation, the first frame.

    Args:
        data: The file's content.
        suffix: The ending of its name, for the message if it cannot be read.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        UnreadableImageError: The message says why.
    """
    try:
        # At full size: the boxes are in these pixels.
        return cv2.cvtColor(decode(data, MAX_IMAGE_PIXELS), cv2.COLOR_BGR2RGB)
    except UnreadableImageError:
        if suffix.lower() in (".heic", ".heif"):
            raise UnreadableImageError("HEIC is not read here: convert it to JPEG first") from None
        raise


def read_photo(path: Path) -> np.ndarray:
    """Reads and decodes a photo: (height, width, 3) uint8, RGB."""
    return decode_photo(photo_bytes(path), path.suffix)


def predict_photos(
    photos: Iterable[PhotoPath], model: Predictor, crops: bool = False, batch_size: int = 32
) -> Iterator[tuple[PhotoResult, np.ndarray | None]]:
    """Predicts photo after photo; a batch has the faces of several photos.

    Args:
        photos: What `list_photos` returns.
        model: What `load_predictor` returns.
        crops: Whether each photo is the crop of one face.
        batch_size: Faces that the model predicts at once.

    Yields:
        In order, each photo's result and its pixels (height, width, 3) uint8, RGB; None if it
        could not be read.

    Raises:
        InputError: As `predict_faces`.
    """
    waiting, pixels = [], 0
    for photo in photos:
        try:
            image = read_photo(photo.path)
        except (MissingPhotoError, UnreadableImageError) as error:
            waiting.append((PhotoResult(photo.name, error=str(error)), None))
        else:
            height, width = image.shape[:2]
            waiting.append((PhotoResult(photo.name, height=height, width=width), image))
            pixels += height * width
        if len(waiting) == PHOTOS_AT_ONCE or pixels >= PIXELS_AT_ONCE:
            yield from _answered(waiting, model, crops, batch_size)
            waiting, pixels = [], 0
    yield from _answered(waiting, model, crops, batch_size)


def _answered(waiting: list, model: Predictor, crops: bool, batch_size: int) -> Iterator:
    """Predicts the faces of the photos that were read so far."""
    readable = [number for number, (_, image) in enumerate(waiting) if image is not None]
    images = (waiting[number][1] for number in readable)
    faces_of = [[] for _ in waiting]
    for face in predict_faces(images, model, crops, batch_size):
        faces_of[readable[face.image_index]].append(replace(face, image_index=0))
    for (result, image), faces in zip(waiting, faces_of, strict=True):
        yield replace(result, faces=faces), image
