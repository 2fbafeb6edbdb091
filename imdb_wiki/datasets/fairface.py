"""FairFace: 97,698 photos; ages are ranges; race labels. Licence: CC BY 4.0.

Kärkkäinen and Joo, https://github.com/joojs/fairface: `fairface_label_train.csv` and
`fairface_label_val.csv` with the columns file, age, gender, race, and the folders train/ and val/.
"""

import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.listed import csv_inside, read_labels, with_unknowns
from imdb_wiki.errors import InputError

# The data set's words, in the order of its paper.
RACE_NAMES = (
    *("White", "Black", "Indian", "East Asian", "Southeast Asian", "Middle Eastern"),
    "Latino_Hispanic",
)
_SPLIT_OF_FILE = {"fairface_label_train.csv": "train", "fairface_label_val.csv": "val"}


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the label files that are there, one or both.

    Args:
        photos: Where they and the photos are.
        options: Its `gender_codes` say what other genders mean.

    Raises:
        InputError: There is no such file, or one cannot be read.
    """
    there = [name for name in photos.all_names() if name in _SPLIT_OF_FILE]
    if not there:
        raise InputError(f"{photos.path}: holds neither {' nor '.join(_SPLIT_OF_FILE)}")
    tables = []
    for name in there:
        table = csv_inside(photos, name, ("file", "age", "gender", "race"))
        labels = read_labels(
            table["age"], table["gender"], photos.path / name, options.gender_codes
        )
        rows = table[["file", "race"]].rename(columns={"file": "source"}).join(labels)
        tables.append(rows.assign(official_split=_SPLIT_OF_FILE[name]))
    return Table(with_unknowns(pd.concat(tables, ignore_index=True)), [])


FAIRFACE = Dataset(
    name="fairface",
    help="FairFace's label files and its folders train and val",
    read=read_rows,
    label_options=("gender_codes",),
    label_files=tuple(_SPLIT_OF_FILE),
    may_lack_labels=True,
    race_names=RACE_NAMES,
)
