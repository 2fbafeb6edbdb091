"""What every command line here shares: errors in one line, and silence where nothing is wrong."""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from imdb_wiki.errors import InputError


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong with the command line in one line."""

    def error(self, message: str):
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; --help lists the arguments\n")


def first_line(error: Exception) -> str:
    """Says an error in one line, by its type if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def says_errors_in_one_line(main: Callable[..., int]) -> Callable[..., int]:
    """Makes a command's `main` say wrong input in one line and return exit code 2."""

    @functools.wraps(main)
    def wrapped(*arguments, **options) -> int:
        try:
            return main(*arguments, **options)
        except (InputError, OSError) as error:
            print(f"error: {first_line(error)}", file=sys.stderr)
            return 2

    return wrapped


@contextlib.contextmanager
def quiet_tensorflow():
    """Mutes standard error: on import, TensorFlow's C++ talks past its own log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what is wrong is raised as well
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
