"""The command on photos: what it answers, and to which model and command line."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import imdb_wiki_predict
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.prediction import faces as prediction
from tests.conftest import REPOSITORY
from tests.prediction.photos import edges, saved
from tests.prepared import write_prepared
from tests.shared import assert_one_line, ended, ran, write_description

# Edges of the astronaut's face in its 512 × 512 pixels, see test_detection.
FACE = (182, 66, 268, 175)


def test_a_photo_gives_a_line_a_face(run, portrait, tmp_path):
    portrait.save(tmp_path / "portrait.png")
    code, (title, line), errors = run(tmp_path / "portrait.png")
    assert (code, errors) == (0, [])
    assert "90% interval" in title
    name, _, _, _, _, age, interval, gender, percent = line.split()
    assert name == line[: len(name)]
    assert name.endswith("portrait.png")
    assert edges(line) == pytest.approx(FACE, abs=11)
    low, high = map(float, interval.split("–"))
    assert low <= float(age) <= high
    assert gender in ("female", "male")
    assert 50 <= int(percent.rstrip("%")) <= 99


def test_json_csv_and_table_say_the_same_of_a_folder(run, portrait, tmp_path):
    photos = tmp_path / "photos"
    (photos / "deeper").mkdir(parents=True)
    portrait.save(photos / "a.PNG")
    two = Image.new("RGB", (1024, 512))
    two.paste(portrait, (0, 0))
    two.paste(portrait, (512, 0))
    two.save(photos / "deeper" / "b.jpg", quality=95)
    Image.new("RGB", (300, 200), "white").save(photos / "c.webp")
    (photos / "d.jpg").write_text("no photo")
    (photos / "notes.txt").write_text("no photo either, but it does not say that it is one")
    code, lines, errors = run(
        *(photos, tmp_path / "gone.jpg"),
        *("--json", tmp_path / "faces.json", "--csv", tmp_path / "faces.csv"),
    )
    assert (code, errors) == (0, [])
    assert len(lines) == 1 + 6
    assert lines[1].startswith("a.PNG ")
    assert lines[2].split()[0] == "c.webp"
    assert lines[2].endswith("  no face found")
    assert lines[3].endswith("  not an image")
    assert edges(lines[4]) == pytest.approx(FACE, abs=11)
    assert edges(lines[5]) == pytest.approx(np.add(FACE, (512, 0, 512, 0)), abs=11)
    assert lines[6].endswith("gone.jpg  no such file")

    answers = json.loads((tmp_path / "faces.json").read_text())
    assert [photo["photo"] for photo in answers] == [
        *("a.PNG", "c.webp", "d.jpg", "deeper/b.jpg"),
        str(tmp_path / "gone.jpg"),
    ]
    assert [len(photo["faces"]) for photo in answers] == [1, 0, 0, 2, 0]
    assert [photo["error"] for photo in answers] == [
        *(None, None, "not an image", None, "no such file")
    ]
    assert (answers[3]["width"], answers[3]["height"]) == (1024, 512)
    faces = [face for photo in answers for face in photo["faces"]]
    for face, line in zip(faces, [lines[1], *lines[4:6]], strict=True):
        assert edges(line) == [round(face[name]) for name in ("left", "top", "right", "bottom")]
        assert face["age_low_years"] <= face["age_years"] <= face["age_high_years"]
        assert f"{face['age_years']:.1f}" in line

    with (tmp_path / "faces.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["error"] for row in rows] == [
        *("", "no face found", "not an image", "", "", "no such file")
    ]
    for face, row in zip(faces, [row for row in rows if row["left"]], strict=True):
        assert {name: row[name] for name in face} == {name: str(v) for name, v in face.items()}


@pytest.mark.parametrize("target", ["--json", "--csv"])
def test_answers_can_go_to_the_screen_alone(run, portrait, tmp_path, target):
    portrait.save(tmp_path / "a.png")
    code, lines, errors = run(tmp_path / "a.png", target, "-")
    assert (code, errors) == (0, [])
    text = "\n".join(lines)
    if target == "--json":
        assert len(json.loads(text)[0]["faces"]) == 1
    else:
        assert len(list(csv.DictReader(io.StringIO(text)))) == 1


def test_orientation_marks_are_honoured(run, portrait, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    portrait.rotate(90, expand=True).save(tmp_path / "a.jpg", exif=exif, quality=95)
    _, (_, line), _ = run(tmp_path / "a.jpg")
    assert edges(line) == pytest.approx(FACE, abs=11)


@pytest.mark.parametrize("kind", ["CMYK", "L", "RGBA", "animated GIF", "animated WebP"])
def test_photos_of_other_kinds_are_read(run, portrait, tmp_path, kind):
    path = tmp_path / "photo"
    if kind.startswith("animated"):
        others = [Image.new("RGB", portrait.size, colour) for colour in ("red", "blue")]
        data = saved(portrait, kind.split()[1], save_all=True, append_images=others)
    else:
        data = saved(portrait.convert(kind), "PNG" if kind == "RGBA" else "JPEG")
    path.write_bytes(data)  # without a suffix: it is what it is
    code, (_, line), errors = run(path)
    assert (code, errors) == (0, [])
    assert edges(line) == pytest.approx(FACE, abs=11)


def test_one_pixel_has_no_face(run, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    code, (_, line), errors = run(tmp_path / "one.png")
    assert (code, errors) == (0, [])
    assert line.endswith("no face found")


def test_crops_are_not_searched_for_faces(run, tmp_path):
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "crop.png")
    code, (_, line), errors = run(tmp_path / "crop.png", "--crops")
    assert (code, errors) == (0, [])
    assert edges(line) == [0, 0, 40, 30]


def test_a_full_standard_output_is_named(model_path, tmp_path):
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "a.png")
    command = [sys.executable, "imdb_wiki_predict.py", tmp_path / "a.png", "--crops"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "--model", model_path],
            cwd=REPOSITORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert assert_one_line(done) == "error: standard output: No space left on device"


def test_a_closed_standard_output_takes_nothing_from_the_files(
    model_path, loaded_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(prediction, "load_predictor", lambda path, margin: loaded_model)
    monkeypatch.setattr(sys, "stdout", None)
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "a.png")
    arguments = [
        tmp_path / "a.png",
        "--crops",
        "--model",
        model_path,
        "--json",
        tmp_path / "a.json",
    ]
    assert imdb_wiki_predict.main(list(map(str, arguments))) == 0
    assert len(json.loads((tmp_path / "a.json").read_text())) == 1


def test_a_latin_1_terminal_takes_every_line(model_path, loaded_model, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "load_predictor", lambda path, margin: loaded_model)
    name = f"{'a' * 40} Łódź 写真.png"
    Image.new("RGB", (40, 30), "grey").save(tmp_path / name)
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, "latin-1"))
    monkeypatch.chdir(tmp_path)
    assert imdb_wiki_predict.main([name, "--crops", "--model", str(model_path)]) == 0
    title, line = screen.getvalue().decode("latin-1").splitlines()
    assert "90% interval" in title
    assert line.startswith("~aaa")
    assert r"\u0141ód\u017a \u5199\u771f.png" in line
    assert re.search(r" \d+-\d+ ", line)


def bad_model(kind, path, model_path):
    if kind == "no model":
        path.write_text("no model")
    elif kind == "cut":
        path.write_bytes(model_path.read_bytes()[:-2000])
    elif kind == "other outputs":
        image = keras.Input((16, 16, 3), name="image")
        mean = keras.layers.GlobalAveragePooling2D()(image)
        keras.Model(image, {"ages": keras.layers.Dense(1)(mean)}).save(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such model"),
        ("no model", "is not a saved Keras model"),
        ("cut", "is not a saved Keras model"),
        ("other outputs", "not age_years (batch, 1), gender (batch, 2) or both"),
    ],
)
def test_a_model_that_is_none_ends_with_one_line(
    refused, portrait, tmp_path, model_path, kind, said
):
    portrait.save(tmp_path / "a.png")
    bad_model(kind, tmp_path / "model.keras", model_path)
    write_description(tmp_path / "model.json")
    error = refused(tmp_path / "a.png", model=tmp_path / "model.keras")
    assert said in error
    assert "model.keras" in error


def test_a_model_without_description_needs_a_margin_or_crops(
    run, refused, portrait, tmp_path, model_path
):
    portrait.save(tmp_path / "a.png")
    bare = tmp_path / "bare.keras"
    bare.write_bytes(model_path.read_bytes())
    error = refused(tmp_path / "a.png", model=bare)
    assert "--margin" in error
    assert "--crops" in error
    code, (title, _), _ = run(tmp_path / "a.png", "--margin", 0.4, model=bare)
    assert code == 0
    assert "interval" not in title
    assert run(tmp_path / "a.png", "--crops", model=bare)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--margin", "-1"],
        ["a.png", "--batch_size", "0"],
        ["a.png", "--batch_size", "1e9"],
        ["a.png", "--margin", "nan"],
        ["a.png", "--json", "-", "--csv", "-"],
        ["a.png", "--json", "faces", "--csv", "./faces"],
        ["a.png", "--modle", "b"],
    ],
)
def test_a_wrong_command_line_is_one_line(arguments):
    assert_one_line(ran(imdb_wiki_predict.main, *arguments))


def test_the_script_runs_by_itself_and_says_nothing_else(model_path, portrait, tmp_path):
    odd = tmp_path / "b\udcffd\n.png"  # a name that is no UTF-8, with a line break
    odd.write_bytes(saved(portrait, "PNG"))
    command = [sys.executable, "imdb_wiki_predict.py", odd, "--model", model_path]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 2


@pytest.mark.long  # `tests/test_command.py` has what every command does then
def test_a_reader_that_has_seen_enough_ends_the_run(model_path, portrait, tmp_path):
    for number in range(3):
        portrait.save(tmp_path / f"{number}.png")
    command = f"{sys.executable} imdb_wiki_predict.py {tmp_path} --model {model_path} | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.long
@pytest.mark.parametrize("command", ["imdb_wiki_predict.py", "export", "shipping"])
def test_ctrl_c_at_any_moment_is_one_line(command, portrait, tmp_path):
    prepared_dir = write_prepared(tmp_path / "prepared", {"train": 9, "val": 20, "test": 4})
    (tmp_path / "photos").mkdir()
    for number in range(100):
        portrait.save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "run").mkdir()
    shutil.copy(SHIPPED_MODEL, tmp_path / "run" / "model.keras")
    (tmp_path / "run" / "recipe.json").write_text(json.dumps({"data": [str(prepared_dir)]}))
    results = tmp_path / "results"
    arguments = {
        "imdb_wiki_predict.py": [tmp_path / "photos", "--json", results / "faces.json"],
        "export": [SHIPPED_MODEL, "--to", "onnx", "--output", results / "compact.onnx"],
        "shipping": [tmp_path / "run", prepared_dir, "--output", results / "compact"],
    }[command]
    program = [command] if command.endswith(".py") else ["-m", f"imdb_wiki.{command}"]
    for wait_seconds in (0.3, 0.6, 1, 1.5, 2, 3, 4, 6, 9, 13):
        begun = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(wait_seconds)
        begun.send_signal(signal.SIGINT)
        done = ended(begun)
        if done.returncode == 0:
            break  # it was quicker
        assert assert_one_line(done, code=130).startswith("stopped")
        left = list(results.iterdir()) if results.is_dir() else []
        assert {path.name for path in left} <= {"faces.json"}
        for path in left:
            assert json.loads(path.read_text())
