"""Photos that are not there yet, and rules that leave nothing: a way out is there and is said."""

import json
import shutil
from pathlib import Path

import cv2
import pandas as pd
import pytest

from imdb_wiki.errors import StoppedError
from imdb_wiki.preparation import prepare as preparation
from imdb_wiki.preparation.inputs import refuse_vanished_photos
from imdb_wiki.preparation.journal import Journal
from imdb_wiki.preparation.photos import PhotoFolder
from tests.conftest import run_preparation
from tests.preparation.originals import people, photo, write_original
from tests.shared import assert_one_line

pytestmark = pytest.mark.usefixtures("in_this_process")


def content(output_dir: Path) -> dict[str, bytes]:
    """All crops and CSVs by name."""
    return {
        str(path.relative_to(output_dir)): path.read_bytes()
        for path in output_dir.rglob("*")
        if path.suffix in (".jpg", ".csv")
    }


@pytest.fixture
def original(tmp_path) -> Path:
    """A folder of 60 photos of 20 people; returns the .mat."""
    return write_original(tmp_path / "imdb_crop", people(20, 3))


def arguments(tmp_path: Path, *more: object) -> tuple:
    mat_path, output_dir = tmp_path / "imdb_crop/imdb.mat", tmp_path / "out"
    return ("--db_path", mat_path, "--output_dir", output_dir, "--img_size", 32, *more)


def hide(tmp_path: Path, pattern: str) -> dict[Path, bytes]:
    """Takes photos away; returns them by their paths."""
    hidden = {path: path.read_bytes() for path in (tmp_path / "imdb_crop").glob(pattern)}
    for path in hidden:
        path.unlink()
    return hidden


def bring_back(hidden: dict[Path, bytes]) -> None:
    for path, data in hidden.items():
        path.write_bytes(data)


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_photos_that_came_while_a_run_was_interrupted_are_prepared(original, tmp_path, monkeypatch):
    complete = tmp_path / "complete"
    run_preparation(*arguments(tmp_path), "--output_dir", complete)
    late = hide(tmp_path, "1*/*.jpg")
    cut = next((tmp_path / "imdb_crop").glob("0*/*.jpg"))  # was being copied
    late[cut] = cut.read_bytes()
    cut.write_bytes(late[cut][:300])
    monkeypatch.setattr(preparation, "same_picture_pairs", interrupt)
    run = run_preparation(*arguments(tmp_path))
    assert run.returncode == 130
    assert assert_one_line(run, code=130) == "stopped; the same command continues"
    bring_back(late)
    monkeypatch.undo()
    run = run_preparation(*arguments(tmp_path))
    assert run.returncode == 0, run.stderr
    assert content(tmp_path / "out") == content(complete)


def test_photos_that_come_while_crops_are_moved_wait_for_overwrite(original, tmp_path, monkeypatch):
    late = hide(tmp_path, "1*/*.jpg")
    run_preparation(*arguments(tmp_path), "--output_dir", tmp_path / "without")
    publish, moved = Journal.publish, []

    def publish_some(self, *names):
        moved.append(names)
        return publish(self, *names) if len(moved) < 10 else interrupt()

    monkeypatch.setattr(Journal, "publish", publish_some)
    assert run_preparation(*arguments(tmp_path)).returncode == 130
    bring_back(late)
    monkeypatch.undo()
    assert run_preparation(*arguments(tmp_path)).returncode == 0
    assert content(tmp_path / "out") == content(tmp_path / "without")
    again = run_preparation(*arguments(tmp_path))
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert f"{len(late)} photos are there now that were not" in again.stdout
    assert "--overwrite prepares them too" in again.stdout
    assert run_preparation(*arguments(tmp_path, "--overwrite")).returncode == 0
    assert json.loads((tmp_path / "out/report.json").read_text())["kept"] == 60
    assert "are there now" not in run_preparation(*arguments(tmp_path)).stdout


def test_photos_added_to_a_folder_that_is_prepared_are_said(tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    kinds = {".jpg": ".jpg", ".jfif": ".jpg", ".tif": ".tif", ".avif": ".avif", ".heic": ".jpg"}
    for n in range(40):
        suffix = list(kinds)[n % 5]
        data = cv2.imencode(kinds[suffix], photo(n))[1].tobytes()
        heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
        name = f"{n + 1}_{n // 5 % 2}_0_{n:017d}{suffix}"
        (faces / name).write_bytes(heic if suffix == ".heic" else data)
    (faces / "notes.txt").touch()
    command = ("--dataset", "utkface", "--photo_dir", faces, "--output_dir", tmp_path / "out")
    run = run_preparation(*command, "--img_size", 32)
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["rows"], report["kept"]) == (40, 32)
    rejects = pd.read_csv(tmp_path / "out/rejects.csv")
    assert set(rejects["rule"]) == {"unreadable_image"}
    assert set(rejects["detail"]) == {"HEIC is not read here: save it as JPEG first"}
    assert "1 files are no photos by their names: notes.txt" in run.stdout
    assert "are there now" not in run_preparation(*command, "--img_size", 32).stdout
    for n in (50, 51):
        cv2.imwrite(str(faces / f"{n}_0_0_{n:017d}.jpg"), photo(n))
    run = run_preparation(*command, "--img_size", 32)
    assert "2 photos are there now that were not" in run.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--min_score", 9), "of 60 rows no image is left: low_score 60 (such as "),
        (("--test_ratio", 0.29), "3 images leave none for "),
        (("--split_file", "{dir}/other.json"), "of the photos that it lists there are none"),
    ],
)
def test_after_rules_that_leave_too_little_other_arguments_need_no_overwrite(wrong, said, tmp_path):
    rows = people(20, 3)
    if "--test_ratio" in wrong:
        rows = rows[:3] + [row | {"face_score": 0.1} for row in rows[3:]]
        said += "val"
    write_original(tmp_path / "imdb_crop", rows)
    (tmp_path / "other.json").write_text('{"val": ["0123456789ab"], "test": ["ba9876543210"]}')
    wrong = [str(text).format(dir=tmp_path) for text in wrong]
    run = run_preparation(*arguments(tmp_path, *wrong))
    line = assert_one_line(run, said)
    if "--test_ratio" in wrong:
        assert "; left out: low_score 57 (such as " in line
    assert not (tmp_path / "out").exists()
    better = ("--min_score", 0, "--seed", 3)
    assert run_preparation(*arguments(tmp_path, *better)).returncode == 0


def test_where_no_photo_is_there_one_that_was_looked_for_is_named(original, tmp_path):
    hidden = hide(tmp_path, "*/*.jpg")
    run = run_preparation(*arguments(tmp_path))
    assert_one_line(run, "no image is left: missing_file 60 (such as 01/nm0000001_rm3_")
    bring_back(hidden)
    assert run_preparation(*arguments(tmp_path)).returncode == 0


def test_photos_whose_folder_has_gone_are_not_taken_for_missing(tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    names = [f"{n}.jpg" for n in range(4)]
    for name in names[:3]:
        (faces / name).touch()
    table = pd.DataFrame({"source": names, "rule": ["", "", "", "missing_file"]})
    photos = PhotoFolder(faces)
    refuse_vanished_photos(table, photos)  # one is missing, the others are there
    for name in names[:3]:
        (faces / name).unlink()
    with pytest.raises(StoppedError, match="not there any more"):
        refuse_vanished_photos(table, photos)
    refuse_vanished_photos(table.assign(rule=""), photos)  # all had been read
    shutil.rmtree(faces)
    with pytest.raises(StoppedError, match="not there any more"):
        refuse_vanished_photos(table, photos)
