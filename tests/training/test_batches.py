"""What the compact network is shown and told in a training, and what its errors cost."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from imdb_wiki.models.answers import predict
from imdb_wiki.pipeline import read_split
from imdb_wiki.training.compact.age_labels import age_bells, with_targets
from imdb_wiki.training.compact.augmentation import Augmentation, augment
from imdb_wiki.training.compact.batches import (
    epoch_rows,
    mixed,
    size_of_epoch,
    teachers_answers,
    training_batches,
)
from imdb_wiki.training.compact.losses import gender_accuracy, smoothed_cross_entropy
from imdb_wiki.training.compact.recipe import Recipe
from tests.prepared import write_noise, write_prepared
from tests.training.small import SMALL, tiny_cnn


@pytest.fixture(scope="module")
def plain_rows(tmp_path_factory) -> pd.DataFrame:
    """Pictures of one plain colour each."""
    folder = write_prepared(tmp_path_factory.mktemp("prepared"), {"train": 20})
    return read_split(str(folder), "train")


def test_the_distribution_loss_is_0_at_the_bell_and_grows_with_the_distance():
    bells = age_bells(np.array([[40.0], [42.0], [60.0]]), 2.0)
    assert np.asarray(bells).sum(axis=1) == pytest.approx(1)
    true_bells = age_bells(np.full((3, 1), 40.0), 2.0)
    losses = np.asarray(keras.losses.kl_divergence(true_bells, bells))
    # Between bells of equal width the divergence is distance² / (2 width²): 4 / 8.
    assert losses[:2] == pytest.approx([0, 0.5], abs=1e-3)
    assert losses[2] > 10


def test_smoothing_costs_the_sure_and_right():
    labels, sure = np.array([[1]]), np.array([[1e-6, 1 - 1e-6]], "float32")
    assert float(smoothed_cross_entropy(0.0)(labels, sure)[0]) == pytest.approx(0, abs=1e-5)
    # Half of the doubt goes to the other gender: 0.05 · −ln 10⁻⁶.
    smoothed = float(smoothed_cross_entropy(0.1)(labels, sure)[0])
    assert smoothed == pytest.approx(0.05 * 6 * np.log(10), rel=1e-3)


def test_images_grow_in_thirds():
    recipe = Recipe(image_size=96, first_image_size=64, epochs=6)
    assert [size_of_epoch(recipe, epoch) for epoch in range(6)] == [64, 64, 80, 80, 96, 96]
    recipe = Recipe(image_size=64, first_image_size=64, epochs=5)
    assert {size_of_epoch(recipe, epoch) for epoch in range(5)} == {64}


def test_an_epoch_shows_each_folders_share_and_each_epoch_other_images():
    frame = pd.DataFrame({"folder": ["a"] * 10 + ["b"] * 10})
    recipe = Recipe(folder_shares=(1.0, 0.5))
    shown = [set(epoch_rows(frame, recipe, epoch).index) for epoch in range(8)]
    for rows in shown:
        assert {row for row in rows if row < 10} == set(range(10))
        assert len(rows) == 15
    assert set.union(*shown) == set(range(20)) and shown[0] != shown[1]
    again = epoch_rows(frame, recipe, 3).index.tolist()
    assert again == epoch_rows(frame, recipe, 3).index.tolist()


def test_augmentation_is_drawn_from_the_seed_and_keeps_the_range(tmp_path):
    images = np.stack([write_noise(tmp_path / "n.jpg", 40, 40, seed) for seed in range(6)])
    amounts = Augmentation(erase_share=1.0)
    first, again, other = (
        augment(tf.constant(images), 32, tf.constant(seed), amounts).numpy()
        for seed in ([0, 1], [0, 1], [0, 2])
    )
    assert first.shape == (6, 32, 32, 3) and first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).any(axis=(1, 2, 3)).all()


def test_no_augmentation_changes_nothing(tmp_path):
    images = np.stack([write_noise(tmp_path / "n.jpg", 32, 32, seed) for seed in range(3)])
    same = augment(tf.constant(images), 32, tf.constant([0, 1]), Augmentation.none())
    assert np.abs(same.numpy().astype(int) - images).max() <= 1


def test_flip_alone_mirrors_some(tmp_path):
    images = np.stack([write_noise(tmp_path / "n.jpg", 32, 32, seed) for seed in range(8)])
    amounts = replace(Augmentation.none(), flip=True)
    changed = augment(tf.constant(images), 32, tf.constant([0, 1]), amounts).numpy().astype(int)
    mirrored = np.abs(changed - images[:, :, ::-1]).max(axis=(1, 2, 3)) <= 1
    kept = np.abs(changed - images).max(axis=(1, 2, 3)) <= 1
    assert mirrored.any() and kept.any() and (mirrored ^ kept).all()


def test_a_teacher_has_its_share_of_gender_labels():
    recipe = replace(SMALL, teacher="large.keras", gender_teacher_weight=0.25)
    answers = np.zeros((3, 102), "float32")
    answers[:, -1] = [0.9, 0.2, 0.6]  # of male
    labels = with_targets({"gender": tf.constant([[1], [1], [0]])}, recipe, tf.constant(answers))
    wanted = np.array([0.975, 0.8, 0.15])  # ¾ label and ¼ teacher
    assert labels["gender"].numpy() == pytest.approx(np.stack([[1, 1, 0], wanted], axis=1))
    given = np.array([[0.3, 0.7], [0.6, 0.4], [0.8, 0.2]], "float32")
    losses = smoothed_cross_entropy(0.1)(labels["gender"], given).numpy()
    wanted = 0.9 * wanted + 0.05
    expected = -(wanted * np.log(given[:, 1]) + (1 - wanted) * np.log(given[:, 0]))
    assert losses == pytest.approx(expected, rel=1e-5)
    accuracy = gender_accuracy("accuracy")  # goes by the labels alone
    accuracy.update_state(labels["gender"], given)
    assert float(accuracy.result()) == pytest.approx(2 / 3)


def test_a_teacher_answers_by_the_mean_over_views(plain_rows, tmp_path):
    teacher = tiny_cnn(48)
    taught = replace(SMALL, start_from="teacher.keras", teacher_weight=0.5)

    def answers(frame):
        return [
            teachers_answers(teacher, frame, replace(taught, teacher_views=views))
            for views in (0, 1, 2)
        ]

    frame = read_split(str(write_prepared(tmp_path, {"train": 6})), "train")
    for number, path in enumerate(frame["path"]):
        write_noise(path, 56, 56, seed=number)
    still, one, two = answers(frame)
    assert still[:, :-1] == pytest.approx(predict(teacher, frame)["age_distribution"], abs=1e-6)
    assert np.abs(one - still).max() > 1e-5  # another view, another answer
    assert np.abs(two - one).max() > 1e-5
    assert two[:, :-1].sum(axis=1) == pytest.approx(1, abs=1e-5)
    # Pictures of one plain colour look the same in every view: each row keeps its own answer.
    still, one, two = answers(plain_rows)
    assert np.abs(np.diff(still, axis=0)).max() > 1e-4
    assert one == pytest.approx(still, abs=1e-6)
    assert two == pytest.approx(still, abs=1e-6)


def test_mixing_lays_a_fainter_image_and_its_age_over_each():
    images = tf.constant(np.arange(4).repeat(12).reshape(4, 2, 2, 3) * 80, tf.uint8)
    ages = tf.constant([[0.0], [80.0], [160.0], [240.0]])
    labels = {"age_years": ages, "age_distribution": tf.repeat(ages, 101, axis=1)}
    labels["gender"] = tf.constant([[0], [1], [0], [1]])
    seen, answers = mixed((images, labels), (images, labels), tf.constant([0, 3]), 0.5)
    again, _ = mixed((images, labels), (images, labels), tf.constant([0, 3]), 0.5)
    assert (seen.numpy() == again.numpy()).all()
    # Every pixel is 80 times the image's number, as every age is: they must be mixed alike.
    for name in ("age_years", "age_distribution"):
        pixels = seen.numpy()[:, 0, 0, :1].astype(float)
        assert pixels == pytest.approx(answers[name].numpy()[:, :1], abs=0.5)
    mixed_ages = answers["age_years"].numpy()
    assert (np.abs(mixed_ages - ages) <= np.abs(mixed_ages - ages[::-1]) + 1e-3).all()
    assert np.abs(mixed_ages - ages).max() > 1
    assert (answers["gender"].numpy() == labels["gender"].numpy()).all()


def test_a_training_with_mixing_runs_and_keeps_the_types(plain_rows):
    plain, other = (
        next(iter(training_batches(plain_rows, replace(SMALL, mixing=mixing), 0)))
        for mixing in (0.0, 0.4)
    )
    assert tf.nest.map_structure(lambda x: (x.dtype, x.shape), plain) == tf.nest.map_structure(
        lambda x: (x.dtype, x.shape), other
    )
    assert (plain[0].numpy() != other[0].numpy()).any()
