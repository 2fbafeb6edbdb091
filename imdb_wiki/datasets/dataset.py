"""What a data set must say of itself: where its rows, labels and people come from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd


class PhotoSource(Protocol):
    """Where the photos are: a folder or an archive (`imdb_wiki.preparation.photos`)."""

    path: Path

    def mat(self, name: str) -> bytes:
        """The content of a .mat beside the photos; `InputError` if there is none."""

    def all_names(self) -> list[str]:
        """All files as sorted relative paths with forward slashes."""

    def content(self, name: str) -> bytes:
        """The content of a file of `all_names`; `InputError` if it is too large to be labels."""


class ReadingOptions(Protocol):
    """What a command line says about reading labels (`imdb_wiki.preparation.settings`)."""

    @property
    def db_path(self) -> Path | None:
        """The file of labels, if it was named."""

    @property
    def file_column(self) -> str:
        """A CSV file's column of the photos' paths."""

    @property
    def age_column(self) -> str:
        """Its column of ages."""

    @property
    def gender_column(self) -> str:
        """Its column of genders."""

    @property
    def person_column(self) -> str:
        """Its column of people."""

    @property
    def gender_codes(self) -> str | None:
        """What other genders mean."""


BOX_COLUMNS = ("box_left", "box_top", "box_right", "box_bottom")


class Table(NamedTuple):
    """The rows of a data set, one a photo, and what was found beside the photos.

    Attributes:
        rows: Columns `source` (the photo's path as the data set writes it), `age` (years; NaN:
            unknown or a range), `gender` (0 female, 1 male; NaN: unknown), `identity` (the person;
            "": unknown), `face_score` (−inf: no face), `second_face_score` (NaN: no second face).
            A data set may add `age_low` and `age_high` (years; the ends of a range, equal where the
            age is exact, NaN: unknown), `race` (the data set's words; "": unknown), those of
            `BOX_COLUMNS` (where the labelled face is in its upright photo, pixels; NaN: unknown),
            `official_split` (`train`, `val` or `test`), and where texts could not be read
            `bad_name` (whether), or `age_problem`, `gender_problem` and `box_problem` (the text;
            "": none).
        passed_over: Files that are no photos by their names, and linked folders.
        notes: How labels were read, a line each, for the report.
    """

    rows: pd.DataFrame
    passed_over: list[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set; a file in this folder defines it, and `--dataset` takes its name.

    Attributes:
        name: What `--dataset` calls it.
        help: What `--help` says of it, in some words.
        read: Reads its rows, given where its photos are and what the command line says.
        labels_name: The file of its labels, if it has one that `--db_path` may replace.
        needs_db_path: Whether `--db_path` must be given.
        label_options: Which options of reading labels it reads but for `--db_path`; others are
            refused.
        label_files: The files of its labels that lie beside its photos; not all need be there.
        archive_url: Where its archive of photos can be fetched, for `--download`.
        has_face_scores: Whether a detector's scores say where there is no face, or a second one.
        may_lack_labels: Whether a row may have no age or no gender; rows with neither are left out.
        lists_folder: Whether its rows are simply all photos that are there.
        is_drawn: Whether it needs no input, because it is drawn.
        race_names: Names of a race label, if it has one, in the order in which they are shown.
        race_of: Each row's race by its `source`, `(rows,)` of `(rows,)`; NaN where unknown or where
            the source is another data set's. None where rows have a column `race`.
    """

    name: str
    help: str
    read: Callable[[PhotoSource, ReadingOptions], Table]
    labels_name: str | None = None
    needs_db_path: bool = False
    label_options: tuple[str, ...] = ()
    label_files: tuple[str, ...] = ()
    archive_url: str | None = None
    has_face_scores: bool = False
    may_lack_labels: bool = False
    lists_folder: bool = False
    is_drawn: bool = False
    race_names: tuple[str, ...] = ()
    race_of: Callable[[pd.Series], pd.Series] | None = None
