"""Photos to crops: what becomes of each, and what is written."""

import os
from functools import partial

import cv2
import pytest
from PIL import Image

from imdb_wiki.images.pixels import decode, encode, square
from imdb_wiki.parallel import in_chunks, run_parallel
from imdb_wiki.preparation.crops import Job, Outcome, carried_bytes, make_crops
from imdb_wiki.preparation.hashes import perceptual_hashes
from tests.images.encoded import encoded
from tests.preparation.originals import photo
from tests.shared import files_of_at_most


def test_outcomes_say_what_became_of_each_photo(tmp_path):
    (tmp_path / "good.jpg").write_bytes(encoded(Image.new("RGB", (50, 40)), "JPEG"))
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    names = ["good", "text", "folder", "pipe", "absent", "\ud800"]  # that is no character
    jobs = [Job(n, str(tmp_path / f"{name}.jpg"), f"{n}.jpg") for n, name in enumerate(names)]
    (tmp_path / "out").mkdir()
    outcomes = make_crops(jobs, tmp_path / "out", 32, 95)
    assert [outcome.rule for outcome in outcomes] == [
        *("", "unreadable_image", "missing_file", "missing_file", "missing_file", "missing_file")
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.jpg"]
    assert cv2.imread(str(tmp_path / "out/0.jpg")).shape == (32, 32, 3)


def test_workers_give_the_same_crops_as_this_process(tmp_path):
    for name in ("photos", "here", "there"):
        (tmp_path / name).mkdir()
    jobs = []
    for n in range(12):
        cv2.imwrite(str(tmp_path / f"photos/{n}.jpg"), photo(n))
        jobs.append(Job(n, str(tmp_path / f"photos/{n}.jpg"), f"{n}.jpg"))
    here = make_crops(jobs, tmp_path / "here", 32, 95)
    work = partial(make_crops, folder=tmp_path / "there", size=32, jpeg_quality=95)
    chunks = run_parallel(work, in_chunks(jobs, 5), 2)
    assert sorted(outcome for chunk in chunks for outcome in chunk) == here
    for n in range(12):
        name = f"{n}.jpg"
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path / "in", tmp_path / "out"


def test_an_outcome_names_its_row_and_what_is_wrong(folders):
    (folders[0] / "text.jpg").write_text("hello")
    (folders[0] / "loop.jpg").symlink_to("loop.jpg")
    photos = [str(folders[0] / f"{name}.jpg") for name in ("text", "absent", "loop", "\ud800")]
    jobs = [Job(row, path, "a.jpg") for row, path in zip((9, 7, 5, 3), photos, strict=True)]
    assert make_crops(jobs, folders[1], 32, 95) == [
        Outcome(9, "unreadable_image", "not an image", "", None),
        Outcome(7, "missing_file", "", "", None),
        Outcome(5, "missing_file", "Too many levels of symbolic links", "", None),
        Outcome(3, "missing_file", "no file can have this name", "", None),
    ]


def test_files_have_a_digest_and_crops_a_hash(folders):
    photos = [encode(photo(number), 90).tobytes() for number in (0, 1, 0)]
    photos.append(photos[0] + b"\0")  # another file, the same picture
    photos.insert(2, b"no photo")
    names = [f"{number}.jpg" for number in range(5)]
    jobs = [Job(row, data, names[row]) for row, data in enumerate(photos)]
    outcomes = make_crops(jobs, folders[1], 32, 90)
    assert [outcome.row for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [(outcome.rule, outcome.detail) for outcome in outcomes] == [
        *(("", ""), ("", ""), ("unreadable_image", "not an image"), ("", ""), ("", ""))
    ]
    digests = [outcome.digest for outcome in outcomes]
    assert digests[0] == digests[3] and len({*digests[:2], digests[4], ""}) == 4
    crops = [(folders[1] / name).read_bytes() for name in names if name != "2.jpg"]
    hashes = [outcome.picture_hash for outcome in outcomes if outcome.rule == ""]
    assert hashes == perceptual_hashes(crops).tolist()
    assert hashes[0] == hashes[2] == hashes[3] != hashes[1]


def test_crops_have_the_quality_that_is_asked_for_and_the_mode_of_any_file(folders):
    data = encode(photo(0, 64, 64), 100).tobytes()
    before = os.umask(0o022)
    try:
        for quality in (20, 90):
            make_crops([Job(0, data, f"{quality}.jpg")], folders[1], 64, quality)
            written = (folders[1] / f"{quality}.jpg").read_bytes()
            assert written == encode(square(decode(data, 64), 64), quality).tobytes()
            assert (folders[1] / f"{quality}.jpg").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_crop_is_whole_though_the_system_writes_it_in_parts(folders, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, bytes(content[:100])))
    data = encode(photo(0, 64, 64), 100).tobytes()
    make_crops([Job(0, data, "a.jpg")], folders[1], 64, 90)
    expected = encode(square(decode(data, 64), 64), 90).tobytes()
    assert len(expected) > 300
    assert (folders[1] / "a.jpg").read_bytes() == expected


def test_a_full_disk_is_said_with_the_crops_name(folders):
    data = encode(photo(0, 64, 64), 100).tobytes()
    with files_of_at_most(100), pytest.raises(OSError, match="too large") as error:
        make_crops([Job(0, data, "a.jpg")], folders[1], 64, 90)
    assert str(error.value.filename) == str(folders[1] / "a.jpg")


def test_a_job_carries_the_bytes_of_its_photo_if_it_has_them():
    assert carried_bytes(Job(0, b"12345", "a.jpg")) == 5
    assert carried_bytes(Job(0, "12345.jpg", "a.jpg")) == carried_bytes(Job(0, None, "a.jpg")) == 0
