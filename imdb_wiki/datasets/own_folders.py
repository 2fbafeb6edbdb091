"""Own photos without a file of labels: their folders are named by gender, by age, or by both."""

import numpy as np
import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.label_texts import GENDER_WORDS, age_of_text, unclear_age
from imdb_wiki.datasets.listed import photos_and_others, with_unknowns
from imdb_wiki.errors import InputError


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads `female/a.jpg`, `25/a.jpg`, `20-29/a.jpg`, `male/30/a.jpg`; a number is an age.

    Of several folders above a photo that say the same, the nearest counts.

    Args:
        photos: Where the photos are.
        options: Not used.

    Raises:
        InputError: There is no photo, or no folder is named so, or it is unclear what a name means.
    """
    images, others = photos_and_others(photos)
    rows = pd.DataFrame({"source": images}, dtype=str)
    folders = sorted({folder for image in images for folder in image.split("/")[:-1]})
    # A folder that is named by a date, as cameras do, says no age and is no error.
    read = {folder: age_of_text(folder.strip().lower()) for folder in folders}
    for folder in folders:
        if problem := unclear_age(folder.strip()):
            raise InputError(f"{photos.path}: a folder's name, {folder!r}, {problem}")
    ages = {folder: ends for folder, ends in read.items() if ends and not np.isnan(ends[0])}
    genders = {
        folder: GENDER_WORDS[folder.strip().lower()]
        for folder in folders
        if folder.strip().lower() in GENDER_WORDS
    }
    if not ages and not genders:
        raise InputError(
            f"{photos.path}: no folder in it is named by a gender or an age, such as female/ or 25/"
        )

    def nearest(known: dict, image: str, nothing):
        above = (folder for folder in reversed(image.split("/")[:-1]) if folder in known)
        return known.get(next(above, None), nothing)

    rows["gender"] = [nearest(genders, image, np.nan) for image in images]
    ends = np.array([nearest(ages, image, (np.nan, np.nan)) for image in images], dtype=float)
    rows["age_low"], rows["age_high"] = ends.T
    rows["age"] = rows["age_low"].where(rows["age_low"] == rows["age_high"])
    return Table(with_unknowns(rows), others)


OWN_FOLDERS = Dataset(
    name="folders",
    help="own photos in folders named by gender (female, male) or age (25, 20-29)",
    read=read_rows,
    may_lack_labels=True,
    lists_folder=True,
)
