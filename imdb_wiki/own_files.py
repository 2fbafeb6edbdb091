"""Looks before it writes: a file that no command here wrote is never written over.

An option that names a file to write takes a new name, an empty file, or an earlier result of the
same kind, which is replaced. Anything else is refused before the work begins.
"""

import mmap
from pathlib import Path
from typing import NamedTuple

from imdb_wiki.errors import InputError


class Kind(NamedTuple):
    """A kind of file that the commands here write, told by what each of them holds."""

    what: str  # for messages, e.g. "table of faces"
    marks: tuple[bytes, ...]  # each stands somewhere in every such file


def is_of_kind(path: Path, kind: Kind) -> bool:
    """Says whether a file holds what each file of a kind holds.

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
    """Makes sure that writing a file loses nothing that somebody else made.

    Args:
        path: The file that would be written.
        kind: What it would be.

    Raises:
        InputError: There is a folder or another file of that name.
        OSError: What is there cannot be read.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file")
    if not path.is_file() or path.stat().st_size == 0:  # new, a device such as /dev/null, or empty
        return
    if not is_of_kind(path, kind):
        raise InputError(
            f"{path} is there already and is no {kind.what} of this command, so it is not "
            "replaced: name another file, or move it away"
        )
