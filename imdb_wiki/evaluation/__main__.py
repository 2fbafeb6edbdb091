"""`python -m imdb_wiki.evaluation`, another name of `python -m imdb_wiki evaluate`."""

from imdb_wiki.__main__ import run

run("evaluate")
