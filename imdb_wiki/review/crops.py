"""The image of a face: a file within the crop folder of its prepared folder, and nothing else.

A table of suspects may be somebody's: whatever its cells say, only images that lie in the crop
folder of a prepared folder are read.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from imdb_wiki.errors import InputError
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.layout import CROP_NAME

MOST_BYTES = 20_000_000  # of a crop; usual ones have 2 to 30 kB
# What browsers show, by how the file begins.
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


class Crops:
    """The crop folders of some prepared folders."""

    def __init__(self, folders: Iterable[str]):
        """Looks where they are.

        Args:
            folders: As the audit was given them: relative to where it ran, or absolute.

        Raises:
            InputError: One is not there, or is no prepared folder.
        """
        self._places = {folder: _crop_folder(folder) for folder in folders}

    def read(self, folder: str, filename: str) -> tuple[bytes, str] | None:
        """Reads an image.

        Args:
            folder: One of the folders.
            filename: Relative to its crop folder.

        Returns:
            Its bytes and their MIME type; None for a file that is missing, lies elsewhere, or is
            no image.
        """
        place = self._places[folder]
        try:
            path = (place / filename).resolve(strict=True)
            if not path.is_relative_to(place):
                return None  # by "..", as an absolute path, or by a link
            # A pipe would be waited for.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode) or about.st_size > MOST_BYTES:
                    return None
                data = file.read()
        except (OSError, ValueError, RuntimeError):  # not there; a NUL in the name; a loop of links
            return None
        kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), None)
        return (data, kind) if kind else None


def _crop_folder(folder: str) -> Path:
    place = Path(folder)
    if not place.is_dir():
        raise InputError(
            f"the prepared folder {folder} is not here: start the review where the audit was "
            "started, or move the folder back"
        )
    has_split = any((place / f"{name}.csv").is_file() for name in SPLIT_NAMES)
    if not (place / CROP_NAME).is_dir() or not has_split:
        raise InputError(f"{folder} is no prepared folder: it has no {CROP_NAME}/ with its CSVs")
    return (place / CROP_NAME).resolve()
