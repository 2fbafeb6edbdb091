"""CACD: 163,446 photos of 2,000 celebrities; no genders.

Chen et al., https://bcsiriuschen.github.io/CARC/: `14_Aaron_Johnson_0001.jpg`, the age (the photo's
year minus that of birth), the person, a number. For research only; the photos were found by a
search engine, and many labels are wrong.
"""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.listed import rows_of_names

_NAME = r"^(?P<age>[0-9]{1,3})_(?P<person>.+)_[0-9]{4}\.[A-Za-z]+$"

CACD = Dataset(
    name="cacd",
    help="photos whose names say age and person (CACD)",
    read=partial(rows_of_names, _NAME),
    may_lack_labels=True,
    lists_folder=True,
)
