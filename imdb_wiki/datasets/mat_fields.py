"""Leaves fields out of a .mat before SciPy reads it.

SciPy makes an object of every cell: 1.4 million for IMDB, of which the table needs a third. The
format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

import struct
import zlib
from collections.abc import Collection
from typing import NamedTuple

_HEADER_BYTES = 128  # at their end the byte order
_LITTLE_ENDIAN = b"IM"
_COMPRESSED, _MATRIX = 15, 14  # types of elements
_STRUCT = 2  # class of a matrix
_MAX_BYTES = 1_000_000_000  # unpacked; the original's have a fifth


class _Element(NamedTuple):
    kind: int
    start: int  # of its content
    size: int
    end: int  # with the padding behind it


def with_fields(mat: bytes, wanted: Collection[str]) -> bytes:
    """A MATLAB 5 file of one struct, with only some of its fields.

    Args:
        mat: the file's content.
        wanted: the fields that stay.

    Returns:
        The smaller file; `mat` itself where it is anything else, or damaged.
    """
    try:
        return _smaller(mat, wanted)
    except (struct.error, zlib.error, ValueError):
        return mat


def _smaller(mat: bytes, wanted: Collection[str]) -> bytes:
    if mat[_HEADER_BYTES - 2 : _HEADER_BYTES] != _LITTLE_ENDIAN:
        raise ValueError("another byte order")
    content, outer = mat, _element(mat, _HEADER_BYTES)
    if outer.kind == _COMPRESSED:
        if outer.start + outer.size != len(mat):
            raise ValueError("several variables")
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(memoryview(mat)[outer.start :], _MAX_BYTES)
        if not unpacker.eof:
            raise ValueError("cut, or too large")
        outer = _element(content, 0)
    if outer.kind != _MATRIX or outer.start + outer.size != len(content):
        raise ValueError("not one matrix")

    flags = _element(content, outer.start)
    dimensions = _element(content, flags.end)
    name = _element(content, dimensions.end)
    name_length = _element(content, name.end)
    names = _element(content, name_length.end)
    if content[flags.start] != _STRUCT:
        raise ValueError("no struct")
    if struct.unpack_from("<II", content, dimensions.start) != (1, 1) or dimensions.size != 8:
        raise ValueError("a struct of several elements")
    (length,) = struct.unpack_from("<I", content, name_length.start)

    view = memoryview(content)
    kept_names, kept_fields, place = [], [], names.end
    for start in range(names.start, names.start + names.size, length):
        field_name, begin = content[start : start + length], place
        field = _element(content, begin)
        place = field.start + field.size
        if field.kind != _MATRIX or place > len(content):
            raise ValueError("damaged")
        if field_name.split(b"\0", 1)[0].decode("latin-1") in wanted:
            kept_names.append(field_name)
            kept_fields.append(view[begin:place])
    if place != len(content) or not kept_fields:
        raise ValueError("damaged, or another struct")
    all_names = b"".join(kept_names)
    padding = bytes(-len(all_names) % 8)
    parts = [
        view[outer.start : name_length.end],
        *(struct.pack("<II", names.kind, len(all_names)), all_names, padding),
        *kept_fields,
    ]
    size = struct.pack("<II", _MATRIX, sum(map(len, parts)))
    return b"".join([mat[:_HEADER_BYTES], size, *parts])


def _element(content: bytes, place: int) -> _Element:
    """The element that begins at a place; short ones have their content inside of the tag."""
    kind, size = struct.unpack_from("<II", content, place)
    if kind >> 16:
        return _Element(kind & 0xFFFF, place + 4, kind >> 16, place + 8)
    return _Element(kind, place + 8, size, place + 8 + size + -size % 8)
