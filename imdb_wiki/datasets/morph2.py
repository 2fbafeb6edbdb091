"""MORPH II: 55,134 photos of 13,618 people from 16 to 77 years, under a licence of its own.

Ricanek and Tesafaye, https://doi.org/10.1109/FGR.2006.78: `009055_1M54.JPG`, the person, the
photo's number, the gender, the age.
"""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.listed import rows_of_names

_NAME = r"^(?P<person>[0-9]+)_[0-9]+(?P<gender>[FM])(?P<age>[0-9]{2})\.[A-Za-z]+$"

MORPH2 = Dataset(
    name="morph2",
    help="photos whose names say person, gender and age (MORPH II)",
    read=partial(rows_of_names, _NAME),
    lists_folder=True,
)
