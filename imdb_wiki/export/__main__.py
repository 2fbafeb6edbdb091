"""`python -m imdb_wiki.export`, another name of `python -m imdb_wiki export`."""

from imdb_wiki.__main__ import run

run("export")
