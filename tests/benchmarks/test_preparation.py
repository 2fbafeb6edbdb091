"""The benchmark of the preparation runs on a folder of photos: its parts, and the whole command."""

import shutil
from pathlib import Path

import pytest

from benchmarks import preparation as benchmark
from benchmarks.preparation import (
    WITHOUT_HASHES,
    compare_images,
    crops_without_hashes,
    plain_seconds_each,
)
from imdb_wiki.preparation.crops import Job, make_crops
from tests.preparation.originals import people, write_original


@pytest.fixture
def mat_path(tmp_path):
    """24 rows in a folder, of which the first is rejected and the second has no photo."""
    rows = people(12, photos_each=2)
    rows[0]["face_score"] = float("-inf")
    path = write_original(tmp_path / "imdb_crop", rows)
    (path.parent / rows[1]["full_path"]).unlink()
    return path


def test_the_photos_that_pass_the_rules_are_measured_each_way(mat_path, capsys):
    measured = compare_images(mat_path, limit=None, rounds=1, workers=1)
    assert len(measured["images_per_second"]) == 5 and measured["start_up_seconds"] > 0
    said = capsys.readouterr().out
    assert "22 photos, 1 processes, medians of 1 rounds" in said
    assert f"  {WITHOUT_HASHES} " in said
    compare_images(mat_path, limit=2, rounds=1, workers=1)
    assert "2 photos, 1 processes" in capsys.readouterr().out


def test_without_hashes_the_crops_are_the_same(mat_path, tmp_path):
    photos = sorted(mat_path.parent.glob("**/*.jpg"))
    jobs = [Job(row, str(path), f"{row}.jpg") for row, path in enumerate(photos)]
    (tmp_path / "other").mkdir()
    (tmp_path / "crops").mkdir()
    ways = {"crops": make_crops, "other": crops_without_hashes}
    made = {
        name: way(jobs, folder=tmp_path / name, size=32, jpeg_quality=95)
        for name, way in ways.items()
    }
    for job, one, other in zip(jobs, *made.values(), strict=True):
        assert one._replace(picture_hash=0) == other
        assert one.picture_hash
        first, second = (tmp_path / name / job.crop_name for name in ways)
        assert first.read_bytes() == second.read_bytes()


def test_the_whole_command_is_measured_on_few_rows_and_on_all(mat_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "FEW_ROWS", 16)
    benchmark.main(["--db_path", str(mat_path), "--only_whole", "--rounds", "1", "--workers", "1"])
    _, title, *lines = capsys.readouterr().out.splitlines()
    measured = [dict(zip(title.split(), line.split(), strict=True)) for line in lines]
    assert [(line["rows"], line["photos"]) for line in measured] == [("16", "14"), ("24", "22")]
    for line in measured:
        seconds, plain = float(line["seconds"]), float(line["plain"])
        steps = [float(line[name]) for name in title.split()[5:-1]]
        assert sum(steps) == pytest.approx(seconds, abs=0.1)  # each step, and the rest
        assert plain < seconds and float(line["MB"]) > 50


def test_the_plain_way_is_measured_on_photos_of_an_archive(tmp_path):
    folder = write_original(tmp_path / "imdb_crop", people(4)).parent
    archive = shutil.make_archive(str(folder), "tar", tmp_path, folder.name)
    (tmp_path / "photos").mkdir()
    assert plain_seconds_each(Path(archive), tmp_path / "photos") > 0
    assert len(list((tmp_path / "photos").iterdir())) == 12
