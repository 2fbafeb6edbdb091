"""Files that are whole or not there, files of other people, locks, and JSON that may be damaged.

A command replaces only files that it wrote itself: an option that names a file to write takes a new
name, an empty file, or an earlier result of the same kind, which is replaced. Any other file is
refused before the work begins.
"""

import contextlib
import fcntl
import json
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from imdb_wiki.errors import InputError

LOCK_NAME = ".lock"  # of an empty file in a folder that one process at a time works in
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
    one_of: tuple[bytes, ...] = ()  # and, if there are any, one of these


FIGURE_KIND = Kind("figure", (b"Matplotlib",))  # what `plots.style.save` writes


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
            has_one = not kind.one_of or any(content.find(mark) >= 0 for mark in kind.one_of)
            return has_one and all(content.find(mark) >= 0 for mark in kind.marks)


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


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file that appears under its name only when it is whole, on the disk itself too.

    Raises:
        OSError: It cannot be written; the error names it, and an older file is as it was.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Writes files that belong together: all are whole before the first appears under its name.

    Args:
        contents: What to write, by path.

    Raises:
        OSError: One cannot be written; the error names it, and older files are as they were.
    """
    partial = {path: part_of(path) for path in contents}
    path = None
    try:
        for path, content in contents.items():
            # A file name may hold bytes that are no UTF-8; they are written as \udcff.
            text = isinstance(content, str)
            with partial[path].open("wb") as file:
                file.write(content.encode(errors="backslashreplace") if text else content)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave the new name without content
        for path in contents:
            partial[path].replace(path)
    except OSError as error:
        for part in partial.values():
            with contextlib.suppress(OSError):
                part.unlink()  # the disk may be full: do not leave half a file
        raise OSError(error.errno, error.strerror, str(path)) from error


def locked(path: Path) -> TextIO | None:
    """Takes a lock for this process, until it is closed or the process ends, however it does.

    Args:
        path: The lock's file, which is made and stays; its folder must exist.

    Returns:
        The lock; None if another process has it, or this one already. Where a folder has no locks,
        as some on a network, it is a file that locks nothing.
    """
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError:  # some network folders have no locks
        pass
    return lock


def parse_json(content: str | bytes) -> Any:
    """As `json.loads`, but every kind of damage is a `ValueError`.

    Raises:
        ValueError: it is not JSON; also if it is nested so deeply that Python's parser gives up,
            with a `RecursionError`.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("too many brackets in brackets") from error
