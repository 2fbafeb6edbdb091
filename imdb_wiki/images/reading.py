"""Reads a photo's bytes from a folder, a .tar or a .zip."""

import errno
import os
import stat
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from imdb_wiki.images.headers import UnreadableImageError

MAX_PHOTO_BYTES = 100_000_000  # no photo of this data has a tenth; more is no photo
_LINK_OUTSIDE = "a link leads out of the photos' folder"


class MissingPhotoError(ValueError):
    """There is no such photo, or it cannot be opened; the message says why, if there is more."""


class FolderPhoto(NamedTuple):
    """A photo in a folder, which a link must not lead out of."""

    folder: str
    name: str  # with forward slashes


class Region(NamedTuple):
    """A photo inside a .tar."""

    path: str
    offset: int
    size: int


class ZippedRegion(NamedTuple):
    """A photo inside a .zip."""

    path: str
    offset: int  # of the header before the content
    size: int
    zipped_size: int
    is_deflated: bool
    checksum: int  # CRC-32


# A path, a place or the bytes; None: it is not there.
Photo = str | FolderPhoto | Region | ZippedRegion | bytes | None


def read_bytes(photo: Photo, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
    """Reads the photo of a `Job`.

    Args:
        photo: where it is.
        max_bytes: more is no photo.

    Raises:
        MissingPhotoError: there is no such photo, or it cannot be opened.
        UnreadableImageError: more than `max_bytes`, or damaged in its archive.
        OSError: the archive it lies in cannot be read any more.
    """
    if photo is None:
        raise MissingPhotoError
    if isinstance(photo, bytes):
        return photo
    in_archive = isinstance(photo, Region | ZippedRegion)
    if in_archive and photo.size > max_bytes:
        raise UnreadableImageError(f"{photo.size} bytes are too many")
    try:
        file = os.open(photo.path, os.O_RDONLY) if in_archive else _open_file(photo)
        try:
            if isinstance(photo, ZippedRegion):
                return _unzipped(file, photo)
            if in_archive:
                return _whole_read(file, photo.size, photo.offset, photo.path)
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise MissingPhotoError
            if status.st_size > max_bytes:
                raise UnreadableImageError(f"{status.st_size} bytes are too many")
            return os.pread(file, status.st_size, 0)
        finally:
            os.close(file)
    except UnicodeEncodeError:
        raise MissingPhotoError("no file can have this name") from None
    except OSError as error:
        if in_archive:
            raise  # the archive is gone, and with it every other photo
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise MissingPhotoError("" if absent else error.strerror) from None


def is_there(photo: FolderPhoto) -> bool:
    """Whether `read_bytes` would find a file, whatever is in it."""
    try:
        file = _open_file(photo)
    except (OSError, ValueError):
        return False
    try:
        return stat.S_ISREG(os.fstat(file).st_mode)
    finally:
        os.close(file)


def _open_file(photo: str | FolderPhoto) -> int:
    # Opening a pipe or a device would wait for ever without O_NONBLOCK.
    flags = os.O_RDONLY | os.O_NONBLOCK
    if isinstance(photo, str):
        return os.open(photo, flags)
    path = f"{photo.folder}/{photo.name}"
    # Asked once a folder; of the photo itself the system tells whether it is a link.
    if not _leads_inside(photo.folder, path.rpartition("/")[0]):
        raise MissingPhotoError(_LINK_OUTSIDE)
    try:
        return os.open(path, flags | os.O_NOFOLLOW)
    except OSError:
        if not Path(path).is_symlink():
            raise
    if not _leads_inside(photo.folder, path):
        raise MissingPhotoError(_LINK_OUTSIDE)
    return os.open(path, flags)


@lru_cache(maxsize=1_000)
def _leads_inside(folder: str, path: str) -> bool:
    """Whether a path stays in a folder when all links are followed."""
    folder = os.path.realpath(folder)
    return os.path.commonpath([folder, os.path.realpath(path)]) == folder


def _whole_read(file: int, size: int, offset: int, path: str) -> bytes:
    data = os.pread(file, size, offset)
    if len(data) < size:  # it was whole when its members were listed
        raise OSError(errno.EIO, "has become shorter", path)
    return data


def _unzipped(file: int, photo: ZippedRegion) -> bytes:
    """Reads a member of a .zip, whose own header may be of another length than the directory's."""
    header = _whole_read(file, 30, photo.offset, photo.path)
    start = photo.offset + 30 + sum(struct.unpack("<HH", header[26:30]))  # name and extra field
    data = _whole_read(file, photo.zipped_size, start, photo.path)
    if photo.is_deflated:
        try:
            data = zlib.decompressobj(-15).decompress(data, photo.size + 1)
        except zlib.error as error:
            raise UnreadableImageError(f"damaged in the archive ({error})") from None
    if len(data) != photo.size or zlib.crc32(data) != photo.checksum:
        raise UnreadableImageError("damaged in the archive")
    return data
