"""The data sets, one file each: a new one is one new file that defines a `Dataset`."""

from imdb_wiki.datasets.dataset import Dataset as Dataset
from imdb_wiki.datasets.dataset import Table as Table
from imdb_wiki.registry import found_in

DATASETS = found_in(__name__, Dataset)
