"""What data sets share whose rows are a folder's photos, or the rows of a CSV file in it."""

from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.csv_files import decoded, read_csv_text
from imdb_wiki.datasets.dataset import PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.label_texts import (
    GENDER_WORDS,
    ages_of_texts,
    genders_of_texts,
    read_gender_codes,
)
from imdb_wiki.errors import InputError
from imdb_wiki.images.names import file_names, is_image_name


def photos_and_others(photos: PhotoSource) -> tuple[list[str], list[str]]:
    """The names of all photos that are there, and of the files that are none by their names.

    Raises:
        InputError: There is no photo.
    """
    names = photos.all_names()
    images = [name for name in names if is_image_name(name)]
    if not images:
        raise InputError(f"{photos.path}: holds no images")
    return images, [name for name in names if not is_image_name(name)]


def rows_of_names(pattern: str, photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads a data set whose labels are in the names of its photos.

    Args:
        pattern: A regular expression for a file's name with the group `age`, and `gender` (such as
            `f`) and `person` where names have them.
        photos: Where the photos are.
        options: Not used.

    Raises:
        InputError: There is no photo.
    """
    images, others = photos_and_others(photos)
    rows = pd.DataFrame({"source": images}, dtype=str)
    parts = file_names(rows["source"]).str.extract(pattern)
    rows["age"] = parts["age"].astype(float)
    rows["gender"] = np.nan
    if "gender" in parts:
        rows["gender"] = parts["gender"].str.lower().map(GENDER_WORDS).astype(float)
    if "person" in parts:
        rows["identity"] = parts["person"].fillna("")
    rows["bad_name"] = parts["age"].isna()
    return Table(with_unknowns(rows), others)


def read_labels(
    ages: pd.Series, genders: pd.Series, place: Path, codes: str | None
) -> pd.DataFrame:
    """Reads a table's ages and genders, as `ages_of_texts` and `genders_of_texts` do.

    Args:
        ages: `(rows,)` texts, indexed by their lines in the file.
        genders: `(rows,)` texts, likewise.
        place: The table's file.
        codes: What `--gender_codes` says that other genders mean.

    Raises:
        InputError: A column cannot be read; the message names the file.
    """
    try:
        read = genders_of_texts(genders, read_gender_codes(codes))
        return pd.concat([ages_of_texts(ages), read], axis=1)
    except InputError as error:
        raise InputError(f"{place}, {error}") from error


def csv_inside(photos: PhotoSource, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Reads a CSV file that lies beside the photos.

    Args:
        photos: Where it is.
        name: The file's path there.
        columns: What it must have.

    Returns:
        Its rows, all as text, indexed by their lines in the file.

    Raises:
        InputError: It is no such table.
    """
    path = photos.path / name
    names, rows, lines = read_csv_text(decoded(photos.content(name)), path)
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{path}: has no column {', '.join(missing)}")
    return pd.DataFrame(rows, lines, names, dtype=str)


def with_unknowns(rows: pd.DataFrame) -> pd.DataFrame:
    """Fills in what a data set does not know: the person, face scores, an age's range."""
    known = rows.assign(face_score=np.nan, second_face_score=np.nan)
    return known if "identity" in known else known.assign(identity="")
