import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from benchmarks.framing import matching, put_into_photo
from imdb_wiki.errors import InputError
from imdb_wiki.faces import detection
from imdb_wiki.faces.detection import Box, Detection
from imdb_wiki.faces.framing import Chip, Framing
from imdb_wiki.images.pixels import decode
from imdb_wiki.models.description import find_description, read_description
from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.prediction import faces as prediction
from imdb_wiki.prediction.faces import Predictor, load_predictor, predict_faces
from tests.conftest import REPOSITORY
from tests.shared import DESCRIPTION, write_description


def reading(images):
    """Answers what the middle pixel shows: age is its red, male is its blue."""
    middle = images[:, images.shape[1] // 2, images.shape[2] // 2].astype("float64")
    male = middle[:, 2:] / 255
    return {"age_years": middle[:, :1], "gender": np.hstack([1 - male, male])}


READER = Predictor(reading, image_size=8, framing=Framing())


@pytest.fixture
def found(monkeypatch):
    """Boxes that the detector shall find, photo after photo; they are the chips as well."""
    boxes = []

    def detect(image):
        return [Detection(Box(*box), 0.9, Chip(*box[:2], box[2] - box[0])) for box in boxes.pop(0)]

    monkeypatch.setattr(prediction, "detect_faces", detect)
    return boxes


def photo_of(*colours, side=10):
    """Squares of plain colour side by side, (side, side × colours, 3)."""
    return np.repeat(np.repeat(np.array([colours], "uint8"), side, 0), side, 1)


def test_each_face_gets_its_own_photos_answer_across_batches(found):
    photos = [
        photo_of((10, 0, 255), (20, 0, 0), (30, 0, 51)),
        photo_of((0, 0, 0)),
        photo_of((40, 0, 204)),
    ]
    squares = [(0, 0, 10, 10), (10, 0, 20, 10), (20, 0, 30, 10)]
    for batch_size in (1, 2, 3, 32):
        found[:] = [squares, [], squares[:1]]
        faces = predict_faces(iter(photos), READER, batch_size=batch_size)
        assert [face.image_index for face in faces] == [0, 0, 0, 2]
        assert [face.age_years for face in faces] == [10, 20, 30, 40]
        assert [face.gender for face in faces] == ["male", "female", "female", "male"]
        probabilities = [face.gender_probability for face in faces]
        assert probabilities == pytest.approx([1, 1, 0.8, 0.8])
        assert faces[1].box == Box(10, 0, 20, 10)
        assert faces[1].score == 0.9
        assert faces[1].age_low_years is None


def test_crops_are_taken_whole_and_need_no_framing(found):
    faces = predict_faces(
        [photo_of((55, 0, 0), side=40)], replace(READER, framing=None), crops=True
    )
    assert [(face.box, face.score, face.age_years) for face in faces] == [
        (Box(0, 0, 40, 40), None, 55)
    ]


def test_a_model_that_does_not_say_how_faces_are_cut_takes_only_crops():
    with pytest.raises(InputError, match=r"no \.json"):
        predict_faces([np.zeros((8, 8, 3), "uint8")], replace(READER, framing=None))


PHOTO = np.zeros((8, 8, 3), "uint8")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((8, 8, 3), "float32"), r"is float32 \(8, 8, 3\), not uint8"),
        (np.zeros((8, 8), "uint8"), r"is uint8 \(8, 8\), not uint8 \(height, width, 3\), RGB"),
        (np.zeros((8, 8, 1), "uint8"), "not uint8"),
        (np.zeros((8, 8, 4), "uint8"), "not uint8"),
        (np.zeros((0, 8, 3), "uint8"), "not uint8"),
        (np.array(None), "not uint8"),
        (None, r"is None: cv2\.imread"),
        ("photo.jpg", "is a str, .*: read it first"),
        (Path("photo.jpg"), "Path, .*: read it first"),
        (Image.new("RGB", (8, 8)), r"is a Image, .*: give np\.asarray\(image\.convert"),
        (PHOTO.tolist(), "is a list, not an array"),
        (7, "is a int, not an array"),
    ],
)
def test_what_is_no_image_is_refused_by_its_number(image, said):
    with pytest.raises(ValueError, match=f"image 1 .*{said}"):
        predict_faces([PHOTO, image], READER)


@pytest.mark.parametrize("images", [PHOTO, None, 7, Image.new("RGB", (8, 8))])
def test_one_image_is_no_list_of_images(images):
    with pytest.raises(ValueError, match=r"for one image give \[image\]"):
        predict_faces(images, READER)


def test_a_path_is_no_model_and_no_batch_has_no_faces():
    with pytest.raises(ValueError, match="the model is a str, not what load_predictor returns"):
        predict_faces([PHOTO], "models/compact.keras")
    with pytest.raises(ValueError, match="batch_size is 0"):
        predict_faces([PHOTO], READER, batch_size=0)


def test_any_array_of_the_same_pixels_gives_the_same_answer():
    photo = photo_of((10, 0, 255), (20, 0, 0), (30, 0, 51))
    (wanted,) = predict_faces([photo], READER, crops=True)
    bgr = photo[..., ::-1].copy()
    views = {
        "a reversed view, as frame[..., ::-1]": bgr[..., ::-1],
        "one of a mirrored copy": photo[:, ::-1].copy()[:, ::-1],
        "read-only": np.frombuffer(photo.tobytes(), "uint8").reshape(photo.shape),
        "in Fortran's order": np.asfortranarray(photo),
        "every second pixel": np.repeat(np.repeat(photo, 2, 0), 2, 1)[::2, ::2],
        "part of a video": np.stack([photo, photo])[1],
    }
    for view in views.values():
        (face,) = predict_faces([view], READER, crops=True)
        assert (face.age_years, face.gender) == (wanted.age_years, wanted.gender)
    video = np.stack([photo] * 3)  # (frame, height, width, 3) is a list of images as well
    assert [face.image_index for face in predict_faces(video, READER, crops=True)] == [0, 1, 2]


@pytest.mark.parametrize("name", ["compact.keras", "compact.onnx"])
def test_a_model_whose_answers_are_no_numbers_is_refused(tmp_path, monkeypatch, name):
    def diverged(images):
        return reading(images) | {"age_years": np.full((len(images), 1), np.nan)}

    diverged.image_size = 8
    monkeypatch.setattr(prediction, "_load_keras", lambda path: (diverged, 8))
    monkeypatch.setattr(prediction, "load_exported", lambda path: diverged)
    (tmp_path / name).touch()
    model = load_predictor(tmp_path / name, margin=0)
    with pytest.raises(InputError, match=rf"{name} answers NaN .*\(age_years\)"):
        predict_faces([PHOTO], model, crops=True)


def test_a_distribution_of_nothing_has_no_interval():
    def empty(images):
        return reading(images) | {"age_distribution": np.zeros((len(images), 101))}

    model = Predictor(empty, 8, Framing(), DESCRIPTION["age_interval"])
    with pytest.raises(InputError, match="does not sum to 1"):
        predict_faces([PHOTO], model, crops=True)


def test_no_photos_have_no_faces():
    assert predict_faces([], READER) == []


def test_the_interval_is_that_of_the_models_constants():
    def two_ages(images):
        shares = np.zeros((len(images), 101))
        shares[:, [30, 50]] = 0.5  # a standard deviation of 10 years
        ages, genders = np.full((len(images), 1), 40.0), np.full((len(images), 2), 0.5)
        return {"age_years": ages, "gender": genders, "age_distribution": shares}

    model = Predictor(two_ages, 8, Framing(), {"factor": 2.0, "floor_years": 1.0, "coverage": 0.9})
    (face,) = predict_faces([np.zeros((8, 8, 3), "uint8")], model, crops=True)
    assert (face.age_low_years, face.age_high_years) == pytest.approx((18, 62))  # 40 ± 2 (10 + 1)
    assert face.age_distribution.shape == (101,)
    assert face.gender == "female"  # undecided: the first
    (face,) = predict_faces(
        [np.zeros((8, 8, 3), "uint8")], replace(model, age_interval=None), crops=True
    )
    assert face.age_low_years is None


def test_the_astronauts_chip_shows_what_utkfaces_chips_show(astronaut):
    (found,) = detection.detect_faces(astronaut)
    assert np.degrees(found.chip.turn_radians) == pytest.approx(3, abs=2)
    # Read off the picture: eyes at (206, 98) and (250, 101), the middle of the mouth at (226, 142).
    # The mean of UTKFace's chips has them at three and seven tenths of its width, three tenths and
    # seven tenths of its height.
    landmarks = np.array([(206, 98), (250, 101), (226, 142)])
    shares = (landmarks - np.array(found.chip[:2])) / found.chip.side
    assert shares == pytest.approx(np.array([(0.3, 0.3), (0.7, 0.3), (0.5, 0.7)]), abs=0.06)


def test_a_description_is_found_beside_a_model_and_its_exports(tmp_path):
    description = write_description(tmp_path / "compact.json")
    for name in ("compact.keras", "compact.tflite", "compact-int8.tflite", "compact-int8.onnx"):
        assert find_description(tmp_path / name) == description
    other = write_description(tmp_path / "compact-int8.json")
    assert find_description(tmp_path / "compact-int8.tflite") == other
    assert find_description(tmp_path / "compact.onnx") == description


@pytest.mark.parametrize(
    "name",
    ["compact.v2.keras", "compact-2.keras", "compact_2.onnx", "compact-int8.keras", "c.keras"],
)
def test_another_models_description_is_not_taken(tmp_path, name):
    write_description(tmp_path / "compact.json")
    assert find_description(tmp_path / name) is None
    own = write_description(tmp_path / f"{name.rpartition('.')[0]}.json")
    assert find_description(tmp_path / name) == own


def test_a_description_gives_framing_and_constants(tmp_path):
    words = DESCRIPTION["framing"] | {"margin": 0.4, "padding": "black"}
    description = read_description(
        write_description(tmp_path / "a.json", framing=words, colour_order="BGR")
    )
    assert description.framing == Framing("chip", 0.4, "black", "BGR", "area")
    assert description.image_size == 32
    assert description.age_interval["factor"] == 2.0
    assert (
        read_description(write_description(tmp_path / "b.json", age_interval=...)).age_interval
        is None
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"framing": ...}, "no framing"),
        ({"framing": "chip"}, "no framing"),
        ({"framing": DESCRIPTION["framing"] | {"box": "head"}}, "box is 'head', known is chip"),
        ({"framing": DESCRIPTION["framing"] | {"padding": None}}, "padding is None"),
        ({"framing": DESCRIPTION["framing"] | {"resampling": ["area"]}}, "resampling is"),
        ({"framing": DESCRIPTION["framing"] | {"margin": "0.1"}}, "margin is '0.1'"),
        ({"framing": DESCRIPTION["framing"] | {"margin": -0.1}}, "margin is -0.1"),
        ({"framing": DESCRIPTION["framing"] | {"margin": float("nan")}}, "margin is nan"),
        ({"colour_order": ...}, "colour_order is None"),
        ({"value_range": [0, 1]}, r"value_range is \[0, 1\]"),
        ({"age_interval": {"factor": 2.0}}, "age_interval lacks"),
        ({"age_interval": [1]}, "age_interval lacks"),
        (
            {"age_interval": DESCRIPTION["age_interval"] | {"factor": 10**400}},
            "one is not a number from 0",
        ),
        (
            {"age_interval": DESCRIPTION["age_interval"] | {"floor_years": -1}},
            "one is not a number from 0",
        ),
    ],
)
def test_a_description_that_is_not_understood_is_refused(tmp_path, changes, said):
    with pytest.raises(InputError, match=rf"compact\.json.*{said}"):
        read_description(write_description(tmp_path / "compact.json", **changes))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff\xfe\x00", b"[1]", b"null", b"9" * 5000),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b" " * 11_000_000),
    ],
    ids=lambda content: f"{content[:5]!r} {len(content)}",
)
def test_a_description_that_is_no_json_object_is_refused(tmp_path, content):
    (tmp_path / "compact.json").write_bytes(content)
    with pytest.raises(InputError, match=r"compact\.json") as error:
        read_description(tmp_path / "compact.json")
    assert len(str(error.value)) < 300


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return compact_cnn(32, stem_filters=4, stage_filters=(8,), stage_blocks=(1,))


@pytest.fixture(scope="module")
def saved_network(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "compact.keras"
    save_model(network, path)
    return path


@pytest.fixture
def model_path(saved_network, tmp_path):
    return Path(shutil.copy(saved_network, tmp_path))


def test_a_keras_model_is_loaded_with_its_description(model_path, network):
    write_description(model_path.with_suffix(".json"))
    model = load_predictor(model_path)
    assert model.image_size == 32
    assert model.framing == Framing()
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype="uint8")
    wanted = network(images.astype("float32"), training=False)
    answers = model.answer(images)
    for name in ("age_years", "gender", "age_distribution"):
        assert answers[name] == pytest.approx(np.asarray(wanted[name]), abs=1e-4)
    (face,) = predict_faces([images[0]], model, crops=True)
    assert face.age_low_years < face.age_years < face.age_high_years
    with pytest.raises(InputError, match="says the margin already"):
        load_predictor(model_path, margin=0.1)


def test_a_keras_model_without_description_takes_a_margin(model_path):
    assert load_predictor(model_path).framing is None
    assert load_predictor(model_path, 0.45).framing == Framing(margin=0.45)


def test_a_description_of_another_size_is_refused(model_path):
    write_description(model_path.with_suffix(".json"), image_size=96)
    with pytest.raises(InputError, match=r"image_size is 96, .* takes 32"):
        load_predictor(model_path)


def test_a_model_of_oblong_images_is_refused(tmp_path):
    image = keras.Input((8, 16, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    outputs = {"age_years": keras.layers.Dense(1)(mean), "gender": keras.layers.Dense(2)(mean)}
    keras.Model(image, outputs).save(tmp_path / "oblong.keras")
    with pytest.raises(InputError, match="16 × 8, not squares"):
        load_predictor(tmp_path / "oblong.keras")


@pytest.mark.parametrize("name", ["no.keras", "no.tflite", "no.onnx"])
def test_a_missing_model_is_said(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"no such model: .*{name}"):
        load_predictor(tmp_path / name)


@pytest.mark.realdata
def test_a_face_keeps_its_age_through_a_large_photo(real_dir):
    path = REPOSITORY / "models" / "compact.keras"
    if not path.is_file():
        pytest.skip("no shipped model")
    with tarfile.open(real_dir / "utkface_train.tar") as archive:
        names = sorted(name for name in archive.getnames() if name.endswith(".jpg"))
        names = np.random.default_rng(0).permutation(names)[:60]
        files = [archive.extractfile(str(name)).read() for name in names]
    chips = [decode(data, 200)[..., ::-1].copy() for data in files]
    model = load_predictor(path)
    random = np.random.default_rng(0)
    placed = [put_into_photo(chip, number, random) for number, chip in enumerate(chips)]
    own = predict_faces(chips, model, crops=True)
    apart = []
    for face in predict_faces([photo for photo, _ in placed], model):
        if matching([face.box], placed[face.image_index][1]) is not None:
            apart.append(abs(face.age_years - own[face.image_index].age_years))
    assert len(apart) >= 57  # of 60
    assert np.mean(apart) < 2
