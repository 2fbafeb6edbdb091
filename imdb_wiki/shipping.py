"""`python -m imdb_wiki.shipping`, an older name of `python -m imdb_wiki ship`."""

from imdb_wiki.__main__ import run

if __name__ == "__main__":
    run("ship")
