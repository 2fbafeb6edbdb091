import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.models import files as model_files
from imdb_wiki.models.files import CONFIG_NAME, WEIGHTS_NAME, load_model, refuse_nan, save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.networks.transfer import TRANSFER_BACKBONES, transfer_network
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.training.compact.command import main as train
from tests.conftest import REPOSITORY
from tests.shared import ONE_BLOCK, SMALL, assert_one_line, files_of_at_most, ran

SHIPPED = REPOSITORY / "models" / "compact.keras"
OLDEST = "3.0.0"  # the Keras that the README names
# What the layers and initializers of that version take, besides name, dtype and trainable.
_CONVOLUTION = (
    "activation activity_regularizer bias_constraint bias_initializer bias_regularizer "
    "data_format dilation_rate kernel_size padding strides use_bias "
)
_KERNEL = "kernel_constraint kernel_initializer kernel_regularizer "
_NORM = (
    "axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint "
    "gamma_initializer gamma_regularizer scale "
)
KNOWN_KEYWORDS = {
    "Add": "",
    "AveragePooling2D": "data_format padding pool_size strides",
    "BatchNormalization": _NORM
    + "momentum moving_mean_initializer moving_variance_initializer synchronized",
    "Constant": "value",
    "Conv2D": _CONVOLUTION + _KERNEL + "filters groups",
    "Dense": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer "
    "units use_bias " + _KERNEL,
    "Dropout": "noise_shape rate seed",
    "Flatten": "data_format",
    "GlobalAveragePooling2D": "data_format keepdims",
    "GlorotUniform": "seed",
    "HeNormal": "seed",
    "InputLayer": "batch_shape batch_size input_tensor shape sparse",
    "MaxPooling2D": "data_format padding pool_size strides",
    "Multiply": "",
    "Ones": "",
    "ReLU": "max_value negative_slope threshold",
    "Rescaling": "offset scale",
    "Zeros": "",
}


def tiny_compact() -> keras.Model:
    return compact_cnn(32, **ONE_BLOCK)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, Path]:
    """What this repository saves, by network; the shipped ones as they are."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("saved")
    networks = {"compact_cnn": tiny_compact(), "two_branch_cnn": two_branch_cnn(**SMALL)}
    for name, network in networks.items():
        save_model(network, folder / f"{name}.keras")
    open_network = SHIPPED.with_name("open.keras")
    return {"shipped": SHIPPED, "open": open_network} | {
        name: folder / f"{name}.keras" for name in networks
    }


def read_member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def keras_objects(config) -> list[dict]:
    """All layers and initializers in a config, whatever they are part of."""
    parts = config if isinstance(config, list) else ()
    if isinstance(config, dict):
        parts = config.values()
    found = [found for part in parts for found in keras_objects(part)]
    return [*found, config] if isinstance(config, dict) and "module" in config else found


@pytest.mark.parametrize("network", ["shipped", "open", "compact_cnn", "two_branch_cnn"])
def test_a_file_holds_only_what_the_oldest_keras_knows(saved, network):
    config = json.loads(read_member(saved[network], CONFIG_NAME))
    *parts, model = keras_objects(config)
    assert model["class_name"] == "Functional"
    assert model["config"]["input_layers"] == [["image", 0, 0]]  # later ones leave out a bracket
    assert len(parts) > 20
    for part in parts:
        known = {"name", "trainable", "dtype", *KNOWN_KEYWORDS[part["class_name"]].split()}
        assert part["config"].keys() <= known, part
        assert part["config"].get("dtype", "float32") == "float32"


def test_the_shipped_file_brings_its_decisions_along():
    layers = {
        layer["name"]: layer["config"]
        for layer in json.loads(read_member(SHIPPED, CONFIG_NAME))["config"]["layers"]
    }
    stem = layers["stem_conv"]
    assert (stem["filters"], stem["kernel_size"], stem["strides"]) == (24, [5, 5], [2, 2])
    assert stem["use_bias"] is False
    assert stem["kernel_initializer"]["class_name"] == "HeNormal"
    training = json.loads(SHIPPED.with_suffix(".json").read_text())["training"]
    assert layers["dropout"]["rate"] == training["dropout"]
    assert layers["scaled"] | {"name": "", "trainable": True} == {
        **{"name": "", "trainable": True, "dtype": "float32"},
        **{"scale": 1 / 127.5, "offset": -1},
    }


def test_for_any_keras_changes_no_weight(saved, tmp_path):
    keras.utils.set_random_seed(0)
    network = tiny_compact()
    network.save(tmp_path / "new.keras")
    content = model_files.for_any_keras((tmp_path / "new.keras").read_bytes())
    (tmp_path / "any.keras").write_bytes(content)
    old, new = (read_member(tmp_path / f"{n}.keras", WEIGHTS_NAME) for n in ("new", "any"))
    assert old == new
    loaded = load_model(tmp_path / "any.keras")
    assert load_model(saved["two_branch_cnn"]).count_params() > 1000
    for layer, twin in zip(network.layers, loaded.layers, strict=True):
        ours, theirs = layer.get_config(), twin.get_config()
        assert str(ours.pop("dtype")) == str(theirs.pop("dtype"))
        assert ours == theirs
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    for name, answer in network.predict(image, verbose=0).items():
        assert np.array_equal(answer, loaded.predict(image, verbose=0)[name])


def test_a_new_keyword_is_left_out_only_with_its_default():
    dense = keras.layers.Dense(3, use_bias=False, kernel_initializer="he_normal", name="d")
    config = model_files.plain_config(keras.saving.serialize_keras_object(dense))["config"]
    assert config["units"] == 3 and config["use_bias"] is False
    assert "quantization_config" not in config
    assert config["kernel_initializer"]["class_name"] == "HeNormal"
    assert config["kernel_initializer"]["config"] == {"seed": None}
    for momentum, kept in ((0.99, set()), (0.9, {"renorm_momentum"})):
        norm = keras.layers.BatchNormalization(renorm_momentum=momentum)
        config = model_files.plain_config(keras.saving.serialize_keras_object(norm))["config"]
        assert config.keys() & {"renorm", "renorm_clipping", "renorm_momentum"} == kept


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_where_there_is_no_room_the_older_file_stays(saved, tmp_path, share):
    path = tmp_path / "model.keras"
    path.write_bytes(b"an older one")
    limit = int(share * saved["compact_cnn"].stat().st_size)
    with files_of_at_most(limit), pytest.raises(OSError, match="File too large") as error:
        save_model(tiny_compact(), path)
    assert error.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
    assert path.read_bytes() == b"an older one"


def written_bomb(kind: str, path: Path, model_path: Path) -> Path:
    """Small files that would take some GB of memory."""
    if kind == "long":
        path.touch()
        os.truncate(path, 6_600_000_000)
        return path
    with zipfile.ZipFile(model_path) as given:
        members = {name: given.read(name) for name in given.namelist()}
    if kind == "weights":
        weights = io.BytesIO(members[WEIGHTS_NAME])
        with h5py.File(weights, "a") as file:
            file.create_dataset("more", (1_650_000_000,), "float32", chunks=True)
        members[WEIGHTS_NAME] = weights.getvalue()
    if kind == "config":
        members[CONFIG_NAME] += b" " * 20_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        if kind == "zip":
            archive.writestr("more", b"more")
    if kind == "zip":  # its directory says what the last member unpacks to
        data = bytearray(path.read_bytes())
        entry = data.rfind(b"PK\x01\x02")
        data[entry + 24 : entry + 28] = struct.pack("<I", 4_200_000_000)
        path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("long", "has 6,600 MB; .* at most 1,000 MB"),
        ("zip", "unpacks to 4,200 MB; .* at most 1,000 MB"),
        ("weights", "holds weights of 6,600 MB; .* at most 1,000 MB"),
        ("config", "holds a config of 20 MB; .* at most 20 MB"),
    ],
)
def test_a_file_that_would_fill_the_memory_is_refused(saved, tmp_path, kind, said):
    path = written_bomb(kind, tmp_path / "bomb.keras", saved["compact_cnn"])
    with pytest.raises(InputError, match=rf"bomb\.keras {said}"):
        load_model(path)


@pytest.mark.parametrize("config", [b"[" * 100_000, b"[", b"null", b'{"module": "os"}'])
def test_a_config_that_is_none_is_one_line(saved, tmp_path, config):
    path = tmp_path / "odd.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", read_member(saved["compact_cnn"], "metadata.json"))
        archive.writestr(CONFIG_NAME, config)
        archive.writestr(WEIGHTS_NAME, read_member(saved["compact_cnn"], WEIGHTS_NAME))
    with pytest.raises(InputError, match=r"odd\.keras is not a saved Keras model: .+") as error:
        load_model(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("side", [2049, 40_000])
def test_a_model_of_enormous_images_is_refused_and_so_is_its_training(tmp_path, side):
    image = keras.Input((side, side, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    outputs = {"age_years": keras.layers.Dense(1)(mean), "gender": keras.layers.Dense(2)(mean)}
    keras.Model(image, outputs).save(tmp_path / "large.keras")
    with pytest.raises(InputError, match="more than 2048 pixels a side"):
        load_model(tmp_path / "large.keras")
    done = ran(train, "data", "--run_dir", tmp_path / "run", "--image_size", side)
    assert_one_line(done, f"--image_size: {side} is not from 1 to 2048")
    with pytest.raises(InputError, match=f"image_size: {side} is not from 1 to 2048"):
        two_branch_cnn(side)


def test_answers_that_are_no_numbers_are_refused():
    answers = {"age_years": np.array([[30.0], [40]]), "gender": np.array([[0.5, 0.5]])}
    refuse_nan(answers, "model.keras")
    for value in (np.nan, np.inf):
        with pytest.raises(InputError, match=r"model\.keras answers NaN .*\(gender\)"):
            refuse_nan(answers | {"gender": np.array([[value, 0.5]])}, "model.keras")


_LOADING = """
import sys
from pathlib import Path
import keras, numpy as np

print(keras.__version__)
for path in map(Path, sys.argv[2:]):
    model = keras.saving.load_model(path)
    images = np.load(Path(sys.argv[1], f"{path.stem}.npy"))
    np.savez(Path(sys.argv[1], f"{path.stem}.npz"), **model.predict(images, verbose=0))
"""


@pytest.fixture(scope="module")
def other_python(tmp_path_factory) -> Path:
    """An environment with JAX, the lightest of the backends that every Keras 3 has."""
    folder = tmp_path_factory.mktemp("old_keras")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = ("jax[cpu]==0.10.2", "numpy==2.4.6", "h5py==3.16.0", "packaging", f"keras=={OLDEST}")
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages]
    subprocess.run(install, check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def answered(saved, tmp_path_factory) -> dict[Path, dict]:
    """Models of every kind, with what they answer here to the images beside them."""
    folder = tmp_path_factory.mktemp("answered")
    files = list(saved.values())
    for name in TRANSFER_BACKBONES:
        files.append(folder / f"{name}.keras")
        save_model(transfer_network(name, 64, weights=None), files[-1])
    answers = {}
    for path in files:
        model = load_model(path)
        images = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:]))
        answers[path] = model.predict(images.astype("float32"), verbose=0)
        answers[path]["images"] = images.astype("float32")
    return answers


@pytest.mark.long
@pytest.mark.parametrize(
    "version", [OLDEST, "3.1.0", "3.3.3", "3.5.0", "3.8.0", "3.10.0", "3.12.0", "3.14.1"]
)
def test_an_older_keras_gives_the_same_answers(answered, other_python, tmp_path, version):
    install = [other_python, "-m", "pip", "install", "--quiet", f"keras=={version}"]
    subprocess.run(install, check=True)
    for path, answers in answered.items():
        np.save(tmp_path / f"{path.stem}.npy", answers["images"])
    done = subprocess.run(
        [other_python, "-c", _LOADING, tmp_path, *answered],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == version
    for path, answers in answered.items():
        given = dict(np.load(tmp_path / f"{path.stem}.npz"))
        assert given.keys() == answers.keys() - {"images"}
        for output, values in given.items():
            np.testing.assert_allclose(values, answers[output], rtol=1e-3, atol=1e-4)
