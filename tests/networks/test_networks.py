import subprocess
import sys

import keras
import numpy as np
import pytest

from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.networks.transfer import transfer_network
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.training.devices import set_mixed_precision
from imdb_wiki.training.two_branch.augmentation import with_augmentation
from tests.shared import SMALL


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype="uint8")


def test_the_default_has_the_size_of_the_design():
    network = two_branch_cnn()
    assert network.count_params() == 2_140_515
    assert network.input_shape == (None, 200, 200, 3)
    shapes = {name: output.shape for name, output in network.output.items()}
    assert shapes == {"age_years": (None, 1), "gender": (None, 2)}


def test_no_age_is_below_0(images):
    network = two_branch_cnn(**SMALL)
    network.get_layer("age_years").bias.assign([-1e6])
    assert network.predict(images, verbose=0)["age_years"].tolist() == [[0]] * 3


def test_only_the_genders_are_dropped_out_and_only_in_training(images):
    keras.utils.set_random_seed(0)
    network = two_branch_cnn(**SMALL, gender_dropout=0.5)
    first, second = (network(images, training=True) for _ in range(2))
    assert np.array_equal(first["age_years"], second["age_years"])
    assert not np.array_equal(first["gender"], second["gender"])
    first, second = (network(images, training=False) for _ in range(2))
    assert np.array_equal(first["gender"], second["gender"])


def test_the_branches_share_the_image_and_nothing_else(images):
    network = two_branch_cnn(**SMALL)
    before = network.predict(images, verbose=0)
    for layer in network.layers:
        if layer.name.startswith("gender"):
            layer.set_weights([weights + 1 for weights in layer.get_weights()])
    after = network.predict(images, verbose=0)
    assert np.array_equal(before["age_years"], after["age_years"])
    assert not np.array_equal(before["gender"], after["gender"])


@pytest.mark.parametrize(
    ("keyword", "value", "layer", "attribute", "expected"),
    [
        ("image_size", (16, 24), "image", "output.shape", (None, 16, 24, 3)),
        ("age_filters", (5, 4), "age_1_conv", "filters", 5),
        ("age_last_filters", (8, 9), "age_3_conv", "filters", 9),
        ("gender_filters", (4, 6), "gender_2_conv", "filters", 6),
        ("kernel_size", 5, "gender_1_conv", "kernel_size", (5, 5)),
        ("pool_size", 1, "age_1_pool", "pool_size", (1, 1)),
        ("dense_units", 7, "gender_dense", "units", 7),
        ("norm_momentum", 0.8, "age_2_norm", "momentum", 0.8),
        ("gender_dropout", 0.3, "gender_1_dropout", "rate", 0.3),
    ],
)
def test_each_keyword_reaches_its_layer(keyword, value, layer, attribute, expected):
    network = two_branch_cnn(**{**SMALL, keyword: value})
    found = network.get_layer(layer)
    for name in attribute.split("."):
        found = getattr(found, name)
    assert found == expected


def test_the_age_starts_at_the_given_mean(images):
    network = two_branch_cnn(**SMALL, initial_age_years=41.5)
    assert network.get_layer("age_years").bias.numpy().tolist() == [41.5]
    black = np.zeros_like(images)  # 0 through every layer, so only the bias is left
    assert network.predict(black, verbose=0)["age_years"].ravel() == pytest.approx(41.5)


def test_outputs_are_years_and_probabilities(images):
    outputs = two_branch_cnn(**SMALL).predict(images, verbose=0)
    assert set(outputs) == {"age_years", "gender"}
    assert outputs["age_years"].shape == (3, 1)
    assert outputs["gender"].sum(axis=1) == pytest.approx(1)


def test_scaling_happens_inside_the_network(images):
    network = two_branch_cnn(**SMALL)
    scaled = keras.Model(network.input, network.get_layer("scaled").output)
    assert scaled.predict(images, verbose=0) == pytest.approx(images / 255, abs=1e-6)


def test_an_image_too_small_for_the_pools_is_refused():
    with pytest.raises(ValueError, match="16 pixels"):
        two_branch_cnn(image_size=15)


def test_mixed_precision_computes_in_half_and_answers_in_float32(images, tmp_path):
    set_mixed_precision(True)
    try:
        network = two_branch_cnn(**SMALL)
        answers = with_augmentation(network).predict(images, verbose=0)
    finally:
        set_mixed_precision(False)
    assert network.get_layer("age_2_conv").compute_dtype == "bfloat16"
    assert {str(output.dtype) for output in answers.values()} == {"float32"}
    save_model(network, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    for name, output in loaded.predict(images, verbose=0).items():
        assert output == pytest.approx(answers[name], rel=0.02)


def test_a_saved_network_loads_in_a_process_without_this_code(images, tmp_path):
    network = two_branch_cnn(**SMALL)
    # As a training may leave it: compiled, and inside a model of random layers.
    losses = {"age_years": "mae", "gender": "sparse_categorical_crossentropy"}
    for model in (with_augmentation(network), network):
        model.compile("adam", loss=losses)
    save_model(network, tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    code = """
import sys, keras, numpy as np
assert not any(name.startswith("imdb_wiki") for name in sys.modules)
model = keras.saving.load_model("model.keras")
assert not model.compiled and not any("random" in layer.name for layer in model.layers)
np.savez("answers.npz", **model.predict(np.load("images.npy"), verbose=0))
"""
    # -I: neither this folder nor PYTHONPATH is where modules are looked for.
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = np.load(tmp_path / "answers.npz")
    for name, output in network.predict(images, verbose=0).items():
        assert answers[name] == pytest.approx(output, abs=1e-4)


def test_the_compact_networks_age_is_its_distributions_expectation(images, tmp_path):
    assert compact_cnn().count_params() <= 1_500_000
    network = compact_cnn(16, stage_filters=(8, 16), stage_blocks=(1, 2))
    answers = network.predict(images, verbose=0)
    assert answers["age_distribution"].shape == (3, 101)
    assert answers["age_distribution"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    expectation = answers["age_distribution"] @ np.arange(101)
    assert answers["age_years"][:, 0] == pytest.approx(expectation, rel=1e-5)
    assert answers["gender"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    save_model(network, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").predict(images, verbose=0)
    for name, output in loaded.items():
        assert output == pytest.approx(answers[name], abs=1e-4)


def test_a_compact_network_of_impossible_stages_is_refused():
    with pytest.raises(ValueError, match="2 stages of filters, 1 of blocks"):
        compact_cnn(stage_filters=(8, 8), stage_blocks=(1,))
    with pytest.raises(ValueError, match="need 32 pixels"):
        compact_cnn(31)


@pytest.mark.parametrize(
    "backbone", ["efficientnetv2_b0", pytest.param("convnext_tiny", marks=pytest.mark.long)]
)
def test_a_transfer_network_keeps_the_contract(images, tmp_path, backbone):
    images = images.repeat(2, axis=1).repeat(2, axis=2)  # (3, 32, 32, 3)
    network = transfer_network(backbone, 32, weights=None)
    shapes = {name: output.shape[1:] for name, output in network.output.items()}
    assert shapes == {"age_years": (1,), "age_distribution": (101,), "gender": (2,)}
    save_model(network, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")(images)
    for name, output in network(images).items():
        assert loaded[name].numpy() == pytest.approx(output.numpy(), abs=1e-4)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="no backbone 'vgg'"):
        transfer_network("vgg", 32, weights=None)
