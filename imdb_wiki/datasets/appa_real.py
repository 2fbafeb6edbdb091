"""APPA-REAL: 7,591 photos with real ages, and apparent ones from 38 people's guesses each.

Agustsson et al., https://chalearnlap.cvc.uab.cat/dataset/26/description/: `gt_avg_train.csv`,
`gt_avg_valid.csv`, `gt_avg_test.csv`, the folders train/, valid/ and test/, in which
`000000.jpg_face.jpg` is the face of `000000.jpg`. Genders, if they are there, are in
`allcategories_train.csv` and its like. The real age is taken.
"""

import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.listed import csv_inside, read_labels, with_unknowns
from imdb_wiki.errors import InputError

_PARTS = {"train": "train", "valid": "val", "test": "test"}  # the data set's words, and ours
_AGES, _GENDERS = "gt_avg_{}.csv", "allcategories_{}.csv"


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the parts that are there.

    Args:
        photos: Where the tables and the photos are.
        options: Its `gender_codes` say what other genders mean.

    Raises:
        InputError: There is no table, or one cannot be read.
    """
    there = set(photos.all_names())
    tables = []
    for part, split in _PARTS.items():
        ages, genders = _AGES.format(part), _GENDERS.format(part)
        if ages not in there:
            continue
        table = csv_inside(photos, ages, ("file_name", "real_age"))
        rows = pd.DataFrame({"source": f"{part}/" + table["file_name"] + "_face.jpg"})
        gender = pd.Series("", rows.index)
        if genders in there:
            more = csv_inside(photos, genders, ("file", "gender"))
            known = more.drop_duplicates("file").set_index("file")["gender"]
            gender = table["file_name"].map(known).fillna("")
        labels = read_labels(table["real_age"], gender, photos.path / ages, options.gender_codes)
        tables.append(rows.assign(official_split=split).join(labels))
    if not tables:
        raise InputError(f"{photos.path}: holds no gt_avg_train.csv, gt_avg_valid.csv, or test's")
    return Table(with_unknowns(pd.concat(tables, ignore_index=True)), [])


APPA_REAL = Dataset(
    name="appa_real",
    help="APPA-REAL's tables gt_avg_*.csv and its folders train, valid and test",
    read=read_rows,
    label_options=("gender_codes",),
    label_files=(*map(_AGES.format, _PARTS), *map(_GENDERS.format, _PARTS)),
    may_lack_labels=True,
)
