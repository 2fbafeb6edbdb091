"""The decisions, in a file to which lines are only ever added: the last one of a face counts.

Several processes may add to one file: each does so under a lock, and first reads what others have
added. A decision is on the disk before it is confirmed. Half a line, left by a machine that went
down, is taken away before the next one is written.
"""

import csv
import fcntl
import io
import os
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from imdb_wiki.audit.suspects import Key
from imdb_wiki.errors import InputError, names_file
from imdb_wiki.results.provenance import now

DECISIONS_NAME = "decisions.csv"
COLUMNS = ("folder", "filename", "source", "decision", "time")
RIGHT, WRONG, NOT_A_FACE, UNSURE = "right", "wrong", "not_a_face", "unsure"
NONE = ""  # taken back
DECISIONS = (NONE, RIGHT, WRONG, NOT_A_FACE, UNSURE)


class Decision(NamedTuple):
    """What a person decided about a face."""

    key: Key
    source: str
    decision: str  # one of `DECISIONS`


class Decisions:
    """A file of decisions, and what it says now."""

    def __init__(self, path: Path):
        """Reads it, if it is there.

        Raises:
            InputError: It is another file, or a damaged one.
            OSError: It cannot be read.
        """
        self.path = path
        self._lock = threading.Lock()
        self._forget()
        self.generation = 0  # grows when another file has taken this one's place
        self.refresh()

    def refresh(self) -> None:
        """Reads what has been added since."""
        with self._lock, names_file(self.path):
            try:
                file = self.path.open("rb")
            except FileNotFoundError:
                if self._identity is not None:  # it was there
                    self._forget()
                    self.generation += 1
                return
            with file:
                fcntl.flock(file, fcntl.LOCK_SH)
                self._read(file)

    def add(self, decisions: Iterable[Decision]) -> None:
        """Writes decisions down; they are on the disk when this returns.

        Raises:
            InputError: Another program has damaged the file.
            OSError: It cannot be written; then none of them is in it.
        """
        rows = [(*one.key, one.source, one.decision, now()) for one in decisions]
        with self._lock, names_file(self.path), self._locked() as file:
            self._read(file)
            before = self._end
            if before == 0:
                rows.insert(0, COLUMNS)
            data = "".join(map(_line, rows)).encode()
            if before and _byte(file, before - 1) != b"\n":
                data = b"\n" + data
            file.truncate(before)  # without half a line
            try:
                _append(file.fileno(), data)
            except OSError:
                file.truncate(before)
                raise
            if before == 0:
                _keep_name(self.path)
            self._read(file)

    @contextmanager
    def _locked(self) -> Generator[FileIO]:
        """The file, which nobody else writes meanwhile."""
        while True:
            with self.path.open("ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                try:
                    is_this = os.path.samestat(os.fstat(file.fileno()), self.path.stat())
                except FileNotFoundError:
                    is_this = False
                if is_this:
                    yield file
                    return
            # Another file has got this name while we waited, or none.

    def _forget(self) -> None:
        self.history: list[Decision] = []  # all of them, in the order of the file
        self.standing: dict[Key, Decision] = {}  # of each decided face; the latest is the last
        self._identity: tuple[int, int] | None = None
        self._end = self._line_count = 0  # of what has been read, in bytes

    def _read(self, file: BinaryIO | FileIO) -> None:
        about = os.fstat(file.fileno())
        identity = (about.st_dev, about.st_ino)
        if self._identity not in (None, identity) or about.st_size < self._end:
            self._forget()
            self.generation += 1
        file.seek(self._end)
        lines = file.read().splitlines(keepends=True)
        if lines and self._is_half(lines[-1], is_first=self._line_count + len(lines) == 1):
            lines.pop()
        parsed = [self._parsed(line, self._line_count + n) for n, line in enumerate(lines, 1)]
        self._identity = identity
        self._line_count += len(lines)
        self._end += sum(map(len, lines))
        for one in filter(None, parsed):
            self.history.append(one)
            self.standing.pop(one.key, None)
            if one.decision != NONE:
                self.standing[one.key] = one

    def _is_half(self, line: bytes, is_first: bool) -> bool:
        """Whether a last line is not all of one; some programs end none with a line break."""
        if line.endswith(b"\n"):
            return False
        if is_first:
            return _line(COLUMNS).encode().startswith(line)
        return len(_cells(line)) != len(COLUMNS)

    def _parsed(self, line: bytes, number: int) -> Decision | None:
        """A line; None for the first, which names the columns, and for an empty one."""
        cells = _cells(line)
        if number == 1:
            if tuple(cells) != COLUMNS:
                raise InputError(
                    f"{self.path} is no table of decisions, which begins with "
                    f"{','.join(COLUMNS)}: move it"
                )
            return None
        if not any(cells):
            return None
        if len(cells) != len(COLUMNS) or cells[3] not in DECISIONS:
            raise InputError(f"{self.path} is damaged in line {number}")
        return Decision((cells[0], cells[1]), cells[2], cells[3])


def _cells(line: bytes) -> list[str]:
    text = line.decode("utf-8-sig", errors="backslashreplace").strip("\r\n")
    return next(csv.reader([text]), [])


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _byte(file: FileIO, position: int) -> bytes:
    file.seek(position)
    return file.read(1)


def _append(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _keep_name(path: Path) -> None:
    """Puts a new file's name on the disk, too."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
