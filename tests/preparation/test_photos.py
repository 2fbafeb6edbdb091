"""Folders of photos: what is listed, and that no link leads out of them."""

import os
import tarfile

import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.images.names import IMAGE_SUFFIXES, is_image_name
from imdb_wiki.images.reading import FolderPhoto, MissingPhotoError, read_bytes
from imdb_wiki.prediction.stream import list_photos
from imdb_wiki.preparation.crops import Job
from imdb_wiki.preparation.photos import PhotoFolder, open_photos


def test_files_are_listed_in_order_and_images_known_by_their_names(tmp_path):
    for name in ("b.jpg", "a/c.JPG", "a/d.jfif", "notes.txt", "photo.HEIC"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    names = PhotoFolder(tmp_path).all_names()
    assert names == ["a/c.JPG", "a/d.jfif", "b.jpg", "linked", "notes.txt", "photo.HEIC"]
    images = [name for name in names if is_image_name(name)]
    assert images == ["a/c.JPG", "a/d.jfif", "b.jpg", "photo.HEIC"]


def test_what_is_prepared_in_a_folder_is_predicted_too_and_nothing_else(tmp_path):
    images = [f"{number:02}{suffix}" for number, suffix in enumerate(IMAGE_SUFFIXES)]
    for name in (*images, "notes.txt", "clip.mp4"):
        (tmp_path / name).touch()
    assert [name for name in PhotoFolder(tmp_path).all_names() if is_image_name(name)] == images
    assert [photo.name for photo in list_photos([tmp_path])] == images


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_said(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(PermissionError):
        PhotoFolder(tmp_path).all_names()


def read(folder, *names):
    """What comes of each photo: its bytes, or why it is missing."""
    photos, results = PhotoFolder(folder), {}
    for job in photos.jobs(pd.DataFrame({"source": names, "crop_name": names})):
        try:
            results[job.crop_name] = read_bytes(job.photo).decode()
        except MissingPhotoError as error:
            results[job.crop_name] = f"missing {error}".strip()
        assert photos.holds(job.crop_name) == (not results[job.crop_name].startswith("missing"))
    return results


def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path):
    inside, outside = tmp_path / "photos", tmp_path / "elsewhere"
    for folder in (inside / "00", outside):
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_text(folder.name)
    (tmp_path / "photos2").mkdir()  # its name begins like the folder's
    (tmp_path / "photos2/a.jpg").write_text("secret")
    (inside / "file.jpg").symlink_to(outside / "a.jpg")
    (inside / "relative.jpg").symlink_to("../photos2/a.jpg")
    (inside / "folder").symlink_to(outside)
    (inside / "again").symlink_to("folder")  # a link to a link
    (inside / "within.jpg").symlink_to("00/a.jpg")
    (inside / "01").symlink_to("00")
    (inside / "round.jpg").symlink_to("round.jpg")
    (inside / "nowhere.jpg").symlink_to("absent.jpg")
    left = "missing a link leads out of the photos' folder"
    expected = {
        "00/a.jpg": "00",
        "within.jpg": "00",
        "01/a.jpg": "00",
        "file.jpg": left,
        "relative.jpg": left,
        "folder/a.jpg": left,
        "again/a.jpg": left,
        "round.jpg": "missing Too many levels of symbolic links",
        "nowhere.jpg": "missing",
        "absent/a.jpg": "missing",
        "00": "missing",
    }
    assert read(inside, *expected) == expected
    (tmp_path / "linked").symlink_to(inside)  # the folder itself may be one
    assert read(tmp_path / "linked", *expected) == expected


def test_another_mat_in_the_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no imdb\.mat; --db_path names one"):
        PhotoFolder(tmp_path).mat("imdb.mat")
    (tmp_path / "wiki.mat").touch()
    with pytest.raises(InputError, match=r"holds wiki\.mat, not imdb\.mat; add --dataset wiki"):
        PhotoFolder(tmp_path).mat("imdb.mat")


def test_a_mat_is_read_from_its_folder(tmp_path):
    (tmp_path / "imdb.mat").write_bytes(b"MATLAB")
    assert PhotoFolder(tmp_path).mat("imdb.mat") == b"MATLAB"


def test_a_folder_that_is_gone_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        PhotoFolder(tmp_path / "gone").all_names()


def test_photos_lie_in_a_folder_or_an_archive(tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/a.jpg").touch()
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        archive.add(tmp_path / "faces/a.jpg", "b.jpg")
    folder, archive = open_photos(tmp_path / "faces"), open_photos(tmp_path / "faces.tar")
    assert (folder.path, folder.all_names()) == (tmp_path / "faces", ["a.jpg"])
    assert (archive.path, archive.all_names()) == (tmp_path / "faces.tar", ["b.jpg"])


@pytest.mark.parametrize("name", ["absent", "pipe"])
def test_what_is_neither_folder_nor_archive_is_said(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=f"{tmp_path / name}: no such folder or archive"):
        open_photos(tmp_path / name)


def test_each_photo_is_paired_with_its_row(tmp_path):
    frame = pd.DataFrame({"source": ["x/a.jpg", "b.jpg"], "crop_name": ["a", "b"]}, index=[4, 7])
    photos = [FolderPhoto(str(tmp_path), source) for source in frame["source"]]
    jobs = list(PhotoFolder(tmp_path).jobs(frame))
    assert jobs == [Job(4, photos[0], "a"), Job(7, photos[1], "b")]
