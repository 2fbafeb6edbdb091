"""What an image file says of itself, read before a decoder is given it.

A file may claim more than it holds: a chunk of 4 GB in 53 bytes, 100 megapixels in 200. OpenCV
looks at the pixels first (`OPENCV_IO_MAX_IMAGE_PIXELS`); what its decoders do not look at is looked
at here, so that decoding an image takes 1.2 GB of memory at most.
"""

import io
import struct
from typing import NamedTuple

from imdb_wiki import MAX_IMAGE_PIXELS

# AVIF and JPEG 2000 take up to 35 bytes a pixel while they are decoded, other formats up to 12.
_MAX_PIXELS_OF_HEAVY_FORMATS = MAX_IMAGE_PIXELS // 3
_MAX_JPEG_2000_TILES = 5_000  # each takes 12 kB, however short the file is
_MAX_JPEG_SCANS = 500  # a progressive JPEG has about 10, and each goes through all pixels
_MAX_PNG_CHUNKS = 100_000

_NO_JPEG_FRAME = (0xC4, 0xC8, 0xCC)  # tables and extensions among the markers C0–CF
_PROGRESSIVE = 0xC2
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_JPEG_2000_BOXES, _JPEG_2000_STREAM = b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_EXIF_ORIENTATION = 0x0112


class UnreadableImageError(ValueError):
    """The bytes are no image that can be decoded whole; the message says why."""


class JpegHeader(NamedTuple):
    """What a JPEG's header says; the sides are 0 if it has no frame."""

    height: int
    width: int
    has_exif: bool


def jpeg_header(data: bytes) -> JpegHeader:
    """Reads a JPEG up to its frame header (ITU T.81, B.2.2).

    Raises:
        UnreadableImageError: more pixels or scans than a photo has.
    """
    position, has_exif = 2, False
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte before the marker
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_JPEG_FRAME:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            _refuse_pixels(width, height, MAX_IMAGE_PIXELS)
            if marker == _PROGRESSIVE and data.count(b"\xff\xda") > _MAX_JPEG_SCANS:
                raise UnreadableImageError("more scans than a photo has")
            return JpegHeader(height, width, has_exif)
        has_exif |= marker == 0xE1 and data[position + 4 : position + 8] == b"Exif"
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return JpegHeader(0, 0, has_exif)


def checked(data: bytes) -> tuple[bytes, int]:
    """Looks at an image file that is no JPEG.

    Args:
        data: the file.

    Returns:
        The bytes for OpenCV's decoder, of an animated PNG its first picture alone, and the
        orientation (EXIF's, 1 to 8; 1 is upright) in which that decoder leaves the picture.

    Raises:
        UnreadableImageError: the file claims more than it holds or than can be decoded.
    """
    if data.startswith(_PNG_START):
        return _without_animation(data), 1
    if data.startswith((_JPEG_2000_BOXES, _JPEG_2000_STREAM)):
        _check_jpeg_2000(data)
    elif data[4:8] == b"ftyp":
        length = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[at : at + 4] for at in (8, *range(16, length, 4))}
        if brands & _AVIF_BRANDS:
            return data, _avif_orientation(data)
        if brands & _HEIC_BRANDS:
            raise UnreadableImageError("HEIC is not read here: save it as JPEG first")
    return data, 1


def _refuse_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise UnreadableImageError(f"{width} × {height} pixels are too many")


def _without_animation(png: bytes) -> bytes:
    """Checks the lengths of a PNG's chunks, and leaves out those of further pictures."""
    kept, position = [png[:8]], 8
    for _ in range(_MAX_PNG_CHUNKS):
        end = position + 12 + int.from_bytes(png[position : position + 4], "big")
        if end > len(png):
            raise UnreadableImageError("the file is cut, or claims more than it holds")
        kind = png[position + 4 : position + 8]
        if kind not in _PNG_ANIMATION:
            kept.append(png[position:end])
        if kind == b"IEND":
            return b"".join(kept)
        position = end
    raise UnreadableImageError("more chunks than a photo has")


def _check_jpeg_2000(data: bytes) -> None:
    """Reads the sizes of image and tiles (ITU T.800, A.5.1)."""
    position = 0
    while data.startswith(_JPEG_2000_BOXES) and position + 8 <= len(data):  # boxes, I.4
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1 and position + 16 <= len(data):
            length, header = struct.unpack_from(">Q", data, position + 8)[0], 16
        if kind == b"jp2c":
            position += header
            break
        if length < header:
            break
        position += length
    if not data.startswith(_JPEG_2000_STREAM, position) or position + 40 > len(data):
        raise UnreadableImageError("not an image")
    right, lower, _, _, width, height, left, upper = struct.unpack_from(">8I", data, position + 8)
    _refuse_pixels(right, lower, _MAX_PIXELS_OF_HEAVY_FORMATS)
    if not width or not height:
        raise UnreadableImageError("not an image")
    tiles = -(-(right - left) // width) * -(-(lower - upper) // height)
    if tiles > _MAX_JPEG_2000_TILES:
        raise UnreadableImageError(f"{tiles} tiles are too many")


def _avif_orientation(data: bytes) -> int:
    """The orientation that an AVIF is marked with, as Pillow reads it; OpenCV does not turn it."""
    from PIL.AvifImagePlugin import AvifImageFile

    try:
        picture = AvifImageFile(io.BytesIO(data))  # `Image.open` would warn of many pixels
    except Exception:  # whatever damaged bytes lead it to
        raise UnreadableImageError("not an image") from None
    _refuse_pixels(*picture.size, _MAX_PIXELS_OF_HEAVY_FORMATS)
    return picture.getexif().get(_EXIF_ORIENTATION, 1)
