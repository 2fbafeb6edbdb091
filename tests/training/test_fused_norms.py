"""Fused batch norms teach and answer as Keras' own, and leave the network as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from imdb_wiki import training
from imdb_wiki.networks import compact_cnn, two_branch_cnn
from imdb_wiki.training.two_branch.fused_norms import FusedNorm, with_fused_norms
from tests.shared import SMALL

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype("float32")


def losses_and_weights(fused: bool, build, **options):
    """Some steps' losses and the weights after them."""
    training.seed_everything(4)
    network = build(**options)
    model = with_fused_norms(network) if fused else network
    training.compile_two_branch(model, learning_rate=1e-3)
    labels = {
        "age_years": np.arange(20, 80, 10, dtype="float32")[:, None],
        "gender": np.array([[0], [1]] * 3),
    }
    losses = [model.train_on_batch(IMAGES, labels)[0] for _ in range(5)]
    return losses, network.get_weights(), network


def test_steps_teach_the_same_with_fused_norms():
    plain, plain_weights, _ = losses_and_weights(False, two_branch_cnn, **SMALL)
    fused, fused_weights, network = losses_and_weights(True, two_branch_cnn, **SMALL)
    assert fused == pytest.approx(plain, rel=1e-4)
    for one, other in zip(plain_weights, fused_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)  # Adam's first steps go by the sign
    # Moving means and variances: Keras divides by the count of values, the operation by one less.
    norm = network.get_layer("age_1_norm")
    assert not np.allclose(norm.moving_mean, 0)


def test_a_norm_keeps_the_statistics_that_keras_keeps():
    values = tf.random.stateless_normal((3, 2, 2, 4), seed=(1, 2)) * 3 + 1
    norms = [keras.layers.BatchNormalization(momentum=0.5) for _ in range(2)]
    for norm in norms:
        norm.build(values.shape)
    np.testing.assert_allclose(
        FusedNorm(norms[0])(values, training=True), norms[1](values, training=True), atol=1e-5
    )
    for one, other in zip(norms[0].weights, norms[1].weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    norms[0].trainable = False  # then Keras uses the statistics that it kept
    np.testing.assert_array_equal(
        FusedNorm(norms[0])(values, training=True), norms[0](values, training=False)
    )


def test_outside_training_the_answers_are_the_networks_own():
    for network in (two_branch_cnn(**SMALL), compact_cnn(32, 8, (8,), (1,))):
        images = np.resize(IMAGES, (2, *network.input_shape[1:]))
        own, fused = network(images), with_fused_norms(network)(images)
        for name in own:
            np.testing.assert_allclose(own[name], fused[name], rtol=1e-6)


def test_the_network_is_left_as_it_was(tmp_path):
    network = two_branch_cnn(**SMALL)
    config, count = network.get_config(), network.count_params()
    fused = with_fused_norms(network)
    assert network.get_config() == config
    assert fused.count_params() == count
    assert [id(v) for v in fused.trainable_variables] == [
        id(v) for v in network.trainable_variables
    ]
    assert network.get_layer("age_1_norm").output.shape[-1]  # still belongs to one network


def test_a_model_that_is_not_functional_is_left_alone():
    class Own(keras.Model):
        pass

    own = Own()
    assert with_fused_norms(own) is own


def test_half_precision_stays_half_precision():
    training.set_mixed_precision(True)
    try:
        network = two_branch_cnn(**SMALL)
        fused = with_fused_norms(network)
        assert fused.get_layer("age_1_norm").compute_dtype == "bfloat16"
        assert fused(IMAGES, training=True)["age_years"].dtype == tf.float32
    finally:
        training.set_mixed_precision(False)
