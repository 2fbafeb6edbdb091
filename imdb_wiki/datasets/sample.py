"""The sample: faces drawn by this project, in IMDB's layout. They are no photos of people."""

from functools import partial

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.datasets.matlab import read_rows

SAMPLE = Dataset(
    name="sample",
    help="faces that are drawn, without any input",
    read=partial(read_rows, "imdb"),
    has_face_scores=True,
    is_drawn=True,
)
