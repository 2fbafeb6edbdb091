"""Drawings and answers on disk: none of somebody else's files is replaced, and none is cut."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from imdb_wiki.prediction import stream as prediction_stream
from imdb_wiki.prediction.output import COLUMNS
from tests.shared import assert_one_line, files_of_at_most


def test_photos_are_drawn_and_none_is_written_over(run, portrait, tmp_path):
    photos, drawn = tmp_path / "photos", tmp_path / "photos" / "drawn"
    (photos / "deeper").mkdir(parents=True)
    for name in ("a.png", "a.jpg", "deeper/b.png"):
        portrait.save(photos / name)
    (photos / "broken.jpg").write_bytes(b"")
    before = {path: path.read_bytes() for path in photos.rglob("*.*g")}
    for _ in range(2):  # the second time, what was drawn is not taken for photos
        code, lines, errors = run(photos, "--output_dir", drawn)
        assert (code, len(lines), errors) == (0, 5, [])
        names = sorted(str(path.relative_to(drawn)) for path in drawn.rglob("*.*"))
        assert names == ["a-2.jpg", "a.jpg", "deeper/b.jpg"]
    assert {path: path.read_bytes() for path in before} == before
    picture = cv2.cvtColor(cv2.imread(str(drawn / "a.jpg")), cv2.COLOR_BGR2RGB)
    assert picture.shape == (640, 640, 3)  # enlarged, for the letters' sake
    changed = cv2.absdiff(picture, np.asarray(portrait.resize((640, 640)))).max(axis=2) > 90
    assert changed[:310, 200:480].sum() > 2000  # a box and a label at the face
    assert changed.sum() - changed[:310, 200:480].sum() < 100


def test_a_photo_beside_its_drawing_is_not_written_over(run, portrait, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    portrait.save("a.jpg")
    before = Path("a.jpg").read_bytes()
    assert run("a.jpg", "--output_dir", ".")[0] == 0
    assert Path("a.jpg").read_bytes() == before
    assert Path("a-2.jpg").is_file()


@pytest.mark.parametrize("again", [False, True])
def test_another_photo_of_the_drawings_name_is_not_written_over(
    run, portrait, tmp_path, monkeypatch, again
):
    monkeypatch.chdir(tmp_path)
    portrait.save("IMG_1.png")
    Image.fromarray(skimage.data.cat()).save("IMG_1.jpg")
    Path("IMG_1-2.jpg").mkdir()
    before = Path("IMG_1.jpg").read_bytes()
    for _ in range(1 + again):  # what an earlier run drew is replaced
        assert run("IMG_1.png", "--crops", "--output_dir", ".")[0] == 0
    assert Path("IMG_1.jpg").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("IMG_1-2.jpg", "IMG_1-3.jpg", "IMG_1.jpg", "IMG_1.png"),
    ]


FOREIGN = {  # files that people have, by name
    "notes.csv": b"name,age\nEva,31\n",
    "edited.csv": b"photo;left;top;right;bottom;score\na.jpg;1;2;3;4;0.9\n",
    "with_notes.csv": f"{','.join(COLUMNS)},my notes\n".encode(),
    "answers.json": b'{"photo": "a.jpg"}',
    "photo.jpg": b"\xff\xd8\xff\xe0 a photo",
    "long": bytes(5_000_000),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_a_file_of_somebody_else_is_not_written_over(refused, portrait, tmp_path, option, name):
    portrait.save(tmp_path / "a.png")
    (tmp_path / name).write_bytes(FOREIGN[name])
    error = refused(tmp_path / "a.png", option, tmp_path / name)
    assert error.startswith(f"error: {tmp_path / name} exists and is not an earlier ")
    assert (tmp_path / name).read_bytes() == FOREIGN[name]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.png", name])


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_an_earlier_result_an_empty_file_and_a_device_are_written(
    run, refused, portrait, tmp_path, option
):
    portrait.save(tmp_path / "a.png")
    path, link = tmp_path / "new" / "faces", tmp_path / "link"
    assert run(tmp_path / "a.png", "--crops", option, path)[0] == 0  # also makes the folder
    first = path.read_text()
    path.write_text("")
    link.symlink_to(path)
    Path(f"{path}.part").write_text(first[:-20])  # as a killed run leaves it
    for target in (path, path, link, "/dev/null"):
        assert run(tmp_path / "a.png", "--crops", option, target)[0] == 0
        assert path.read_text() == first
    assert link.is_symlink()
    assert [p.name for p in path.parent.iterdir()] == ["faces"]
    error = refused(tmp_path / "a.png", "--crops", option, path.parent)
    assert error == f"error: {path.parent} is a folder: give the name of a file"


def test_a_run_that_fails_leaves_the_older_results(run, refused, portrait, tmp_path):
    portrait.save(tmp_path / "a.png")
    targets = ("--crops", "--json", tmp_path / "faces.json", "--csv", tmp_path / "faces.csv")
    assert run(tmp_path / "a.png", *targets)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "no.keras").write_text("no model")
    assert "no.keras" in refused(tmp_path / "a.png", *targets, model=tmp_path / "no.keras")
    (tmp_path / "no.keras").unlink()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_on_a_full_disk_the_answers_are_whole_and_the_rest_goes_on(run, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        Image.new("RGB", (40, 30), "grey").save(photos / name)
    path = tmp_path / "faces.json"
    assert run(photos, "--crops", "--json", path)[0] == 0
    whole = path.read_bytes()
    one, two = (whole.index(b',\n  {"photo": "' + name) for name in (b"b.png", b"c.png"))
    for room, count, messages in (
        (one - 1, 0, ["it is not written"]),
        (one + 2, 0, ["it ends before this answer", "it is not written"]),  # no room for its end
        (one + 3, 1, ["it ends before this answer"]),
        (two + 100, 2, ["it ends before this answer"]),
        (len(whole), 3, []),
    ):
        older = b'[\n  {"photo": "older.jpg", "faces": []}\n]\n'
        path.write_bytes(older)
        with files_of_at_most(room):
            code, lines, errors = run(photos, "--crops", "--json", path)
        assert (code, len(lines)) == (2 if messages else 0, 1 + 3)
        assert errors == [f"error: {path}: File too large; {message}" for message in messages]
        if count:
            assert [photo["photo"] for photo in json.loads(path.read_text())] == names[:count]
        else:
            assert path.read_bytes() == older
        assert sorted(p.name for p in tmp_path.iterdir()) == ["faces.json", "photos"]


def test_on_a_full_disk_no_drawing_is_cut_and_the_others_are_drawn(predicted, portrait, tmp_path):
    photos, drawn = tmp_path / "photos", tmp_path / "drawn"
    photos.mkdir()
    portrait.save(photos / "a.png")
    Image.new("RGB", (64, 64), "white").save(photos / "b.png")
    with files_of_at_most(20_000):
        done = predicted(photos, "--crops", "--output_dir", drawn, "--csv", tmp_path / "faces.csv")
    assert assert_one_line(done) == f"error: {drawn / 'a.jpg'}: File too large"
    assert len(done.stdout.splitlines()) == 3
    assert [path.name for path in drawn.iterdir()] == ["b.jpg"]
    assert cv2.imread(str(drawn / "b.jpg")).shape == (640, 640, 3)
    with (tmp_path / "faces.csv").open(newline="") as file:
        assert [row["photo"] for row in csv.DictReader(file)] == ["a.png", "b.png"]


def test_drawings_do_not_go_among_the_photos_of_a_folder(refused, portrait, tmp_path):
    portrait.save(tmp_path / "a.jpg")
    assert "name another folder" in refused(tmp_path, "--output_dir", tmp_path)


@pytest.mark.parametrize("target", ["--json", "--csv", "--output_dir"])
def test_where_nothing_can_be_written_one_line_says_so(predicted, portrait, tmp_path, target):
    portrait.save(tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    done = predicted(tmp_path / "a.png", target, tmp_path / "file" / "below")
    assert_one_line(done, str(tmp_path / "file"))


def test_what_was_answered_is_written_when_the_run_is_stopped(
    predicted, portrait, tmp_path, monkeypatch
):
    monkeypatch.setattr(prediction_stream, "PHOTOS_AT_ONCE", 1)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        portrait.save(photos / name)
    read_photo = prediction_stream.read_photo

    def stopped(path):
        if path.name == "b.png":
            raise KeyboardInterrupt
        return read_photo(path)

    monkeypatch.setattr(prediction_stream, "read_photo", stopped)
    assert_one_line(predicted(photos, "--json", tmp_path / "faces.json"), "stopped", code=130)
    assert [p["photo"] for p in json.loads((tmp_path / "faces.json").read_text())] == ["a.png"]


def test_a_list_of_somebody_elses_faces_is_not_replaced(refused, portrait, tmp_path):
    portrait.save(tmp_path / "a.png")
    path = tmp_path / "own.json"
    own = '{"project": "mine", "items": [{"photo": "a.jpg", "faces": [1, 2]}], "note": "years"}'
    path.write_text(own)
    assert "own.json" in refused(tmp_path / "a.png", "--crops", "--json", path)
    assert path.read_text() == own
