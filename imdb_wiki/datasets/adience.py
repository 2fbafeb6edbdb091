"""Adience: 26,580 photos of 2,284 people; ages are eight ranges; five folds. For research only.

Eidinger et al., https://talhassner.github.io/home/projects/Adience/Adience-data.html:
`fold_0_data.txt` to `fold_4_data.txt`, tables with tabs, beside the folder `aligned` or `faces`.
"""

import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.listed import csv_inside, read_labels, with_unknowns
from imdb_wiki.errors import InputError

# Five folds are meant for five trainings; as one split, the last two are validation and test.
_SPLIT_OF_FOLD = {
    f"fold_{fold}_data.txt": split
    for fold, split in enumerate(("train", "train", "train", "val", "test"))
}
_FOLDERS = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}
_COLUMNS = ("user_id", "original_image", "face_id", "age", "gender")


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the folds that are there.

    Args:
        photos: Where they and the photos are.
        options: Its `gender_codes` say what other genders mean.

    Raises:
        InputError: There is no fold, or no folder of photos, or a fold cannot be read.
    """
    names = photos.all_names()
    folds = [name for name in names if name in _SPLIT_OF_FOLD]
    if not folds:
        raise InputError(f"{photos.path}: holds no fold_0_data.txt to fold_4_data.txt")
    tops = {name.split("/", 1)[0] for name in names}
    folder = next((folder for folder in _FOLDERS if folder in tops), None)
    if folder is None:
        raise InputError(f"{photos.path}: holds no folder {' or '.join(_FOLDERS)}")
    tables = []
    for name in folds:
        fold = csv_inside(photos, name, _COLUMNS)
        labels = read_labels(
            fold.pop("age"), fold.pop("gender"), photos.path / name, options.gender_codes
        )
        tables.append(fold.assign(official_split=_SPLIT_OF_FOLD[name]).join(labels))
    table = pd.concat(tables, ignore_index=True)
    parts = [table["user_id"], table["face_id"], table["original_image"]]
    user, face, original = (part.str.strip() for part in parts)
    rows = pd.DataFrame(
        {
            "source": f"{folder}/" + user + f"/{_FOLDERS[folder]}." + face + "." + original,
            "identity": user,  # whose album it is in; mostly, but not always, one person
            "official_split": table["official_split"],
        }
    )
    labels = table[["age", "age_low", "age_high", "age_problem", "gender", "gender_problem"]]
    return Table(with_unknowns(rows.join(labels)), [])


ADIENCE = Dataset(
    name="adience",
    help="Adience's five folds and its folder aligned or faces",
    read=read_rows,
    label_options=("gender_codes",),
    label_files=tuple(_SPLIT_OF_FOLD),
    may_lack_labels=True,
)
