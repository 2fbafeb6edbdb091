"""The headers of a usual .tar, which are read here as tarfile reads them."""

import subprocess
import tarfile

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.preparation import archives
from imdb_wiki.preparation.photos import open_photos
from imdb_wiki.preparation.plain_tar import NotPlainError
from tests.preparation.archive_files import contents, write_tar

PLAIN = [("c/imdb.mat", b"x"), ("c/a.jpg", bytes(600)), ("c/./b.jpg", b""), ("c/a.jpg", b"z")]
ODD_MEMBERS = {
    "nothing odd": [],
    "a folder": [("c/folder", (tarfile.DIRTYPE, ""))],
    "a name of 100 letters": [("c/" + "n" * 98, b"y")],
    "a long name": [("c/" + "n" * 120, b"y")],
    "a long name in folders": [("c/" + "n" * 90 + "/" + "m" * 90, b"y")],
    "a name that is not ASCII": [("c/é\udcff.jpg", b"y")],
    "a hard link": [("c/hard.jpg", (tarfile.LNKTYPE, "c/a.jpg"))],
    "a symbolic link": [("c/link.jpg", (tarfile.SYMTYPE, "a.jpg"))],
    "a pipe": [("c/pipe", (tarfile.FIFOTYPE, ""))],
    "a name that leads out": [("../c/x.jpg", b"y"), ("/c/x.jpg", b"y"), ("c/../../x", b"y")],
    "what macOS adds": [("c/._a.jpg", b"y")],
}


@pytest.mark.parametrize("odd", ODD_MEMBERS)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_headers_are_read_as_by_tarfile(tmp_path, monkeypatch, odd, form):
    members = [*PLAIN, *ODD_MEMBERS[odd], ("c/last.jpg", b"x")]
    try:
        path = write_tar(tmp_path / "a.tar", members, format=form)
    except ValueError:
        pytest.skip("this format has no such names")
    found = open_photos(path)
    assert contents(found, "a.jpg", "last.jpg") == [b"z", b"x"]
    monkeypatch.setattr(archives, "plain_files", tarfile_must_tell)
    assert list(open_photos(path)._members.items()) == list(found._members.items())


def tarfile_must_tell(path):
    raise NotPlainError


def test_an_archive_of_gnu_tar_needs_no_tarfile(tmp_path, monkeypatch):
    (tmp_path / "c" / "00").mkdir(parents=True)
    for name in ("imdb.mat", "00/a.jpg", "00/b.jpg"):
        (tmp_path / "c" / name).write_bytes(name.encode() * 99)
    for arguments in (["--format=gnu"], ["--format=ustar"], ["--owner=é", "--mode=0777"]):
        subprocess.run(["tar", "cf", "a.tar", *arguments, "c"], cwd=tmp_path, check=True)
        with monkeypatch.context() as patch:
            patch.setattr(archives.tarfile, "open", None)
            photos = open_photos(tmp_path / "a.tar")
        assert photos.all_names() == ["00/a.jpg", "00/b.jpg", "imdb.mat"]
        assert contents(photos, "00/b.jpg") == [b"00/b.jpg" * 99]


def with_header(data: bytes, place: int, field: slice, content: bytes) -> bytes:
    """The archive with another header, whose checksum is right."""
    header = bytearray(data[place : place + 512])
    header[field] = content
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:place] + bytes(header) + data[place + 512 :]


ODD_FIELDS = {
    "a size in base 256": (slice(124, 136), b"\x80" + bytes(10) + b"\2"),
    "a size with spaces": (slice(124, 136), b"         2 \0"),
    "a size that is no number": (slice(124, 136), b"00000000009\0"),
    "a size beyond the end": (slice(124, 136), b"00000077777\0"),
    "a mode that is no number": (slice(100, 108), b"0000x44\0"),
    "another kind of tar": (slice(257, 265), bytes(8)),
    "a file of an old kind": (slice(156, 157), b"\0"),
    "a folder of an old kind": (slice(156, 157), b"5"),
    "a kind that nobody knows": (slice(156, 157), b"?"),
    "a first part of the name": (slice(345, 349), b"c/up"),
    "no name": (slice(0, 100), bytes(100)),
}


@pytest.mark.parametrize("odd", ODD_FIELDS)
@pytest.mark.parametrize("place", [0, 1024], ids=["first", "second"])
def test_odd_headers_are_read_as_by_tarfile(tmp_path, monkeypatch, odd, place):
    whole = write_tar(tmp_path / "a.tar", [(f"c/{n}.jpg", b"xy") for n in range(4)]).read_bytes()
    (tmp_path / "a.tar").write_bytes(with_header(whole, place, *ODD_FIELDS[odd]))

    def found():
        try:
            return list(open_photos(tmp_path / "a.tar")._members.items())
        except InputError as error:
            return str(error)

    ours = found()
    monkeypatch.setattr(archives, "plain_files", tarfile_must_tell)
    assert ours == found()
