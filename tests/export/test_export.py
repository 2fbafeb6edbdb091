"""Exports that the command makes: their answers, what is refused, and which files they replace."""

import json
import re
import resource
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.export import command
from imdb_wiki.export import convert as export
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.models.exported import load_exported
from imdb_wiki.models.files import load_model, save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.networks.two_branch import two_branch_cnn
from tests.conftest import REPOSITORY, run_preparation
from tests.prepared import write_prepared
from tests.shared import LEAST_COMPACT, SMALL, assert_one_line, files_of_at_most, ran

SIDE = 32
DESCRIPTION = {"name": "tiny", "framing": {"box": "chip"}}
KINDS = [("litert", None), ("onnx", None), ("litert", "int8"), ("onnx", "int8")]
SUFFIXES = (".tflite", ".onnx")


def write_tiny_model(path: Path) -> Path:
    """A compact network of random weights whose ages vary, and which is sure of the gender."""
    keras.utils.set_random_seed(0)
    network = compact_cnn(SIDE, stem_filters=8, stage_filters=(8, 16), stage_blocks=(1, 1))
    kernel, bias = network.get_layer("age_distribution").get_weights()
    network.get_layer("age_distribution").set_weights([20 * kernel, bias])
    kernel, bias = network.get_layer("gender").get_weights()
    network.get_layer("gender").set_weights([kernel, bias + np.array([0, 3])])
    save_model(network, path)
    path.with_suffix(".json").write_text(json.dumps(DESCRIPTION), encoding="utf-8")
    return path


def arguments_of(model: Path, to: str, quantize: str | None, prepared_dir: Path) -> list[str]:
    arguments = [str(model), "--to", to, "--prepared_dir", str(prepared_dir)]
    return [*arguments, "--quantize", quantize] if quantize else arguments


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared"), image_size=SIDE)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.keras")


@pytest.fixture(scope="module")
def exports(model_path, prepared_dir) -> dict[tuple, Path]:
    """All four exports of the tiny network, made by the command, beside the network."""
    for kind in KINDS:
        assert command.main(arguments_of(model_path, *kind, prepared_dir)) == 0
    return {kind: export.default_output(model_path, *kind) for kind in KINDS}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Plain images as those of the prepared folder, which int8 is calibrated for."""
    images = np.zeros((5, SIDE, SIDE, 3), "uint8")
    for number, age in enumerate([3, 28, 51, 77, 96]):
        images[number] = (200 if number % 2 else 50, 2 * age, 120)
    return images


@pytest.fixture(scope="module")
def wanted(model_path, images) -> dict[str, np.ndarray]:
    return load_model(model_path).predict(images, verbose=0)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_export_keeps_the_contract_by_name(exports, kind, images, wanted):
    model = load_exported(exports[kind])
    answers = model(images)
    assert model.image_size == SIDE
    assert {n: (v.shape, v.dtype) for n, v in answers.items()} == {
        "age_years": ((5, 1), "float32"),
        "gender": ((5, 2), "float32"),
        "age_distribution": ((5, 101), "float32"),
    }
    # Near in float, roughly in int8; nowhere near if two outputs or two genders were swapped.
    assert np.ptp(wanted["age_years"]) > 1
    np.testing.assert_allclose(answers["gender"], wanted["gender"], atol=0.05)
    assert wanted["gender"].min() < 0.2 and wanted["gender"].max() > 0.8
    tolerance = 1 if kind[1] else 1e-3
    np.testing.assert_allclose(answers["age_years"], wanted["age_years"], atol=tolerance)


@pytest.mark.parametrize("kind", KINDS[:2], ids=str)
def test_a_float_export_answers_as_keras(exports, kind, model_path):
    noise = np.random.default_rng(7).integers(0, 256, (5, SIDE, SIDE, 3), dtype="uint8")
    answers = load_exported(exports[kind])(noise)
    for name, values in load_model(model_path).predict(noise, verbose=0).items():
        np.testing.assert_allclose(answers[name], values, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS[2:], ids=str)
def test_a_quantized_export_is_quantized_but_for_its_last_layers(exports, kind, images, wanted):
    answers = load_exported(exports[kind])(images)
    assert not np.allclose(answers["age_distribution"], wanted["age_distribution"], atol=1e-6)
    # In steps of 1/256 neither would hold: the largest of 101 probabilities is a few steps.
    np.testing.assert_allclose(answers["age_distribution"].sum(axis=1), 1, atol=1e-5)
    expectation = answers["age_distribution"] @ AGES_YEARS
    np.testing.assert_allclose(answers["age_years"][:, 0], expectation, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_batch_is_its_images_one_by_one_from_any_thread(exports, kind, images):
    model = load_exported(exports[kind], threads=1)
    batch = model(images)
    with ThreadPoolExecutor(8) as pool:
        singly = list(pool.map(lambda n: model(images[n % 5][np.newaxis]), range(40)))
    for name, values in batch.items():
        for number, answer in enumerate(singly):
            np.testing.assert_allclose(answer[name][0], values[number % 5], rtol=1e-4, atol=1e-6)
    of_floats = model(images.astype("float64"))
    np.testing.assert_array_equal(of_floats["age_years"], batch["age_years"])
    assert model(images[:0])["age_distribution"].shape == (0, 101)


def test_images_of_another_shape_are_refused(exports):
    model = load_exported(exports["litert", None])
    for shape in [(1, SIDE, SIDE + 1, 3), (1, SIDE, SIDE, 1), (SIDE, SIDE, 3)]:
        with pytest.raises(ValueError, match="images are"):
            model(np.zeros(shape, "uint8"))


def test_the_description_goes_along(exports):
    for path in exports.values():
        assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) == DESCRIPTION


def test_nothing_is_left_behind(exports, model_path):
    names = {path.name for path in model_path.parent.iterdir()}
    assert names == {
        *("tiny.keras", "tiny.json", "tiny.tflite", "tiny.onnx"),
        *("tiny-int8.tflite", "tiny-int8.onnx", "tiny-int8.json"),
    }


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_cut_file_is_said_to_be_none(exports, kind, share, tmp_path):
    data = exports[kind].read_bytes()
    path = tmp_path / exports[kind].name
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=rf"{path.name} is not a whole (LiteRT|ONNX) model: .+"):
        load_exported(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_files_are_said_to_be_none(suffix, model_path, tmp_path):
    path = tmp_path / f"x{suffix}"
    for data in (b"This is a text.\n" * 100, bytes(4000), model_path.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"x{suffix} is not a whole .* model") as error:
            load_exported(path)
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="no such model"):
        load_exported(tmp_path / f"absent{suffix}")
    with pytest.raises(InputError, match="ends neither in"):
        load_exported(model_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_outputs_and_inputs_are_refused(suffix, tmp_path):
    def written(shape, genders):
        image = keras.Input(shape, name="image")
        features = keras.layers.GlobalAveragePooling2D()(image)
        outputs = {"age_years": keras.layers.Dense(1)(features)}
        outputs["gender"] = keras.layers.Dense(genders)(features)
        model = keras.Model(image, outputs)
        model(np.zeros((1, *shape), "float32"))
        path = tmp_path / f"other{suffix}"
        model.export(path, format="litert" if suffix == ".tflite" else "onnx", verbose=False)
        return path

    with pytest.raises(InputError, match=r"gender \(batch, 3\).*not age_years"):
        load_exported(written((8, 8, 3), 3))
    with pytest.raises(InputError, match=r"takes .*image.*\(batch, 8, 4, 3\), not one image"):
        load_exported(written((8, 4, 3), 2))
    assert load_exported(written((8, 8, 3), 2)).output_names == ("age_years", "gender")


def test_the_last_layers_are_told_from_others_of_like_names():
    heads = ["a/gender_1/MatMul", "a/age_years/Relu", "a/age_distribution_2/MatMul1"]
    others = ["a/gender_1_conv_1/Relu", "a/gender_dense_1/MatMul", "a/age_1_norm_1/mul", "scaled"]
    assert all(export.HEAD_LAYERS.search(name) for name in heads)
    assert not any(export.HEAD_LAYERS.search(name) for name in others)


def test_an_export_that_differs_is_not_kept(
    exports, model_path, prepared_dir, monkeypatch, tmp_path
):
    def convert(model, model_path, to, path, calibration):
        path.write_bytes(exports[to, None].read_bytes())

    def off_by_two_percent(path):
        model = load_exported(path)

        def shifted(images):
            answers = model(images)
            return answers | {"age_years": 1.02 * answers["age_years"]}

        shifted.image_size = model.image_size
        return shifted

    monkeypatch.setattr(export, "_convert", convert)
    monkeypatch.setattr(export, "load_exported", off_by_two_percent)
    output = tmp_path / "kept.onnx"
    older = exports["onnx", "int8"].read_bytes()
    output.write_bytes(older)
    arguments = arguments_of(model_path, "onnx", None, prepared_dir)
    error = assert_one_line(ran(command.main, *arguments, "--output", output))
    assert error.startswith(f"error: {output} was not kept: age_years differs by up to 2.0e-02")
    assert error.endswith("on 5 crops")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.onnx"]
    assert output.read_bytes() == older


def test_another_models_description_is_not_left_beside_an_export(model_path, tmp_path):
    bare = tmp_path / "bare.keras"
    bare.write_bytes(model_path.read_bytes())
    (tmp_path / "other.json").write_text(json.dumps(DESCRIPTION))
    done = ran(command.main, bare, "--to", "onnx", "--output", tmp_path / "other.onnx")
    assert_one_line(done, "other.json exists and would be used for the export")


def test_a_network_whose_answers_are_nan_is_said_to_be_so(tmp_path):
    network = compact_cnn(SIDE, **LEAST_COMPACT)
    network.set_weights([weights * np.nan for weights in network.get_weights()])
    path = tmp_path / "nan.keras"
    save_model(network, path)
    assert_one_line(ran(command.main, path, "--to", "onnx"), "nan.keras answers NaN or infinity")
    assert [path.name for path in tmp_path.iterdir()] == ["nan.keras"]


@pytest.mark.parametrize("room", [100, 20_000])
def test_on_a_full_disk_the_file_is_named_and_an_older_one_stays(
    exports, model_path, tmp_path, monkeypatch, room
):
    def convert(model, model_path, to, path, calibration):
        path.write_bytes(exports[to, None].read_bytes())

    def check(*arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
        return export.Check(True, "")

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(export, "_convert", convert)
    monkeypatch.setattr(export, "_check", check)
    output = tmp_path / "x.onnx"
    output.write_bytes(exports["onnx", "int8"].read_bytes())
    older = output.read_bytes()
    assert len(older) > 20_000
    try:
        done = ran(command.main, model_path, "--to", "onnx", "--output", output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert assert_one_line(done) == f"error: {output}: File too large"
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]
    assert output.read_bytes() == older


def test_a_converter_without_room_says_where(model_path, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with files_of_at_most(2000):
        done = ran(command.main, model_path, "--to", "onnx", "--output", "x.onnx")
    assert assert_one_line(done) == f"error: {tmp_path}: File too large"
    assert list(tmp_path.iterdir()) == []


def test_without_real_crops_drawn_faces_check_a_float_export(model_path, tmp_path, capsys):
    output = tmp_path / "new" / "tiny.onnx"
    assert command.main([str(model_path), "--to", "onnx", "--output", str(output)]) == 0
    assert "on 64 drawn faces" in capsys.readouterr().out
    assert sorted(path.name for path in output.parent.iterdir()) == ["tiny.json", "tiny.onnx"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "litert", "--quantize", "int8"], "int8 is calibrated .* give --prepared_dir"),
        (["--to", "litert", "--output", "x.onnx"], "x.onnx does not end in .tflite"),
        (["--to", "onnx", "--prepared_dir", "absent"], "no val split: absent"),
        (["--to", "onnx", "--output", "{folder}/x.onnx"], "is a folder: give the name"),
        (["--to", "onnx", "--output", "{folder}/photo.onnx"], "photo.onnx exists and is not"),
        (["--to", "onnx", "--output", "{folder}/notes.onnx"], "notes.json exists and is not"),
    ],
)
def test_wrong_arguments_end_in_one_line(model_path, arguments, message, tmp_path):
    (tmp_path / "x.onnx").mkdir()
    (tmp_path / "photo.onnx").write_bytes(b"\xff\xd8 a photo")
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    assert_one_line(ran(command.main, model_path, *arguments), re.compile(message))
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_that_is_not_square_is_refused(tmp_path):
    path = tmp_path / "wide.keras"
    save_model(two_branch_cnn(**SMALL | {"image_size": (16, 24)}), path)
    done = ran(command.main, path, "--to", "onnx")
    assert_one_line(done, "takes 24 × 16 pixels, not a square")


def test_the_command_says_one_line_about_what_is_no_model(tmp_path):
    path = tmp_path / "no.keras"
    path.write_text("This is a text.", encoding="utf-8")
    done = ran(command.main, path, "--to", "litert")
    assert_one_line(done, "no.keras is not a saved Keras model")
    assert done.stdout == ""


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_two_branch_network_has_each_form(kind, prepared_dir, tmp_path, images):
    keras.utils.set_random_seed(0)
    network = two_branch_cnn(SIDE)
    kernel, bias = network.get_layer("gender").get_weights()
    network.get_layer("gender").set_weights([kernel, bias + np.array([3, 0])])
    save_model(network, tmp_path / "model.keras")
    assert command.main(arguments_of(tmp_path / "model.keras", *kind, prepared_dir)) == 0
    model = load_exported(export.default_output(tmp_path / "model.keras", *kind))
    assert model.output_names == ("age_years", "gender")
    wanted = load_model(tmp_path / "model.keras").predict(images, verbose=0)
    np.testing.assert_allclose(model(images)["age_years"], wanted["age_years"], atol=1)


@pytest.mark.long
@pytest.mark.realdata
@pytest.mark.parametrize("to", ["litert", "onnx"])
def test_the_shipped_weights_in_8_bits_pass_on_real_faces(to, real_dir, tmp_path):
    model = REPOSITORY / "models" / "compact.keras"
    if not model.is_file():
        pytest.skip("no weights are shipped")
    arguments = ["--dataset", "utkface", "--photo_dir", real_dir / "utkface_train.tar"]
    prepared = tmp_path / "utkface"
    done = run_preparation(*arguments, "--output_dir", prepared, "--img_size", 112)
    assert done.returncode == 0, done.stderr
    output, _ = export.export(model, to, prepared, "int8", tmp_path / f"c{export.SUFFIXES[to]}")
    assert output.stat().st_size <= 2_000_000
