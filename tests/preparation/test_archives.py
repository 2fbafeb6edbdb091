"""Archives of photos: read in place, and damage of any kind said in a line."""

import gc
import gzip
import io
import os
import struct
import subprocess
import tarfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.images.reading import UnreadableImageError, read_bytes
from imdb_wiki.parallel import in_chunks
from imdb_wiki.preparation import archives
from imdb_wiki.preparation.archives import other_kind
from imdb_wiki.preparation.crops import Job, carried_bytes
from imdb_wiki.preparation.photos import open_photos
from imdb_wiki.preparation.plain_tar import NotPlainError
from tests.conftest import run_preparation
from tests.preparation.originals import people, write_original
from tests.shared import assert_one_line


def write_tar(path, members, mode="w", **options):
    """An archive of (name, content) members; a content that is no bytes is a type and a target."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)
    return path


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_archive(path, members):
    """An archive of the kind that its name says."""
    if path.suffix == ".zip":
        return write_zip(path, members)
    return write_tar(path, members, "w:" if path.suffix == ".tar" else f"w:{path.suffix[1:]}")


KINDS = ["a.tar", "a.gz", "a.bz2", "a.xz", "a.zip"]


def contents(photos, *names):
    """The bytes of photos; None where there is none."""
    table = pd.DataFrame({"source": names, "crop_name": names})
    jobs = {job.row: job.photo for job in photos.jobs(table)}
    return [jobs[row] and read_bytes(jobs[row]) for row in range(len(names))]


def test_an_archive_lists_the_same_names_as_its_folder(tmp_path):
    members = [(f"./faces/{name}", b"x") for name in ("b.jpg", "a/c.JPG", "notes.txt")]
    for kind in KINDS:
        photos = open_photos(write_archive(tmp_path / kind, members))
        assert photos.all_names() == ["a/c.JPG", "b.jpg", "notes.txt"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
def test_the_same_bytes_come_from_the_archive_as_from_the_folder(folder_result, tmp_path, suffix):
    folder, expected = folder_result
    archive_path = tmp_path / f"imdb_crop{suffix}"
    members = [
        (path.relative_to(folder.parent).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    write_archive(archive_path, members)
    run = run_preparation(
        *("--photo_dir", archive_path, "--output_dir", tmp_path / "out", "--img_size", 32)
    )
    assert run.returncode == 0, run.stderr
    assert result(tmp_path / "out") == expected
    assert not (tmp_path / "out/imdb_crop").exists()  # never unpacked


@pytest.fixture(scope="module")
def folder_result(tmp_path_factory):
    """A folder of photos, some of which are gone or empty, and what its preparation leaves."""
    folder = tmp_path_factory.mktemp("folder")
    mat_path = write_original(folder / "imdb_crop", people(20, 3))
    (folder / "imdb_crop/02/empty.jpg").write_bytes(b"")
    (folder / "imdb_crop/01").rename(folder / "imdb_crop/gone")
    run = run_preparation(
        *("--db_path", mat_path, "--output_dir", folder / "out", "--img_size", 32)
    )
    assert run.returncode == 0, run.stderr
    expected = result(folder / "out")
    assert len(expected) == 57 + 4  # three photos are gone
    return folder / "imdb_crop", expected


def result(output_dir):
    return {
        path.relative_to(output_dir): path.read_bytes()
        for path in output_dir.rglob("*")
        if path.suffix in (".jpg", ".csv")
    }


def test_the_mat_may_lie_outside(tmp_path):
    mat_path = write_original(tmp_path / "imdb_crop", people(20, 1))
    photos = [(path.name, path.read_bytes()) for path in (tmp_path / "imdb_crop").rglob("*.jpg")]
    archive_path = write_tar(
        tmp_path / "a.tar", [(f"{name[7:9]}/{name}", b"") for name, _ in photos]
    )
    run = run_preparation(
        *("--photo_dir", archive_path, "--db_path", mat_path, "--output_dir", tmp_path / "out")
    )
    assert "unreadable_image" in run.stderr  # found there, and empty


def test_links_devices_and_names_that_climb_out_are_no_photos(tmp_path):
    photos = open_photos(
        write_tar(
            tmp_path / "a.tar",
            [
                ("crop/good.jpg", b"good"),
                ("crop/link.jpg", (tarfile.SYMTYPE, "/etc/passwd")),
                ("crop/hard.jpg", (tarfile.LNKTYPE, "crop/good.jpg")),
                ("._crop", b"a shadow of macOS"),
                ("crop/device.jpg", (tarfile.CHRTYPE, "")),
                ("../climbs.jpg", b"out"),
                ("crop/../../climbs.jpg", b"out"),
                ("/absolute.jpg", b"out"),
            ],
        )
    )
    assert photos.all_names() == ["good.jpg", "hard.jpg"]
    assert contents(photos, "good.jpg", "hard.jpg") == [b"good"] * 2  # as when unpacking


def test_a_zips_links_and_names_that_climb_out_are_no_photos(tmp_path):
    link = zipfile.ZipInfo("crop/link.jpg")
    link.external_attr = 0o120777 << 16
    members = [("crop/good.jpg", b"good"), ("crop/", b""), (link, b"/etc/passwd")]
    members += [("../climbs.jpg", b"out"), ("/absolute.jpg", b"out"), ("crop/._good.jpg", b"")]
    photos = open_photos(write_zip(tmp_path / "a.zip", members))
    assert photos.all_names() == ["good.jpg"]


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_members_with_one_name_the_last_counts(kind, tmp_path):
    members = [("c/a.jpg", b"old"), ("c/b.jpg", b"b"), ("c/a.jpg", b"new!")]
    photos = open_photos(write_archive(tmp_path / kind, members))
    assert contents(photos, "a.jpg", "absent.jpg", "b.jpg") == [b"new!", None, b"b"]


def test_of_several_mats_the_highest_counts(tmp_path):
    members = [("c/x/imdb.mat", b"low"), ("c/imdb.mat", b"high"), ("c/y/imdb.mat", b"low")]
    for kind in KINDS:
        photos = open_photos(write_archive(tmp_path / kind, members))
        assert photos.mat("imdb.mat") == b"high"
        assert contents(photos, "x/imdb.mat") == [b"low"]


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


def tar_header(name: str, kind: bytes, size: int, **fields) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT)


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


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_without_the_mat_is_said(tmp_path, kind):
    path = write_archive(tmp_path / kind, [("crop/a.jpg", b"x")])
    with pytest.raises(InputError, match=r"holds no imdb\.mat; --db_path names one"):
        open_photos(path).mat("imdb.mat")
    path = write_archive(tmp_path / kind, [("crop/a.jpg", b"x"), ("crop/wiki.mat", b"x")])
    with pytest.raises(InputError, match=r"holds wiki\.mat, not imdb\.mat; add --dataset wiki"):
        open_photos(path).mat("imdb.mat")


def test_a_mat_of_any_name_is_found_and_a_missing_one_told_with_those_that_are_there(tmp_path):
    members = [("crop/foo.mat", b"labels"), ("crop/imdb.mat", b"x"), ("crop/wiki.mat", b"x")]
    for path, content in members:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    for place in ("crop", *KINDS):
        if place != "crop":
            write_archive(tmp_path / place, members)
        photos = open_photos(tmp_path / place)
        assert photos.mat("foo.mat") == b"labels"
        said = r"holds imdb\.mat and wiki\.mat, not bar\.mat; add --dataset imdb or wiki$"
        with pytest.raises(InputError, match=said):
            photos.mat("bar.mat")


def test_a_file_that_has_become_shorter_is_no_photos_fault(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("a.jpg", bytes(5_000))])
    photos = open_photos(path)
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(OSError, match="has become shorter"):
        contents(photos, "a.jpg")
    Path(path).unlink()
    with pytest.raises(FileNotFoundError):
        contents(photos, "a.jpg")


def test_photos_that_travel_in_memory_are_few_at_a_time():
    jobs = [Job(n, b"x" * 100, f"{n}.jpg") for n in range(7)] + [Job(7, "a path", "7.jpg")]
    chunks = list(in_chunks(jobs, 4, carried_bytes, 250))
    assert [[job.row for job in chunk] for chunk in chunks] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [len(chunk) for chunk in in_chunks(range(9), 4)] == [4, 4, 1]


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


@pytest.mark.parametrize("kinds", [("tar", "tar", "tar"), ("tar", "zip", "tar")])
def test_a_folder_of_archives_is_read_as_if_they_were_unpacked(kinds, tmp_path, in_this_process):
    mat_path = write_original(tmp_path / "imdb_crop", people(20, 3))
    names = sorted(path.relative_to(tmp_path) for path in (tmp_path / "imdb_crop").rglob("*.jpg"))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/.DS_Store").touch()
    for number, kind in enumerate(kinds):
        members = [(name.as_posix(), (tmp_path / name).read_bytes()) for name in names[number::3]]
        members.append((members[0][0], b"an older one") if number == 0 else members[0])
        path = tmp_path / f"parts/{number}.{kind}"
        write_archive(path, members[::-1] if number == 0 else members)
    for photos, out in ((tmp_path / "imdb_crop", "one"), (tmp_path / "parts", "many")):
        done = run_preparation(
            *("--db_path", mat_path, "--photo_dir", photos, "--output_dir", tmp_path / out),
            *("--img_size", 32),
        )
        assert done.returncode == 0, done.stderr
    for path in (*(tmp_path / "one").rglob("*.jpg"), *(tmp_path / "one").glob("*.csv")):
        other = tmp_path / "many" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path


def test_of_several_archives_a_compressed_one_is_named(tmp_path):
    (tmp_path / "parts").mkdir()
    write_tar(tmp_path / "parts/a.tar", [("20_0_0_1.jpg", b"photo")])
    write_tar(tmp_path / "parts/b.tar.gz", [("21_0_0_1.jpg", b"photo")], "w:gz")
    done = run_preparation(
        *("--dataset", "utkface", "--photo_dir", tmp_path / "parts"),
        *("--output_dir", tmp_path / "out"),
    )
    assert_one_line(done, "b.tar.gz: is compressed; of several archives each must be plain")
    assert not (tmp_path / "out").exists()


def test_photos_beside_an_archive_are_a_folder_of_photos(tmp_path):
    write_tar(tmp_path / "a.tar", [("20_0_0_1.jpg", b"photo")])
    (tmp_path / "21_0_0_1.jpg").write_bytes(b"photo")
    assert open_photos(tmp_path).all_names() == ["21_0_0_1.jpg", "a.tar"]
