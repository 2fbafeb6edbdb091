"""The benchmark of the preparation's parts runs on a folder of photos."""

from benchmarks.preparation import compare_images
from tests.preparation.originals import people, write_original


def test_the_photos_that_pass_the_rules_are_measured_each_way(tmp_path, capsys):
    rows = people(3, photos_each=2)
    rows[0]["face_score"] = float("-inf")
    mat_path = write_original(tmp_path, rows)
    (tmp_path / rows[1]["full_path"]).unlink()
    measured = compare_images(mat_path, limit=None, rounds=1, workers=1)
    assert len(measured["images_per_second"]) == 4 and measured["start_up_seconds"] > 0
    assert "4 photos, 1 processes, medians of 1 rounds" in capsys.readouterr().out
    compare_images(mat_path, limit=2, rounds=1, workers=1)
    assert "2 photos, 1 processes" in capsys.readouterr().out
