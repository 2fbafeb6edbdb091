"""WIKI: 62,328 photos, nearly all of different people; the labels are in wiki.mat.

Rothe et al., https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/
"""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.matlab import ARCHIVE_URL, read_rows

WIKI = Dataset(
    name="wiki",
    help="wiki.mat and its photos",
    read=partial(read_rows, "wiki"),
    labels_name="wiki.mat",
    archive_url=ARCHIVE_URL.format(dataset="wiki"),
    has_face_scores=True,
)
