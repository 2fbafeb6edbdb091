"""All-Age-Faces: 13,322 photos of as many people, mostly Asian, from 2 to 80 years.

Cheng et al., https://github.com/JingchunCheng/All-Age-Faces-Dataset: `original
images/NNNNNAYY.jpg`, a serial number, `A`, the age. Serial numbers up to 07380 are female. No
licence is stated: for research only.
"""

import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.listed import photos_and_others, with_unknowns
from imdb_wiki.images.names import file_names
from imdb_wiki.labels import FEMALE, MALE

_NAME = r"^(?P<number>[0-9]{5})A(?P<age>[0-9]{2})\.[A-Za-z]+$"
_FIRST_MALE = 7381
_OTHER_FOLDERS = ("aligned faces/", "example/")  # the same photos again


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads ages and genders from the names of the original images.

    Args:
        photos: Where they are.
        options: Not used.

    Raises:
        InputError: There is no photo.
    """
    images, others = photos_and_others(photos)
    again = [name for name in images if name.startswith(_OTHER_FOLDERS)]
    images = [name for name in images if not name.startswith(_OTHER_FOLDERS)]
    table = pd.DataFrame({"source": images}, dtype=str)
    parts = file_names(table["source"]).str.extract(_NAME)
    number = parts["number"].astype(float)
    table["age"] = parts["age"].astype(float)
    table["gender"] = (number >= _FIRST_MALE).map({False: FEMALE, True: MALE}).where(number.notna())
    table["identity"] = parts["number"].fillna("")  # each is another person
    table["bad_name"] = number.isna()
    return Table(with_unknowns(table), others + again)


ALL_AGE_FACES = Dataset(
    name="all_age_faces",
    help="photos whose names say number and age (All-Age-Faces)",
    read=read_rows,
    lists_folder=True,
)
