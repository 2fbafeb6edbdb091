"""IMDB-Clean: other labels for 287,683 of IMDB's photos, cleaned by face clustering.

Lin et al., https://github.com/yiminglin-ai/imdb-clean: `imdb_train_new_1024.csv`,
`imdb_valid_new_1024.csv` and `imdb_test_new_1024.csv` with filename, age, gender, beside the
folders 00 to 99. The person is in the file name. For research only.
"""

import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.listed import csv_inside, read_labels, with_unknowns
from imdb_wiki.errors import InputError
from imdb_wiki.images.names import file_names

_SPLIT_OF_FILE = {
    f"imdb_{part}_new{size}.csv": split
    for part, split in (("train", "train"), ("valid", "val"), ("test", "test"))
    for size in ("_1024", "")
}


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the tables that are there.

    Args:
        photos: Where they and the photos are.
        options: Its `gender_codes` say what other genders mean.

    Raises:
        InputError: There is no table, or one cannot be read.
    """
    there = [name for name in photos.all_names() if name in _SPLIT_OF_FILE]
    if not there:
        raise InputError(f"{photos.path}: holds none of {', '.join(_SPLIT_OF_FILE)}")
    tables = []
    for name in there:
        table = csv_inside(photos, name, ("filename", "age", "gender"))
        labels = read_labels(
            table["age"], table["gender"], photos.path / name, options.gender_codes
        )
        source = pd.DataFrame({"source": table["filename"]})
        tables.append(source.assign(official_split=_SPLIT_OF_FILE[name]).join(labels))
    rows = pd.concat(tables, ignore_index=True)
    rows["identity"] = file_names(rows["source"]).str.extract(r"^(nm[0-9]+)_")[0].fillna("")
    return Table(with_unknowns(rows), [])


IMDB_CLEAN = Dataset(
    name="imdb_clean",
    help="IMDB-Clean's three tables beside IMDB's folders of photos",
    read=read_rows,
    label_options=("gender_codes",),
    label_files=tuple(_SPLIT_OF_FILE),
    may_lack_labels=True,
)
