"""FG-NET: 1,002 photos of 82 people from 0 to 69 years; no genders.

`001A02.JPG`, `001A43a.JPG`: the person, `A`, the age, a letter where there are several. For
research only: https://yanweifu.github.io/FG_NET_data/
"""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.listed import rows_of_names

_NAME = r"^(?P<person>[0-9]{3})A(?P<age>[0-9]{2})[a-z]?\.[A-Za-z]+$"

FGNET = Dataset(
    name="fgnet",
    help="photos whose names say person and age (FG-NET)",
    read=partial(rows_of_names, _NAME),
    may_lack_labels=True,
    lists_folder=True,
)
