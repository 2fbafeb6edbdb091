"""AgeDB: 16,488 photos of 568 people; on request, for research only.

Moschoglou et al., https://ibug.doc.ic.ac.uk/resources/agedb/: `0_MariaCallas_35_f.jpg`, a number,
the person, the age, the gender.
"""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.listed import rows_of_names

_NAME = r"^[0-9]+_(?P<person>.+)_(?P<age>[0-9]{1,3})_(?P<gender>[fmFM])\.[A-Za-z]+$"

AGEDB = Dataset(
    name="agedb",
    help="photos whose names say person, age and gender (AgeDB)",
    read=partial(rows_of_names, _NAME),
    lists_folder=True,
)
