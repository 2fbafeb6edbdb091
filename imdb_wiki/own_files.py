"""Protects people's files: a command replaces only files that it wrote itself.

An option that names a file to write takes a new name, an empty file, or an earlier result of the
same kind, which is replaced. Any other file is refused before the work begins.
"""

import mmap
import os
from pathlib import Path
from typing import NamedTuple

from imdb_wiki.errors import InputError

PART_ENDING = ".imdb_wiki.part"  # of a file that is not complete yet; browsers use ".part"
_MAX_NAME_BYTES = 255  # of the usual file systems


def part_of(path: Path) -> Path:
    """Where a file is written until it is complete: a name that no other program uses."""
    longest = _MAX_NAME_BYTES - len(PART_ENDING)
    return path.with_name(os.fsdecode(os.fsencode(path.name)[:longest]) + PART_ENDING)


class Kind(NamedTuple):
    """A kind of file that the commands here write, and how it is recognized."""

    what: str  # for messages, e.g. "table of faces"
    marks: tuple[bytes, ...]  # every such file contains all of these bytes


def is_of_kind(path: Path, kind: Kind) -> bool:
    """Says whether a file contains the marks of a kind.

    Args:
        path: A file; it may be of any size.
        kind: The kind.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return False
        with content:
            return all(content.find(mark) >= 0 for mark in kind.marks)


def refuse_foreign(path: Path, kind: Kind) -> None:
    """Refuses to write a file whose name is taken by something else.

    Args:
        path: The file that would be written.
        kind: Its kind.

    Raises:
        InputError: There is a folder or a file of another kind.
        OSError: The file that is there cannot be read.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if not path.is_file() or path.stat().st_size == 0:  # new, a device such as /dev/null, or empty
        return
    if not is_of_kind(path, kind):
        raise InputError(
            f"{path} exists and is not an earlier {kind.what}, so it is not replaced: give another "
            "name, or move it"
        )
