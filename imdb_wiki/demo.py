"""`python -m imdb_wiki.demo`, an older name of `python -m imdb_wiki page`."""

from imdb_wiki.__main__ import run

if __name__ == "__main__":
    run("page")
