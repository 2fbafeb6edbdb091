"""Where the photos are: a folder, or a .tar that is never unpacked.

Both answer the same three questions: what is in the .mat, which images are there, and what is to be
cropped for these rows of the table.
"""

import lzma
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from imdb_wiki.crops import MAX_PHOTO_BYTES, Job, Region
from imdb_wiki.errors import InputError

MAT_NAMES = ("imdb.mat", "wiki.mat")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")


def open_photos(path: Path) -> "PhotoFolder | PhotoArchive":
    """Opens a folder or an archive of photos.

    Raises:
        InputError: neither is there, or the archive is none or cut.
    """
    if path.is_dir():
        return PhotoFolder(path)
    if not path.is_file():  # neither is a pipe, whose reading would wait for ever
        raise InputError(f"{path}: no such folder or archive")
    return PhotoArchive(path)


class PhotoFolder:
    """Photos in a folder."""

    def __init__(self, path: Path):
        """Takes the folder as it is."""
        self.path = path

    def mat(self, name: str) -> bytes:
        """Reads a .mat that lies directly in the folder.

        Raises:
            InputError: there is none of that name.
        """
        if not (self.path / name).is_file():
            raise InputError(f"{self.path}: holds no {name}; --db_path names one elsewhere")
        return (self.path / name).read_bytes()

    def image_names(self) -> list[str]:
        """All images as sorted relative paths with forward slashes."""
        return sorted(
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES
        )

    def jobs(self, photos: pd.DataFrame) -> Iterator[Job]:
        """Pairs each row with the file to read.

        Args:
            photos: columns `source` and `crop_name`, indexed by row.
        """
        for row, source, crop_name in photos.itertuples():
            yield Job(row, f"{self.path}/{tidy(source)}", crop_name)


class _Member(NamedTuple):
    number: int  # its place in the archive, for those that can only be read in order
    offset: int
    size: int


class PhotoArchive:
    """Photos in a tar archive, read in place; a compressed one is read from front to end.

    As when unpacking, the last of several members with one name counts. A hard link is
    the file it names; symbolic links, devices and names that climb out are no photos.

    Raises:
        InputError: not a tar archive, or cut.
    """

    def __init__(self, path: Path):
        """Reads the headers of all members: where each photo lies, and where the .mat files."""
        self.path = path
        self._members: dict[str, _Member] = {}
        self._mats: dict[str, bytes] = {}
        self._compressed = _is_compressed(path)
        with tqdm(desc=f"looking through {path.name}", unit=" files", mininterval=0.5) as bar:
            for number, member in enumerate(self._walk()):
                bar.update()
                name = tidy(member.name)
                base = PurePosixPath(name).name
                if name.startswith(("/", "../")) or base.startswith("._"):  # macOS' shadows
                    continue
                if member.islnk() and tidy(member.linkname) in self._members:
                    self._members[name] = self._members[tidy(member.linkname)]
                elif member.isreg() and not member.issparse():
                    self._members[name] = _Member(number, member.offset_data, member.size)
                    if base in MAT_NAMES:  # read in passing: a compressed archive has no way back
                        self._mats[name] = self._content(member)
        if not self._members:
            raise InputError(f"{path}: holds no files")
        self._root = self._find_root()

    def mat(self, name: str) -> bytes:
        """The content of a .mat in the archive; the photos' paths then count from its folder.

        Raises:
            InputError: there is none of that name.
        """
        found = [path for path in self._mats if PurePosixPath(path).name == name]
        if not found:
            raise InputError(f"{self.path}: holds no {name}; --db_path names one outside")
        wanted = min(found, key=lambda path: path.count("/"))
        self._root = wanted[: -len(name)]
        return self._mats[wanted]

    def image_names(self) -> list[str]:
        """All images as sorted paths, without the one folder that all lie in."""
        return sorted(
            path.removeprefix(self._root)
            for path in self._members
            if path.lower().endswith(IMAGE_SUFFIXES)
        )

    def jobs(self, photos: pd.DataFrame) -> Iterator[Job]:
        """Pairs each row with the region of the archive, or with the bytes where it is compressed.

        Args:
            photos: columns `source` and `crop_name`, indexed by row.
        """
        members = [self._members.get(self._root + tidy(source)) for source in photos["source"]]
        offsets = np.array([member.offset if member else -1 for member in members])
        rows, crop_names = photos.index.tolist(), photos["crop_name"].tolist()
        path = str(self.path)
        places_of_number: dict[int, list[int]] = defaultdict(list)
        for place in np.argsort(offsets, kind="stable"):  # from front to end, the missing first
            member = members[place]
            if member and self._compressed and member.size <= MAX_PHOTO_BYTES:
                places_of_number[member.number].append(place)
            else:
                region = member and Region(path, member.offset, member.size)
                yield Job(rows[place], region, crop_names[place])
        if places_of_number:
            for number, member in enumerate(self._walk()):
                for place in places_of_number.pop(number, ()):
                    yield Job(rows[place], self._content(member), crop_names[place])
                if not places_of_number:
                    break

    def _walk(self) -> Iterator[tarfile.TarInfo]:
        """All members in order; the content of the current one is `_open_archive`'s to give."""
        try:
            with tarfile.open(self.path, "r:*") as self._open_archive:
                for member in self._open_archive:
                    yield member
                    self._open_archive.members = []  # it would keep all 460,723 of them
                # A download that stopped between two members looks whole but for its end mark.
                self._open_archive.fileobj.seek(self._open_archive.offset)
                end = self._open_archive.fileobj.read(tarfile.BLOCKSIZE)
                if not end:
                    raise InputError(f"{self.path}: not a whole tar archive (its end is missing)")
                if any(end):  # tarfile takes a header that is damaged for the end
                    raise InputError(
                        f"{self.path}: damaged at byte {self._open_archive.offset}; fetch it anew"
                    )
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise InputError(f"{self.path}: not a whole tar archive ({error})") from None

    def _content(self, member: tarfile.TarInfo) -> bytes:
        return self._open_archive.extractfile(member).read()

    def _find_root(self) -> str:
        """The folder that everything lies in, with a slash, or "" where there are several."""
        tops = {path.split("/", 1)[0] if "/" in path else "" for path in self._members}
        return f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""


def _is_compressed(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:"):
            return False
    except (tarfile.TarError, EOFError):
        return True  # or no archive at all, which the first reading tells


def file_names(paths: pd.Series) -> pd.Series:
    """The last parts of paths with forward slashes."""
    return paths.str.rsplit("/", n=1).str[-1]


def tidy(path: str) -> str:
    """A relative path with forward slashes and without `.` parts, as archives name members."""
    return str(PurePosixPath(path.replace("\\", "/")))
