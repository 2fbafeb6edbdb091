import io
import os
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.photos import PhotoFolder, open_photos
from tests.conftest import run_preparation
from tests.originals import people, write_original


def write_tar(path, members, mode="w"):
    """An archive of (name, content) members; a content that is a TarInfo is added as it is."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)
    return path


def test_images_are_listed_in_order_and_nothing_else(tmp_path):
    for name in ("b.jpg", "a/c.JPG", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert PhotoFolder(tmp_path).image_names() == ["a/c.JPG", "b.jpg"]


def test_an_archive_lists_the_same_names_as_its_folder(tmp_path):
    members = [(f"./faces/{name}", b"x") for name in ("b.jpg", "a/c.JPG", "notes.txt")]
    photos = open_photos(write_tar(tmp_path / "faces.tar", members))
    assert photos.image_names() == ["a/c.JPG", "b.jpg"]


@pytest.mark.parametrize("compression", ["", "gz"])
def test_the_same_bytes_come_from_the_archive_as_from_the_folder(tmp_path, compression):
    mat_path = write_original(tmp_path / "imdb_crop", people(20, 3))
    (tmp_path / "imdb_crop/02/empty.jpg").write_bytes(b"")
    (tmp_path / "imdb_crop/01").rename(tmp_path / "imdb_crop/gone")
    archive_path = tmp_path / "imdb_crop.tar"
    with tarfile.open(archive_path, f"w:{compression}" if compression else "w") as archive:
        archive.add(tmp_path / "imdb_crop", "imdb_crop")
    options = ("--img_size", 32, "--workers", 2)
    folder_run = run_preparation("--db_path", mat_path, "--output_dir", tmp_path / "a", *options)
    inside = run_preparation("--photo_dir", archive_path, "--output_dir", tmp_path / "b", *options)
    outside = run_preparation(
        *("--photo_dir", archive_path, "--db_path", mat_path),
        *("--output_dir", tmp_path / "c", *options),
    )
    for run in (folder_run, inside, outside):
        assert run.returncode == 0, run.stderr
    results = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.suffix in (".jpg", ".csv")
        }
        for name in ("a", "b", "c")
    ]
    assert len(results[0]) == 57 + 4  # three photos are gone
    assert results[0] == results[1] == results[2]
    assert not (tmp_path / "b/imdb_crop").exists()  # never unpacked


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
                ("/absolute.jpg", b"out"),
            ],
        )
    )
    assert photos.image_names() == ["good.jpg", "hard.jpg"]
    table = pd.DataFrame({"source": ["good.jpg", "hard.jpg"], "crop_name": ["a.jpg", "b.jpg"]})
    good, hard = (job.photo for job in photos.jobs(table))
    assert good == hard  # as when unpacking


def test_of_two_members_with_one_name_the_last_counts(tmp_path):
    members = [("c/a.jpg", b"old"), ("c/b.jpg", b"b"), ("c/a.jpg", b"new!")]
    for mode in ("w", "w:gz"):
        photos = open_photos(write_tar(tmp_path / f"{mode[-1]}.tar", members, mode))
        table = pd.DataFrame({"source": ["a.jpg"], "crop_name": ["a.jpg"]})
        (job,) = photos.jobs(table)
        content = job.photo if mode == "w:gz" else None
        if content is None:
            archive_bytes = Path(job.photo.path).read_bytes()
            content = archive_bytes[job.photo.offset :][: job.photo.size]
        assert content == b"new!"


@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_cut_archive_is_said(tmp_path, share, compression):
    members = [(f"c/{n}.jpg", bytes([n]) * 3_000) for n in range(50)]
    path = write_tar(tmp_path / "a.tar", members, f"w:{compression}" if compression else "w")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"a\.tar"):
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


@pytest.mark.parametrize("content", [b"hello" * 500, b"\x1f\x8b" + bytes(500)])
def test_what_is_no_archive_is_said(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(InputError, match="not a whole tar archive"):
        open_photos(tmp_path / "a.tar")


def test_a_pipe_is_no_archive_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(InputError, match="no such folder or archive"):
        open_photos(tmp_path / "a.tar")


def test_an_archive_without_the_mat_is_said(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("crop/a.jpg", b"x")])
    run = run_preparation("--photo_dir", path, "--output_dir", tmp_path / "out")
    assert run.returncode == 2
    assert "holds no imdb.mat" in run.stderr
