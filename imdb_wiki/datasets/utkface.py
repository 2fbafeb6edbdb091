"""UTKFace: 23,708 photos, aligned and cropped; the labels are in the file names.

[age]_[gender]_[race]_[date and time].jpg.chip.jpg: https://susanqq.github.io/UTKFace/
"""

import re

import numpy as np
import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.listed import photos_and_others, with_unknowns
from imdb_wiki.images.names import file_names

_NAME = re.compile(r"^(?P<age>[0-9]{1,3})_(?P<gender>[01])_(?P<race>[0-4])_(?P<taken>[0-9]+)\.")
# The race labels' names, by their number in the file name; the data set's words, not ours.
RACE_NAMES = ("White", "Black", "Asian", "Indian", "Others")
_TIME_DIGITS = 17  # of UTKFace's own files; other people's, named likewise, may mean no race


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the names of all photos that are there.

    Args:
        photos: Where they are.
        options: Not used: there is no file of labels.

    Raises:
        InputError: There is no photo.
    """
    images, others = photos_and_others(photos)
    return Table(table_of_utkface(images), others)


def table_of_utkface(names: list[str]) -> pd.DataFrame:
    """Reads ages and genders from UTKFace's file names; converts gender to 0 female, 1 male.

    UTKFace has no person names and no face scores, and each picture shows one face. If a name has
    a missing or impossible field, `age` and `gender` are NaN and the extra column `bad_name` is
    true.

    Args:
        names: paths relative to UTKFace's folder, in the order of the table's rows.
    """
    table = pd.DataFrame({"source": names})
    parts = file_names(table["source"]).str.extract(_NAME)
    table["age"] = parts["age"].astype(np.float64)
    table["gender"] = 1 - parts["gender"].astype(np.float64)  # UTKFace: 0 male, 1 female
    table["bad_name"] = parts["age"].isna()
    return with_unknowns(table)


def race_of(sources: pd.Series) -> pd.Series:
    """The race label in each photo's name, `(rows,)` of `(rows,)` paths; NaN in other names."""
    parts = file_names(sources).str.extract(_NAME)
    number = parts["race"].where(parts["taken"].str.len() == _TIME_DIGITS)
    return number.map(lambda number: RACE_NAMES[int(number)], na_action="ignore")


UTKFACE = Dataset(
    name="utkface",
    help="photos whose names say age and gender",
    read=read_rows,
    lists_folder=True,
    race_names=RACE_NAMES,
    race_of=race_of,
)
