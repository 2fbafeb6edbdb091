"""What the prediction command says of each photo: a table, JSON, CSV."""

import csv
import json
from collections.abc import Callable
from typing import IO

from imdb_wiki.detection import Box
from imdb_wiki.prediction import Face, percent
from imdb_wiki.prediction_stream import PhotoResult

NO_FACE = "no face found"
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


def face_fields(face: Face) -> dict:
    """A face as plain numbers and words, those of `FACE_FIELDS`; None for what it lacks."""
    fields = {name: round(edge, 1) for name, edge in face.box._asdict().items()}
    for name in FACE_FIELDS[len(fields) :]:
        value = getattr(face, name)
        if isinstance(value, float):
            value = round(value, 1 if name.endswith("_years") else 4)
        fields[name] = value
    return fields


class TableWriter:
    """Prints one line a face, and one for each photo without any."""

    def __init__(self, say: Callable[[str], None], names: list[str], coverage: float | None = None):
        """Prints nothing yet.

        Args:
            say: Prints a line.
            names: The photos' names, for the width of their column.
            coverage: Share of ages that the model's intervals hold; None if it has none.
        """
        self.say = say
        self.interval_title = "" if coverage is None else f"{coverage:.0%} interval"
        self.name_width = min(NAME_WIDTH, max([5, *map(len, names)]))
        self.header_wanted = True

    def add(self, result: PhotoResult) -> None:
        """Prints a photo's lines."""
        if self.header_wanted:
            titles = [*Box._fields, "age", self.interval_title, "gender"]
            self._line("photo", titles)
            self.header_wanted = False
        # The end of a long name tells it from others. Control characters would change the screen.
        name = "".join(letter if letter.isprintable() else "?" for letter in result.name)
        if len(name) > self.name_width:
            name = "…" + name[1 - self.name_width :]
        for face in result.faces:
            low, high = face.age_low_years, face.age_high_years
            interval = "" if low is None else f"{low:.0f}–{high:.0f}"
            gender = f"{face.gender} {percent(face.gender_probability)}"
            edges = [f"{edge:.0f}" for edge in face.box]
            self._line(name, [*edges, f"{face.age_years:.1f}", interval, gender])
        if not result.faces:
            self.say(f"{name:<{self.name_width}}  {result.error or NO_FACE}")

    def _line(self, name: str, cells: list[str]) -> None:
        *numbers, interval, gender = cells
        numbers = "".join(f"{cell:>7}" for cell in numbers)
        interval = f"{interval:<{len(self.interval_title)}}"
        self.say(f"{name:<{self.name_width}}{numbers}  {interval}  {gender}")

    def close(self) -> None:
        """Nothing is left to print."""


class JsonWriter:
    """Writes a list of photos, each with its faces or why it has none."""

    def __init__(self, file: IO[str]):
        """Writes nothing yet."""
        self.file = file
        self.before = "[\n"

    def add(self, result: PhotoResult) -> None:
        """Writes a photo at once: what stands in the file survives whatever comes."""
        photo = {"photo": result.name, "width": result.width, "height": result.height}
        photo["faces"] = [face_fields(face) for face in result.faces]
        photo["error"] = result.error or None
        # A name that is no UTF-8 is written as the escapes that JSON has for it.
        self.file.write(f"{self.before}  {json.dumps(photo)}")
        self.file.flush()
        self.before = ",\n"

    def close(self) -> None:
        """Ends the list."""
        self.file.write("\n]\n" if self.before == ",\n" else "[]\n")
        self.file.flush()


class CsvWriter:
    """Writes a row a face, and a row with `error` for each photo without one."""

    def __init__(self, file: IO[str]):
        """Writes the names of the columns."""
        self.rows = csv.DictWriter(file, ["photo", *FACE_FIELDS, "error"], lineterminator="\n")
        self.rows.writeheader()
        self.file = file

    def add(self, result: PhotoResult) -> None:
        """Writes a photo's rows at once."""
        for face in result.faces:
            self.rows.writerow({"photo": result.name, **face_fields(face)})
        if not result.faces:
            self.rows.writerow({"photo": result.name, "error": result.error or NO_FACE})
        self.file.flush()

    def close(self) -> None:
        """Every row stands already."""
