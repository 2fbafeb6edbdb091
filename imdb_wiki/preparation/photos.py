"""Where the photos are: a folder, or archives that are never unpacked.

All answer the same three questions: what is in the .mat, which files are there, and what is to be
cropped for these rows of the table.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from imdb_wiki.datasets.matlab import read_mat
from imdb_wiki.errors import InputError
from imdb_wiki.images.reading import FolderPhoto, is_there
from imdb_wiki.preparation.archives import (
    ManyArchives,
    TarPhotos,
    ZipPhotos,
    archives_in,
    lacks_mat,
    open_archive,
    tidy,
)
from imdb_wiki.preparation.crops import Job


def open_photos(path: Path) -> "Photos":
    """Opens a folder of photos or of archives, or an archive.

    Raises:
        InputError: neither exists, or the file is not a complete archive.
    """
    if path.is_dir():
        return ManyArchives(path) if archives_in(path) else PhotoFolder(path)
    if not path.is_file():  # neither is a pipe, whose reading would wait for ever
        raise InputError(f"{path}: no such folder or archive")
    return open_archive(path)


class PhotoFolder:
    """Photos in a folder; links that lead out of it are not followed."""

    def __init__(self, path: Path):
        """Takes the folder as it is."""
        self.path = path

    def mat(self, name: str) -> bytes:
        """Reads a .mat that lies directly in the folder.

        Raises:
            InputError: there is no such photo, or it is too large.
        """
        if not (self.path / name).is_file():
            inside = (other.name for other in self.path.glob("*.mat") if other.is_file())
            raise InputError(f"{self.path}: {lacks_mat(name, inside)}")
        return read_mat(self.path / name)

    def content(self, name: str) -> bytes:
        """The content of a file of labels.

        Raises:
            InputError: It is too large to be one.
        """
        return read_mat(self.path / name)

    def all_names(self) -> list[str]:
        """All files as sorted relative paths with forward slashes; of linked folders the names.

        Raises:
            OSError: a folder cannot be read.
        """
        names = []
        for folder, folders, files in os.walk(self.path, onerror=_raise):
            inside = Path(folder).relative_to(self.path).as_posix()
            links = [name for name in folders if Path(folder, name).is_symlink()]
            names += [name if inside == "." else f"{inside}/{name}" for name in files + links]
        return sorted(names)

    def holds(self, source: str) -> bool:
        """Whether a photo is there now."""
        return is_there(FolderPhoto(str(self.path), tidy(source)))

    def jobs(self, photos: pd.DataFrame) -> Iterator[Job]:
        """Pairs each row with the file to read.

        Args:
            photos: columns `source` and `crop_name`, indexed by row.
        """
        for row, source, crop_name in photos.itertuples():
            yield Job(row, FolderPhoto(str(self.path), tidy(source)), crop_name)


Photos = PhotoFolder | TarPhotos | ZipPhotos | ManyArchives


def _raise(error: OSError) -> None:
    raise error
