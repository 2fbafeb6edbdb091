"""FairFace: 97,698 photos; ages are ranges; race labels. Licence: CC BY 4.0.

Kärkkäinen and Joo, https://github.com/joojs/fairface: `fairface_label_train.csv` and
`fairface_label_val.csv` with the columns file, age, gender, race, and the folders train/ and val/.
"""

import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.label_texts import ages_of_texts, genders_of_texts
from imdb_wiki.datasets.listed import csv_inside, with_unknowns
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
        options: Not used.

    Raises:
        InputError: There is no such file, or one cannot be read.
    """
    there = [name for name in photos.all_names() if name in _SPLIT_OF_FILE]
    if not there:
        raise InputError(f"{photos.path}: holds neither {' nor '.join(_SPLIT_OF_FILE)}")
    tables = []
    for name in there:
        table = csv_inside(photos, name, ("file", "age", "gender", "race"))
        try:
            ages = ages_of_texts(table["age"])
        except InputError as error:
            raise InputError(f"{photos.path / name}, {error}") from error
        genders = genders_of_texts(table["gender"], {})
        labels = table[["file", "race"]].rename(columns={"file": "source"})
        rows = pd.concat([labels, ages, genders], axis=1)
        tables.append(rows.assign(official_split=_SPLIT_OF_FILE[name]))
    return Table(with_unknowns(pd.concat(tables, ignore_index=True)), [])


FAIRFACE = Dataset(
    name="fairface",
    help="FairFace's label files and its folders train and val",
    read=read_rows,
    may_lack_labels=True,
    race_names=RACE_NAMES,
)
