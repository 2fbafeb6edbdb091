"""Archives that are cut, damaged, of another kind or made to do harm: said in a line."""

import gc
import gzip
import os
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.images.reading import UnreadableImageError
from imdb_wiki.preparation import archives
from imdb_wiki.preparation.archives import other_kind
from imdb_wiki.preparation.photos import open_photos
from tests.preparation.archive_files import (
    KINDS,
    contents,
    tar_header,
    write_archive,
    write_tar,
    write_zip,
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_cut_archive_is_said(tmp_path, share, kind):
    members = [(f"c/{n}.jpg", os.urandom(3_000)) for n in range(20)]
    members.insert(10, ("c/imdb.mat", os.urandom(30_000)))  # half of it lies in its .mat
    path = write_archive(tmp_path / kind, members)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=rf"{kind}: .*(fetch)"):
        open_photos(path)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_damaged_after_it_was_listed_is_said(tmp_path, kind):
    members = [("c/imdb.mat", b"0"), *((f"c/{n}.jpg", os.urandom(3_000)) for n in range(20))]
    path = write_archive(tmp_path / kind, members)
    photos = open_photos(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises((InputError, OSError), match=kind):
        contents(photos, *(f"{n}.jpg" for n in range(20)))


def test_a_zipped_photo_with_damaged_bytes_is_unreadable(tmp_path):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        content = os.urandom(3_000)
        path = write_zip(tmp_path / "a.zip", [("a.jpg", content)], compression)
        data = bytearray(path.read_bytes())
        data[1_000] ^= 1
        path.write_bytes(data)
        with pytest.raises(UnreadableImageError, match="damaged in the archive"):
            contents(open_photos(path), "a.jpg")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({8: b"\x01"}, "is encrypted; unpack it"),
        ({10: struct.pack("<H", zipfile.ZIP_LZMA)}, "is compressed in a way.*lzma.*unpack it"),
        ({10: struct.pack("<H", 9)}, "is compressed in a way.*unpack it"),  # Deflate64, Windows'
    ],
)
def test_a_zip_of_another_kind_is_to_be_unpacked(tmp_path, changes, said):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", b"content")])
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    for offset, value in changes.items():
        data[directory + offset : directory + offset + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        open_photos(path)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    path = write_tar(tmp_path / "a.tar", [(f"c/{n}.jpg", bytes(512)) for n in range(9)])
    data = bytearray(path.read_bytes())
    data[5 * 1024 + 3] ^= 1  # in the name, so the checksum is wrong
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged at byte 5120"):
        open_photos(path)


def test_an_archive_cut_between_two_members_is_said(tmp_path):
    path = write_tar(tmp_path / "a.tar", [(f"c/{n}.jpg", bytes(512)) for n in range(9)])
    path.write_bytes(path.read_bytes()[: 6 * 1024])  # a header and one block of content each
    with pytest.raises(InputError, match="its end is missing"):
        open_photos(path)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_of_gigabytes_is_not_unpacked(tmp_path, kind):
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(tar_header("c/a.jpg", kind, 8_000_000_000) + bytes(3_000_000))
    with pytest.raises(InputError, match="a header of 8,000,000,000 bytes"):
        open_photos(tmp_path / "a.tar.gz")


DAMAGED_HEADERS = {
    "a negative size": tar_header("a.jpg", tarfile.REGTYPE, -5),
    "a size beyond all files": tar_header("a.jpg", tarfile.REGTYPE, 2**64),
    "a size that leads back to itself": tar_header("a.jpg", tarfile.REGTYPE, -512),
    "a PAX size that is no number": tar_header("x", tarfile.XHDTYPE, 512)
    + b"13 size=many\n".ljust(512, b"\0"),
    "a sparse map that is no number": tar_header("x", tarfile.XHDTYPE, 512)
    + b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n".ljust(512, b"\0")
    + tar_header("a.jpg", tarfile.REGTYPE, 512)
    + b"many\n".ljust(512, b"\0"),
    "a thousand headers of one member": tar_header("x", tarfile.XHDTYPE, 0) * 3_000,
}


@pytest.fixture
def uncollected():
    """No other test's objects are destroyed meanwhile: so deep in a recursion that would fail."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("damage", DAMAGED_HEADERS)
@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_damaged_header_is_said(tmp_path, uncollected, damage, compression):
    whole = write_tar(tmp_path / "whole.tar", [("c/a.jpg", b"x"), ("c/imdb.mat", b"x")])
    members = whole.read_bytes()
    data = DAMAGED_HEADERS[damage] + members
    for number, content in enumerate((data, members[:2048] + data)):  # first, and further on
        path = tmp_path / f"{number}.tar"
        path.write_bytes(gzip.compress(content, mtime=0) if compression else content)
        with pytest.raises(InputError, match=rf"{number}\.tar: "):
            open_photos(path)


@pytest.mark.parametrize("field", [b"size=9\n", b"999999999 path=a\n", b"9 size=5\n", b"0 a=b\n"])
def test_a_damaged_field_is_said_or_left_aside(tmp_path, field):
    whole = write_tar(tmp_path / "whole.tar", [("c/a.jpg", b"x"), ("c/imdb.mat", b"x")])
    damaged = tar_header("x", tarfile.XHDTYPE, 512) + field.ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(damaged + whole.read_bytes())
    try:  # newer Pythons say more of them
        assert open_photos(tmp_path / "a.tar").all_names()[-1].endswith("imdb.mat")
    except InputError as error:
        assert "a.tar: damaged" in str(error)


def test_fields_of_all_members_are_bounded(tmp_path):
    record = b"".join(b"%d x%03d=1\n" % (len(f"11 x{n:03}=1\n"), n) for n in range(600))
    block = record.ljust(-(-len(record) // 512) * 512, b"\0")
    data = b"".join(
        tar_header("x", tarfile.XGLTYPE, len(record)) + block.replace(b"x", letter)
        for letter in (b"a", b"b", b"c")
    )
    whole = write_tar(tmp_path / "whole.tar", [("c/a.jpg", b"x")])
    (tmp_path / "a.tar").write_bytes(data + whole.read_bytes())
    with pytest.raises(InputError, match="too many fields"):
        open_photos(tmp_path / "a.tar")


def test_a_mat_of_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MAT_BYTES", 100_000)
    for kind in KINDS:
        path = write_archive(tmp_path / kind, [("c/imdb.mat", bytes(100_001)), ("c/a.jpg", b"x")])
        with pytest.raises(InputError, match="more than 100,000 bytes"):
            open_photos(path).mat("imdb.mat")
    several = [(f"{n}/imdb.mat", bytes(60_000)) for n in range(3)]
    photos = open_photos(write_archive(tmp_path / "b.gz", several))
    with pytest.raises(InputError, match="over 100,000 bytes"):
        for n in range(3):
            photos._mat_content(f"{n}/imdb.mat")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "an empty file"),
        (b"hello" * 500, "neither a .tar nor a .zip"),
        (b"\n  <!DOCTYPE html><html>Not found", "a web page"),
        (b"Rar!\x1a\x07\x00", "a RAR archive, which is not read here"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive, which is not read here"),
        (b"PK\x03\x04", ""),
        (b"\x1f\x8b", ""),
        (tar_header("a.jpg", tarfile.REGTYPE, 0), ""),
    ],
)
def test_what_a_file_is_instead_is_told_by_its_first_bytes(tmp_path, start, kind):
    assert other_kind(start[:512]) == kind
    if kind:
        (tmp_path / "a.tar").write_bytes(start)
        with pytest.raises(InputError, match=rf"a\.tar: is {kind}"):
            open_photos(tmp_path / "a.tar")


def test_a_pipe_is_no_archive_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(InputError, match="no such folder or archive"):
        open_photos(tmp_path / "a.tar")


def test_a_file_that_has_become_shorter_is_no_photos_fault(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("a.jpg", bytes(5_000))])
    photos = open_photos(path)
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(OSError, match="has become shorter"):
        contents(photos, "a.jpg")
    Path(path).unlink()
    with pytest.raises(FileNotFoundError):
        contents(photos, "a.jpg")


def test_a_sparse_file_of_many_parts_is_refused_before_they_are_read(tmp_path):
    header = tarfile.TarInfo("20_0_0_20170000.jpg")
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT)[:512])
    block[482] = 1  # more parts follow
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    part = b"".join(b"%011o\0" % n for n in range(42)) + b"\1" + bytes(7)  # 21 parts, and more
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(bytes(block) + part * 100_000)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.tar\.gz: .*a sparse file of many parts"):
        open_photos(tmp_path / "a.tar.gz")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
