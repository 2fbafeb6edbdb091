"""Archives of photos, read in place as if they were unpacked."""

import tarfile
import zipfile

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.parallel import in_chunks
from imdb_wiki.preparation.crops import Job, carried_bytes
from imdb_wiki.preparation.photos import open_photos
from tests.conftest import run_preparation
from tests.preparation.archive_files import KINDS, contents, write_archive, write_tar, write_zip
from tests.preparation.originals import people, write_original
from tests.shared import assert_one_line


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


def test_photos_that_travel_in_memory_are_few_at_a_time():
    jobs = [Job(n, b"x" * 100, f"{n}.jpg") for n in range(7)] + [Job(7, "a path", "7.jpg")]
    chunks = list(in_chunks(jobs, 4, carried_bytes, 250))
    assert [[job.row for job in chunk] for chunk in chunks] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [len(chunk) for chunk in in_chunks(range(9), 4)] == [4, 4, 1]


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
