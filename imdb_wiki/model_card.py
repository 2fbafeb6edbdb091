"""`python -m imdb_wiki.model_card`, an older name of `python -m imdb_wiki card`."""

from imdb_wiki.__main__ import run

if __name__ == "__main__":
    run("card")
