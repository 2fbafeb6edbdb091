"""What the prediction command prints and writes: a table, JSON, CSV."""

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from imdb_wiki.faces.detection import Box
from imdb_wiki.files import Kind, refuse_foreign
from imdb_wiki.prediction.faces import Face, gender_text
from imdb_wiki.prediction.stream import PhotoResult

NO_FACE = "no face found"
ABSENT = "–"  # in place of what the model does not answer
NAME_WIDTH = 40  # of the table's first column, at most


FACE_FIELDS = (  # edges in pixels, ages in years, scores and probabilities from 0 to 1
    *Box._fields,
    "score",
    "age_years",
    "age_low_years",
    "age_high_years",
    "gender",
    "gender_probability",
)
COLUMNS = ("photo", *FACE_FIELDS, "error")  # of the CSV
SCREEN = "standard output"  # as errors name it


def face_fields(face: Face) -> dict:
    """A face as plain numbers and words by `FACE_FIELDS`; None where it has no value."""
    fields = {name: round(edge, 1) for name, edge in face.box._asdict().items()}
    for name in FACE_FIELDS[len(fields) :]:
        value = getattr(face, name)
        if isinstance(value, float):
            value = round(value, 1 if name.endswith("_years") else 4)
        fields[name] = value
    return fields


def printable(name: str) -> str:
    """A file's name for the terminal, which control characters and line breaks would change."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


@contextlib.contextmanager
def errors_name(name: str) -> Generator[None]:
    """Adds the file's name to an error: Python adds it while opening, but not while writing."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error


class AnswerFile:
    """A file of results that gets its name when it is complete, also after an error.

    Until then its name ends in `.part`. If nothing was written, an older file stays.
    """

    def __init__(self, path: Path, kind: Kind):
        """Opens the file; makes its folder if there is none.

        Args:
            path: The file's name.
            kind: The kind of file: only an older one of this kind is replaced.

        Raises:
            InputError: There is another file or a folder of that name.
            OSError: No file can be written there; the error names it.
        """
        self.path = path
        # A link stays a link, and a device such as /dev/null is written as it is.
        target = Path(os.path.realpath(path))
        self._target = target
        self._partial = target
        if target.is_file() or not target.exists():
            self._partial = target.with_name(f"{target.name}.part")
            target.parent.mkdir(parents=True, exist_ok=True)
        for name in (target, self._partial):
            refuse_foreign(name, kind)
        with errors_name(str(path)):
            self._file = self._partial.open("wb", buffering=0)
        self._whole_bytes = 0

    def write(self, text: str) -> int:
        """Writes all of a text or nothing of it.

        Raises:
            OSError: There is no room for it; the error names the file, which is as before.
        """
        data = text.encode(errors="backslashreplace")  # a name that is no UTF-8: as escapes
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if self._file.seekable():
                self._file.truncate(self._whole_bytes)
                self._file.seek(self._whole_bytes)
            left = "it ends before this answer" if self._whole_bytes else "it is not written"
            raise OSError(error.errno, f"{error.strerror}; {left}", str(self.path)) from error
        self._whole_bytes += len(data)
        return len(text)

    def flush(self) -> None:
        """Does nothing: `write` does not wait."""

    def close(self) -> None:
        """Gives the file its name, unless it is empty."""
        self._file.close()
        if self._partial == self._target:
            return
        if self._whole_bytes:
            self._partial.replace(self._target)
        else:
            self._partial.unlink(missing_ok=True)

    def discard(self) -> None:
        """Keeps nothing of it."""
        self._whole_bytes = 0


class Screen:
    """Standard output as an `AnswerFile`, whose errors name it."""

    def write(self, text: str) -> int:
        """Prints a text."""
        with errors_name(SCREEN):
            return sys.stdout.write(text)

    def flush(self) -> None:
        """Prints what is still in the buffer."""
        with errors_name(SCREEN):
            sys.stdout.flush()

    def close(self) -> None:
        """Does nothing."""

    discard = close


class TableWriter:
    """Prints one line a face, and one for each photo without any."""

    def __init__(self, say: Callable[[str], None], names: list[str], coverage: float | None = None):
        """Prints nothing yet.

        Args:
            say: Prints a line.
            names: The photos' names, for the width of their column.
            coverage: Share of true ages in the model's intervals; None if it has none.
        """
        self._say = say
        self.interval_title = "" if coverage is None else f"{coverage:.0%} interval"
        self.name_width = min(NAME_WIDTH, max([5, *map(len, names)]))
        self.header_wanted = True

    def add(self, result: PhotoResult) -> None:
        """Prints a photo's lines."""
        if self.header_wanted:
            self.header("photo", Box._fields)
            self.header_wanted = False
        for face in result.faces:
            self.line(result.name, [f"{edge:.0f}" for edge in face.box], face)
        if not result.faces:
            self.remark(result.name, result.error or NO_FACE)

    def header(self, first: str, titles: Iterable[str]) -> None:
        """Prints the names of the columns: `first`, `titles`, and those of every answer."""
        self._line(first, [*titles, "age", self.interval_title, "gender"])

    def line(self, name: str, cells: list[str], face: Face) -> None:
        """Prints an answer behind the name of its photo and the cells."""
        low, high = face.age_low_years, face.age_high_years
        interval = "" if low is None else f"{low:.0f}–{high:.0f}"
        age = ABSENT if face.age_years is None else f"{face.age_years:.1f}"
        self._line(self._short(name), [*cells, age, interval, gender_text(face) or ABSENT])

    def remark(self, name: str, text: str) -> None:
        """Prints why there is no answer, behind the name of the photo."""
        self.say(f"{self._short(name):<{self.name_width}}  {text}")

    def _short(self, name: str) -> str:
        name = printable(name)
        if len(name) > self.name_width:  # the ends of long names differ
            name = "…" + name[1 - self.name_width :]
        return name

    def say(self, line: str) -> None:
        """Prints a line; an error names standard output."""
        with errors_name(SCREEN):
            self._say(line)

    def _line(self, name: str, cells: list[str]) -> None:
        *numbers, interval, gender = cells
        numbers = "".join(f"{cell:>7}" for cell in numbers)
        interval = f"{interval:<{len(self.interval_title)}}"
        self.say(f"{name:<{self.name_width}}{numbers}  {interval}  {gender}")

    def close(self) -> None:
        """Does nothing: every line was printed."""


class JsonWriter:
    """Writes a list of photos, each with its faces or why it has none."""

    # Such lists are not rare: the line breaks tell ours.
    kind = Kind("list of photos and faces", (b'[\n  {"photo": ', b'"faces": ['))

    def __init__(self, file: AnswerFile | Screen):
        """Writes nothing yet."""
        self.file = file
        self.before = "[\n"

    def add(self, result: PhotoResult) -> None:
        """Writes a photo at once."""
        photo = {
            "photo": result.name,
            "width": result.width,
            "height": result.height,
            "faces": [face_fields(face) for face in result.faces],
            "error": result.error or None,
        }
        self.write(photo)

    def write(self, photo: dict) -> None:
        """Writes one element of the list at once."""
        # A name that is no UTF-8 is written as the escapes that JSON has for it.
        self.file.write(f"{self.before}  {json.dumps(photo, allow_nan=False)}")
        self.file.flush()
        self.before = ",\n"

    def close(self) -> None:
        """Ends the list, unless it is empty."""
        if self.before == ",\n":
            self.before = "[\n"
            try:
                self.file.write("\n]\n")
                self.file.flush()
            except OSError as error:
                self.file.discard()
                reason = f"{(error.strerror or str(error)).partition(';')[0]}; it is not written"
                raise OSError(error.errno, reason, error.filename) from error


class CsvWriter:
    """Writes a row a face, and a row with `error` for each photo without one."""

    columns: tuple[str, ...] = COLUMNS
    # With a column of somebody's own, or a spreadsheet's line ends, it was worked on: not replaced.
    kind = Kind("table of faces", (",".join(COLUMNS).encode() + b"\n",))

    def __init__(self, file: AnswerFile | Screen):
        """Writes nothing yet."""
        self.file = file
        self.header_wanted = True

    def add(self, result: PhotoResult) -> None:
        """Writes a photo's rows."""
        name = {self.columns[0]: result.name}
        faces = [name | face_fields(face) for face in result.faces]
        self.write(faces or [name | {"error": result.error or NO_FACE}])

    def write(self, rows: Iterable[dict]) -> None:
        """Writes rows at once, before the first the names of the columns."""
        text = io.StringIO()
        table = csv.DictWriter(text, self.columns, lineterminator="\n")
        if self.header_wanted:
            table.writeheader()
        table.writerows(rows)
        self.file.write(text.getvalue())
        self.file.flush()
        self.header_wanted = False

    def close(self) -> None:
        """Does nothing: every row was written."""


@contextlib.contextmanager
def opened(
    target: str, writer_class: type[JsonWriter | CsvWriter]
) -> Generator[JsonWriter | CsvWriter]:
    """Opens a file of results; after an error or Ctrl-C, what was written until then is complete.

    Args:
        target: The file's name, or `-` for the screen.
        writer_class: `JsonWriter` or `CsvWriter`.

    Yields:
        The writer.

    Raises:
        InputError: There is another file of that name, or a folder.
        OSError: It cannot be written; the error names it.
    """
    file = Screen() if target == "-" else AnswerFile(Path(target), writer_class.kind)
    writer = writer_class(file)
    try:
        yield writer
    finally:
        try:
            writer.close()
        finally:
            file.close()
