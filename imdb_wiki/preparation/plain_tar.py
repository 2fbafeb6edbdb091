"""The headers of a plain tar archive, read in a tenth of the time that `tarfile` takes.

IMDB's archive has 460,723 of them. What GNU tar and Python write of files and folders with short
names is plain. Anything else is left to `tarfile`: other kinds of members and headers, numbers
written in another way, damage, a missing end.
"""

import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEADER = re.compile(
    rb"""
    (?=([^\0]+)) .{100}                     # name
    ([0-7]{7}[\0 ]){3}                      # mode, user, group
    (?P<size>[0-7]{11}) [\0 ]
    [0-7]{11}[\0 ]                          # time
    (?P<checksum>[0-7]{6}) \0[ ]
    (?P<kind>[05]) .{100}                   # file or folder; name of a link
    (ustar[ ][ ]\0 | ustar\0 00) .{64}      # GNU's or POSIX's; names of user and group
    ([0-7]{7}\0 | \0{8}){2}                 # device
    \0 .{166}                               # no first part of a long name
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME_BYTES = 100
_CHECKSUM = slice(148, 156)
_END = bytes(tarfile.BLOCKSIZE)
_ADLER_PRIME = 65_521


class NotPlainError(Exception):
    """There is something in the archive that this reader does not know."""


class PlainFile(NamedTuple):
    """A file in an archive."""

    name: str
    offset: int  # of its content
    size: int


def plain_files(path: Path) -> Iterator[PlainFile]:
    """All files of an uncompressed archive, from its front to its end.

    Args:
        path: of the archive.

    Raises:
        NotPlainError: `tarfile` must tell what is in the archive, or what is wrong with it.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        place = 0
        while (block := os.pread(file, tarfile.BLOCKSIZE, place)) != _END:
            header = _HEADER.fullmatch(block)
            if not header or not _is_undamaged(block, int(header["checksum"], 8)):
                raise NotPlainError
            size, is_file = int(header["size"], 8), header["kind"] == b"0"
            if not is_file and size:
                raise NotPlainError
            place += tarfile.BLOCKSIZE
            if is_file:
                name = header[1][:_NAME_BYTES].decode(tarfile.ENCODING, "surrogateescape")
                yield PlainFile(name, place, size)
                place += size + -size % tarfile.BLOCKSIZE
    finally:
        os.close(file)


def _is_undamaged(block: bytes, checksum: int) -> bool:
    """Whether a header's checksum, the sum of its bytes, is right; it counts as spaces itself."""
    # The lower half of Adler-32 is this sum, but for a prime number that no likely damage adds.
    total = (zlib.adler32(block) & 0xFFFF) - 1 - sum(block[_CHECKSUM]) + 8 * ord(" ")
    return (total - checksum) % _ADLER_PRIME == 0
