import csv
import io
import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image

import imdb_wiki_predict
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.prediction import faces as prediction
from imdb_wiki.prediction import stream as prediction_stream
from imdb_wiki.prediction.output import COLUMNS
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared
from tests.shared import (
    assert_one_line,
    ended,
    files_of_at_most,
    ran,
    write_description,
)

# Edges of the astronaut's face in its 512 × 512 pixels, see test_detection.
FACE = (182, 66, 268, 175)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "compact.keras"
    save_model(compact_cnn(32, stem_filters=4, stage_filters=(8,), stage_blocks=(1,)), path)
    write_description(path.with_suffix(".json"))
    return path


@pytest.fixture(scope="module")
def portrait(astronaut) -> Image.Image:
    return Image.fromarray(astronaut)


@pytest.fixture(scope="module")
def loaded_model(model_path):
    return prediction.load_predictor(model_path)


@pytest.fixture
def predicted(model_path, loaded_model, monkeypatch):
    """Runs the command with the small model, unless another is named."""
    load_predictor = prediction.load_predictor

    def load(path, margin):  # the same model once for all tests: it takes a second
        return loaded_model if path == model_path else load_predictor(path, margin)

    monkeypatch.setattr(prediction, "load_predictor", load)

    return lambda *arguments, model=model_path: ran(
        imdb_wiki_predict.main, *arguments, "--model", model
    )


@pytest.fixture
def run(predicted):
    """Runs the command; returns exit code, lines of output and of errors."""

    def run(*arguments, **options):
        done = predicted(*arguments, **options)
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    return run


@pytest.fixture
def refused(predicted):
    """Runs the command on wrong input, of which nothing is answered; returns its line."""

    def refused(*arguments, **options):
        done = predicted(*arguments, **options)
        assert done.stdout == ""
        return assert_one_line(done)

    return refused


def png_bomb() -> bytes:
    """40,000 × 40,000 pixels in some bytes."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def saved(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def edges(line: str) -> list[int]:
    return [int(part) for part in line.split()[1:5]]


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


def cut_jpeg(portrait):
    data = saved(portrait, "JPEG")
    return data[: len(data) // 2]


UNREADABLE = {
    "empty": (lambda portrait: b"", "the file is empty"),
    "text": (lambda portrait: b"hello", "not an image"),
    "bomb": (lambda portrait: png_bomb(), "the decoder refuses it"),
    "cut": (cut_jpeg, "the file is cut"),
    "heic": (lambda portrait: b"\0\0\0\x18ftypheic", "HEIC is not read here"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_single_photo_that_cannot_be_read_ends_with_one_line(refused, portrait, tmp_path, kind):
    make, said = UNREADABLE[kind]
    path = tmp_path / f"photo.{'heic' if kind == 'heic' else 'jpg'}"
    path.write_bytes(make(portrait))
    assert f"{path}: {said}" in refused(path)


def test_unreadable_photos_stop_nothing(run, portrait, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_stream, "PHOTOS_AT_ONCE", 2)
    for kind, (make, _) in UNREADABLE.items():
        (tmp_path / f"{kind}.{'heic' if kind == 'heic' else 'jpg'}").write_bytes(make(portrait))
    portrait.save(tmp_path / "a.png")
    portrait.save(tmp_path / "z.png")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere")
    code, lines, errors = run(tmp_path)
    assert (code, errors) == (0, [])
    assert [line.split()[0] for line in lines[1:]] == [
        *("a.png", "bomb.jpg", "cut.jpg", "empty.jpg", "heic.heic"),
        *("link.jpg", "text.jpg", "z.png"),
    ]
    for kind, (_, said) in UNREADABLE.items():
        assert any(line.startswith(f"{kind}.") and said in line for line in lines)
    assert edges(lines[-1]) == edges(lines[1])


def test_nothing_that_can_be_read_is_exit_code_2(run, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    code, lines, errors = run(tmp_path)
    assert (code, len(lines)) == (2, 3)
    assert errors == ["error: none of 2 photos can be read"]


def test_a_folder_without_photos_ends_with_one_line(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert refused(tmp_path) == f"error: {tmp_path}: a folder without photos"


def test_crops_are_not_searched_for_faces(run, tmp_path):
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "crop.png")
    code, (_, line), errors = run(tmp_path / "crop.png", "--crops")
    assert (code, errors) == (0, [])
    assert edges(line) == [0, 0, 40, 30]


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


def test_odd_names_are_said_on_their_line_and_stop_nothing(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (40, 30), "grey").save(folder / "good.png")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "round").symlink_to(folder)
    (folder / "folder.png").mkdir()
    (folder / "line\nbreak\x1b[31m.jpg").write_bytes(b"")
    names = [f"{'x' * 300}.jpg", "/".join(["y" * 99] * 50) + ".jpg", "nothing/*.jpg", "z\n\x1b.jpg"]
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    arguments = [folder, *names, loop, "--crops", "--output_dir", tmp_path / "drawn"]
    code, lines, errors = run(*arguments, "--json", tmp_path / "faces.json")
    assert (code, errors, len(lines)) == (0, [], 1 + 3 + 5)
    assert all(line.isprintable() for line in lines)
    reasons = {
        photo["photo"]: photo["error"]
        for photo in json.loads((tmp_path / "faces.json").read_text())
    }
    assert reasons == {
        "good.png": None,
        "line\nbreak\x1b[31m.jpg": "the file is empty",
        "loop.jpg": "Too many levels of symbolic links",
        names[0]: "File name too long",
        names[1]: "File name too long",
        names[2]: "no such file",
        names[3]: "no such file",
        str(loop): "Too many levels of symbolic links",
    }
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["good.jpg"]


def test_a_single_odd_name_is_said_in_one_line(refused, tmp_path):
    error = refused(tmp_path / "line\nbreak.jpg")
    assert error == f"error: {tmp_path}/line?break.jpg: no such file"


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


def test_a_folder_that_may_not_be_looked_into_is_said():
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from imdb_wiki.images.reading import MissingPhotoError\n"
        "from imdb_wiki.prediction.stream import list_photos, photo_bytes\n"
        "if os.geteuid() == 0:\n"  # who may look into everything
        "    os.setresuid(65534, 65534, 65534)\n"
        "folder = Path(sys.argv[1])\n"
        "for photo in list_photos([folder, folder / 'shut', folder / 'shut' / 'a.png']):\n"
        "    try:\n"
        "        print(len(photo_bytes(photo.path)) > 0)\n"
        "    except MissingPhotoError as error:\n"
        "        print(photo.name.rpartition('/')[2], error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's are for their owner alone
        Path(folder).chmod(0o755)
        for name in ("open", "shut"):
            Path(folder, name).mkdir()
            Image.new("RGB", (40, 30), "grey").save(Path(folder, name, "a.png"))
        Path(folder, "shut").chmod(0)
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        Path(folder, "shut").chmod(0o700)
    assert done.stdout.splitlines() == [
        *("True", "shut Permission denied", "shut Permission denied", "a.png Permission denied")
    ], done.stderr


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


def test_drawings_do_not_go_among_the_photos_of_a_folder(refused, portrait, tmp_path):
    portrait.save(tmp_path / "a.jpg")
    assert "name another folder" in refused(tmp_path, "--output_dir", tmp_path)


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


def test_a_list_of_somebody_elses_faces_is_not_replaced(refused, portrait, tmp_path):
    portrait.save(tmp_path / "a.png")
    path = tmp_path / "own.json"
    own = '{"project": "mine", "items": [{"photo": "a.jpg", "faces": [1, 2]}], "note": "years"}'
    path.write_text(own)
    assert "own.json" in refused(tmp_path / "a.png", "--crops", "--json", path)
    assert path.read_text() == own
