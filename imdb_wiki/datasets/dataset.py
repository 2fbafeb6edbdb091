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


class Table(NamedTuple):
    """The rows of a data set, one a photo, and what was found beside the photos.

    Attributes:
        rows: Columns `source` (the photo's path as the data set writes it), `age` (years; NaN:
            unknown), `gender` (0 female, 1 male; NaN: unknown), `identity` (the person; "":
            unknown), `face_score` (−inf: no face), `second_face_score` (NaN: no second face); where
            labels are in file names, also `bad_name`, whether a name could not be read.
        passed_over: Files that are no photos by their names, and linked folders.
    """

    rows: pd.DataFrame
    passed_over: list[str]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set; a file in this folder defines it, and `--dataset` takes its name.

    Attributes:
        name: What `--dataset` calls it.
        help: What `--help` says of it, in some words.
        read: Reads its rows, given where its photos are and what `--db_path` names (or None).
        mat_name: The file of its labels, if it has one: then `--db_path` may name another.
        archive_url: Where its archive of photos can be fetched, for `--download`.
        has_face_scores: Whether a detector's scores say where there is no face, or a second one.
        lists_folder: Whether its rows are simply all photos that are there.
        is_drawn: Whether it needs no input, because it is drawn.
        race_names: Names of a race label, if it has one, in the order in which they are shown.
        race_of: Each row's race by its `source`, `(rows,)` of `(rows,)`; NaN where unknown or where
            the source is another data set's.
    """

    name: str
    help: str
    read: Callable[[PhotoSource, Path | None], Table]
    mat_name: str | None = None
    archive_url: str | None = None
    has_face_scores: bool = False
    lists_folder: bool = False
    is_drawn: bool = False
    race_names: tuple[str, ...] = ()
    race_of: Callable[[pd.Series], pd.Series] | None = None
