"""Archives of photos, .tar or .zip, that are read in place and never unpacked."""

import contextlib
import os
import stat
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from imdb_wiki.datasets.matlab import MAT_NAMES, MAX_MAT_BYTES
from imdb_wiki.errors import InputError
from imdb_wiki.images.names import is_image_name
from imdb_wiki.images.reading import MAX_PHOTO_BYTES, Region, ZippedRegion, read_bytes
from imdb_wiki.preparation.crops import Job
from imdb_wiki.preparation.plain_tar import NotPlainError, plain_files

_TarMode = Literal["r:", "r:gz", "r:bz2", "r:xz"]

# How each kind begins.
_TAR_MODES: dict[bytes, _TarMode] = {b"\x1f\x8b": "r:gz", b"BZh": "r:bz2", b"\xfd7zXZ\0": "r:xz"}
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_OTHER_STARTS = {b"Rar!": "RAR", b"7z\xbc\xaf": "7z", b"\x28\xb5\x2f\xfd": "Zstandard"}

# Headers that hold a long name or further fields of the next member, or fields of all members.
_TAR_EXTENSIONS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
_ARCHIVE_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_LABEL_ENDINGS = (".mat", ".csv", ".txt")  # kept in memory: a compressed archive is read once
_MAX_EXTENSION_BYTES = 1_000_000  # a header may claim gigabytes, which tarfile would read
_MAX_COMMON_FIELDS = 1_000  # of all members, which tarfile keeps


def open_archive(path: Path) -> "TarPhotos | ZipPhotos":
    """Opens an archive, whatever its name says.

    Raises:
        InputError: not an archive that is read here, damaged, or cut.
    """
    with path.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    if kind := other_kind(start):
        what_to_do = "unpack it" if "archive" in kind else "remove it and fetch the archive again"
        raise InputError(f"{path}: is {kind}; {what_to_do}")
    return ZipPhotos(path) if start.startswith(_ZIP_STARTS) else TarPhotos(path)


def other_kind(start: bytes) -> str:
    """Tells by its first bytes what a file is that is no archive; "" for an archive.

    Args:
        start: 512 bytes, or all where the file has fewer.
    """
    if start.startswith((*_TAR_MODES, *_ZIP_STARTS)):
        return ""
    for signature, kind in _OTHER_STARTS.items():
        if start.startswith(signature):
            return f"a {kind} archive, which is not read here"
    if start == bytes(tarfile.BLOCKSIZE):
        return ""  # zeros: a tar archive without members
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        if not start:
            return "an empty file"
        return "a web page" if start.lstrip()[:1] == b"<" else "neither a .tar nor a .zip"
    return ""


class _Archive:
    """What both kinds share: members by their names.

    As when unpacking, the last of several members with one name counts. Names that climb out of
    the archive are no photos.

    Attributes:
        path: of the archive.
    """

    def __init__(self, path: Path):
        self.path = path
        self._members: dict[str, Region | ZippedRegion] = {}
        with _damage_said(path):
            self._read_members()
        if not self._members:
            raise InputError(f"{path}: holds no files")
        tops = {name.split("/", 1)[0] if "/" in name else "" for name in self._members}
        # The folder that everything lies in, with a slash, or "" where there are several.
        self._root = f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""

    def mat(self, name: str) -> bytes:
        """The content of a .mat in the archive; the photos' paths then count from its folder.

        Raises:
            InputError: the archive has no such member, or it is damaged or too large.
        """
        found = [path for path in self._members if base_name(path) == name]
        if not found:
            raise InputError(f"{self.path}: {lacks_mat(name, map(base_name, self._members))}")
        wanted = min(found, key=lambda path: path.count("/"))
        self._root = wanted[: -len(name)]
        return self.content(name)

    def content(self, name: str) -> bytes:
        """The content of a file of labels, by its name in `all_names`.

        Raises:
            InputError: It is damaged or too large to be one.
        """
        member = self._root + name
        if self._members[member].size > MAX_MAT_BYTES:
            raise InputError(f"{self.path}: its {name} has more than {MAX_MAT_BYTES:,} bytes")
        with _damage_said(self.path):
            return self._mat_content(member)

    def all_names(self) -> list[str]:
        """All files as sorted paths, without the one folder that all lie in."""
        return sorted(name.removeprefix(self._root) for name in self._members)

    def jobs(self, photos: pd.DataFrame) -> Iterator[Job]:
        """Pairs each row with its place in the archive, from the archive's front to its end.

        Args:
            photos: columns `source` and `crop_name`, indexed by row.
        """
        members = [self._members.get(self._root + tidy(source)) for source in photos["source"]]
        offsets = np.array([member.offset if member else -1 for member in members])
        archives: dict[str, int] = {}
        numbers = [archives.setdefault(m.path, len(archives)) if m else -1 for m in members]
        rows, crop_names = photos.index.tolist(), photos["crop_name"].tolist()
        for place in np.lexsort((offsets, np.array(numbers))):  # the missing first
            yield Job(rows[place], members[place], crop_names[place])

    def _read_members(self) -> None:
        raise NotImplementedError

    def _mat_content(self, name: str) -> bytes:
        return read_bytes(self._members[name], MAX_MAT_BYTES)


class TarPhotos(_Archive):
    """Photos in a tar archive; a compressed one is read from front to end.

    A hard link is the file it names; symbolic links and devices are no photos.
    """

    def __init__(self, path: Path):
        """Reads the headers of all members: where each photo lies, and where the .mat files.

        Raises:
            InputError: damaged, or cut.
        """
        with path.open("rb") as file:
            start = file.read(8)
        modes = (mode for signature, mode in _TAR_MODES.items() if start.startswith(signature))
        self._mode: _TarMode = next(modes, "r:")
        # By their offsets: a compressed archive has no way back to them.
        self._mats: dict[int, bytes] = {}
        super().__init__(path)

    @property
    def is_compressed(self) -> bool:
        """Whether it can be read from front to end only."""
        return self._mode != "r:"

    def _read_members(self) -> None:
        if self._mode == "r:":
            with contextlib.suppress(NotPlainError):
                self._members = self._plain_members()
                return
        with self._progress() as bar:
            for member in self._walk():
                bar.update()
                name = tidy(member.name)
                if climbs_out(name):
                    continue
                if member.islnk() and tidy(member.linkname) in self._members:
                    self._members[name] = self._members[tidy(member.linkname)]
                elif member.isreg() and not member.issparse():
                    self._add(name, member)

    def _plain_members(self) -> dict[str, Region | ZippedRegion]:
        members, path = {}, str(self.path)
        with self._progress() as bar:
            for file in plain_files(self.path):
                bar.update()
                name = tidy(file.name)
                if not climbs_out(name):
                    members[name] = Region(path, file.offset, file.size)
        return members

    def _progress(self) -> tqdm:
        return tqdm(desc=f"looking through {self.path.name}", unit=" files", mininterval=0.5)

    def _add(self, name: str, member: tarfile.TarInfo) -> None:
        # Of a compressed archive the offset counts uncompressed bytes.
        self._members[name] = Region(str(self.path), member.offset_data, member.size)
        if self._mode != "r:" and name.lower().endswith(_LABEL_ENDINGS):
            kept_bytes = sum(map(len, self._mats.values()))
            if kept_bytes + member.size <= MAX_MAT_BYTES:
                self._mats[member.offset_data] = self._content(member)

    def _mat_content(self, name: str) -> bytes:
        if self._mode == "r:":
            return super()._mat_content(name)
        if self._members[name].offset not in self._mats:
            raise InputError(
                f"{self.path}: its files of labels have over {MAX_MAT_BYTES:,} bytes together"
            )
        return self._mats[self._members[name].offset]

    def jobs(self, photos: pd.DataFrame) -> Iterator[Job]:
        """As `_Archive.jobs`; of a compressed archive, with the photos' bytes."""
        waiting: dict[int, list[Job]] = defaultdict(list)
        for job in super().jobs(photos):
            photo = job.photo
            is_packed = self._mode != "r:" and isinstance(photo, Region)
            if is_packed and photo.size <= MAX_PHOTO_BYTES:
                waiting[photo.offset].append(job)
            else:
                yield job  # what is too large is told by its size
        if waiting:
            with _damage_said(self.path):
                for member in self._walk():
                    for job in waiting.pop(member.offset_data, ()):
                        yield job._replace(photo=self._content(member))
                    if not waiting:
                        break

    def _walk(self) -> Iterator[tarfile.TarInfo]:
        """All members in order; `_content` gives that of the current one."""
        with tarfile.open(self.path, self._mode, tarinfo=_Header) as self._open_archive:
            for member in self._open_archive:
                yield member
                # pyrefly: ignore[missing-attribute]  # its types leave out this list
                self._open_archive.members = []  # it would keep all 460,723 of them
            # A download that stopped between two members looks whole but for its end mark.
            self._open_archive.fileobj.seek(self._open_archive.offset)
            end = self._open_archive.fileobj.read(tarfile.BLOCKSIZE)
            if not end:
                raise EOFError("its end is missing")
            if any(end):  # tarfile takes a header that is damaged for the end
                raise tarfile.ReadError(f"damaged at byte {self._open_archive.offset}")

    def _content(self, member: tarfile.TarInfo) -> bytes:
        file = self._open_archive.extractfile(member)
        assert file is not None, "only the content of files is asked for"
        return file.read()


class _Header(tarfile.TarInfo):
    """A member's header, of a size that is bounded: compressed, it may unpack to gigabytes."""

    def _proc_member(self, archive: tarfile.TarFile):  # tarfile's hook for kinds of headers
        if self.size < 0:  # the next header would be one that was before
            raise tarfile.ReadError(f"a file of {self.size:,} bytes")
        if self.type in _TAR_EXTENSIONS and self.size > _MAX_EXTENSION_BYTES:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        if len(archive.pax_headers) > _MAX_COMMON_FIELDS:
            raise tarfile.ReadError("too many fields")
        # pyrefly: ignore[missing-attribute]  # tarfile's types leave out its hooks
        return super()._proc_member(archive)

    def _proc_sparse(self, archive: tarfile.TarFile):  # a list of its parts may be as long
        # pyrefly: ignore[missing-attribute]  # as above
        if self._sparse_structs[1]:
            raise tarfile.ReadError("a sparse file of many parts")
        # pyrefly: ignore[missing-attribute]  # as above
        return super()._proc_sparse(archive)

    def _proc_gnusparse_10(self, *_):
        raise tarfile.ReadError("a sparse file with a list of its parts")


class ZipPhotos(_Archive):
    """Photos in a zip archive."""

    def _read_members(self) -> None:
        with zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                name = tidy(member.filename)
                is_link = stat.S_ISLNK(member.external_attr >> 16)
                if member.is_dir() or is_link or climbs_out(name):
                    continue
                if member.flag_bits & 1:
                    raise InputError(f"{self.path}: is encrypted; unpack it and name its folder")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # pyrefly: ignore[missing-attribute]  # zipfile's types leave them out
                    method = zipfile.compressor_names.get(member.compress_type)
                    raise InputError(
                        f"{self.path}: is compressed in a way that is not read here "
                        f"({method}); unpack it"
                    )
                self._members[name] = ZippedRegion(
                    **{"path": str(self.path), "offset": member.header_offset},
                    **{"size": member.file_size, "zipped_size": member.compress_size},
                    is_deflated=member.compress_type == zipfile.ZIP_DEFLATED,
                    checksum=member.CRC,
                )


class ManyArchives(_Archive):
    """Photos in several archives in one folder, as if all were unpacked there."""

    def _read_members(self) -> None:
        for path in archives_in(self.path):
            archive = open_archive(path)
            if isinstance(archive, TarPhotos) and archive.is_compressed:
                raise InputError(f"{path}: is compressed; of several archives each must be plain")
            self._members |= archive._members


def archives_in(folder: Path) -> list[Path]:
    """The archives in a folder that holds nothing else but files of labels; [] for another."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.lower()
            if name.startswith("."):
                continue
            if not entry.is_file() or is_image_name(name):
                return []
            if is_archive_name(name):
                found.append(Path(entry.path))
    return sorted(found)


def is_archive_name(name: str) -> bool:
    """Whether a file is an archive by its name."""
    return name.lower().endswith(_ARCHIVE_ENDINGS)


def tidy(path: str) -> str:
    """A relative path with forward slashes and without `.` parts, as archives name members."""
    path = path.replace("\\", "/")
    between = f"/{path}/"
    if "//" in between or "/./" in between:
        return str(PurePosixPath(path))
    return path  # nearly all: `pathlib` would take 5 seconds for IMDB's


def climbs_out(name: str) -> bool:
    """Whether a member is no photo by its name: it leads out, or is a shadow that macOS adds."""
    outside = name.startswith(("/", "../")) or "/../" in name
    return outside or base_name(name).startswith("._")


def base_name(path: str) -> str:
    """The last part of a path with forward slashes."""
    return path.rpartition("/")[2]


def lacks_mat(name: str, inside: Iterable[str]) -> str:
    """Says that a .mat is missing and, where another data set's is there, what to do.

    Args:
        name: of the .mat.
        inside: the names of the files that are there.
    """
    if others := sorted(set(MAT_NAMES).intersection(inside)):
        datasets = " or ".join(other.removesuffix(".mat") for other in others)
        return f"holds {' and '.join(others)}, not {name}; add --dataset {datasets}"
    return f"holds no {name}; --db_path names one elsewhere"


@contextlib.contextmanager
def _damage_said(path: Path) -> Generator[None]:
    """Says in one line what damaged or cut bytes lead the archives' readers to."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever: TarError, EOFError, zlib.error, OverflowError, …
        if isinstance(error, OSError) and error.filename:  # gone, or not ours to read
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: damaged or not a whole archive ({reason}); remove it and fetch it again"
        ) from None
