"""IMDB: 460,723 photos of 20,284 people; the labels are in imdb.mat.

Rothe et al., https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/
"""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.matlab import ARCHIVE_URL, read_rows

IMDB = Dataset(
    name="imdb",
    help="imdb.mat and its photos",
    read=partial(read_rows, "imdb"),
    labels_name="imdb.mat",
    archive_url=ARCHIVE_URL.format(dataset="imdb"),
    has_face_scores=True,
)
