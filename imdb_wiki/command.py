"""What every command line here shares: errors in one line, and silence where nothing is wrong."""

import argparse
import contextlib
import functools
import math
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


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Makes an argument's `type`: a whole number from `least` to `most`, both allowed."""

    def whole(text: str) -> int:
        value = int(text)
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text} is not {_range(least, most)}")
        return value

    whole.__name__ = "whole number"  # argparse names it where `int` fails
    return whole


def number(
    least: float = -math.inf, most: float | None = None, above: bool = False, below: bool = False
) -> Callable[[str], float]:
    """Makes an argument's `type`: a finite number from `least` to `most`.

    Args:
        least: The smallest that is allowed.
        most: The largest; None for any.
        above: Whether `least` itself is not allowed.
        below: Whether `most` itself is not allowed.
    """

    def finite(text: str) -> float:
        value = float(text)
        too_small = value <= least if above else value < least
        too_large = most is not None and (value >= most if below else value > most)
        if not math.isfinite(value) or too_small or too_large:
            raise argparse.ArgumentTypeError(f"{text} is not {_range(least, most, above, below)}")
        return value

    finite.__name__ = "number"
    return finite


def yes_or_no(text: str) -> bool:
    """An argument's `type`: 1 or 0, for what is on or off by default."""
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 (off) or 1 (on)")
    return text == "1"


def _range(least: float, most: float | None, above: bool = False, below: bool = False) -> str:
    if least == -math.inf and most is None:
        return "a finite number"
    start = f"above {least:g}" if above else f"{least:g} or more"
    if most is None:
        return f"a number {start}" if above else start
    end = f"below {most:g}" if below else f"at most {most:g}"
    return f"{start} and {end}" if above or below else f"from {least:g} to {most:g}"


def first_line(error: Exception) -> str:
    """Says an error in one line, by its type if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def says_errors_in_one_line(main: Callable[..., int]) -> Callable[..., int]:
    """Makes a command's `main` say in one line why it ends, without a traceback.

    Wrong input or a file that cannot be read or written: exit code 2, with the file's name. Ctrl-C:
    exit code 130, as shells expect.
    """

    @functools.wraps(main)
    def wrapped(*arguments, **options) -> int:
        try:
            return main(*arguments, **options)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130
        except OSError as error:
            where = f"{error.filename}: " if error.filename and error.strerror else ""
            print(f"error: {where}{error.strerror or first_line(error)}", file=sys.stderr)
            return 2
        except InputError as error:
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
