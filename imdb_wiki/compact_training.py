"""`python -m imdb_wiki.compact_training`, an older name of `python -m imdb_wiki train`."""

from imdb_wiki.__main__ import run

if __name__ == "__main__":
    run("train")
