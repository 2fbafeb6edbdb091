"""The errors for wrong input: commands print them as one line and exit with code 2."""

import contextlib
from collections.abc import Generator
from os import PathLike


class InputError(ValueError):
    """Something about the input is wrong; the message says what and where, in one line."""


class StoppedError(InputError):
    """Something has stopped a run that can go on; the command says how."""


@contextlib.contextmanager
def names_file(path: str | PathLike) -> Generator[None]:
    """Lets an `OSError` say which file it is about: of a full disk the system does not tell."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
