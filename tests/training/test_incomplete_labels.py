"""Trainings with ages that are ranges, with missing labels, and of networks for one task."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from imdb_wiki import training
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.evaluate import write_evaluation
from imdb_wiki.models.answers import predict
from imdb_wiki.models.files import load_model
from imdb_wiki.networks import compact, tasks_of, transfer_network, two_branch_cnn
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.pipeline import make_dataset, read_split
from imdb_wiki.results.runs import run_row
from imdb_wiki.training.compact import train as compact_train
from imdb_wiki.training.compact.age_labels import (
    age_bells,
    with_distribution_weight,
    with_targets,
)
from imdb_wiki.training.compact.batches import training_batches
from imdb_wiki.training.compact.losses import age_distribution_loss
from imdb_wiki.training.compact.recipe import Recipe
from imdb_wiki.training.compact.train import train_compact
from imdb_wiki.training.ranges import of_ranges
from tests.prepared import take_labels_away, write_prepared
from tests.shared import LEAST_COMPACT, SMALL

COMPACT = Recipe(
    image_size=32, first_image_size=32, source_size=32, batch_size=6, epochs=2, warm_up_epochs=1
)


@pytest.fixture(scope="module", autouse=True)
def tiny_network():
    tiny = partial(compact_cnn, **LEAST_COMPACT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", tiny)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train": 24, "val": 12, "test": 12}
    return take_labels_away(write_prepared(tmp_path_factory.mktemp("some"), counts))


@pytest.fixture(scope="module")
def frames(folder):
    return {split: read_split(folder, split, incomplete=True) for split in ("train", "val")}


def gradient_of(loss, labels, answers):
    answers = tf.Variable(answers)
    with tf.GradientTape() as tape:
        value = loss(tf.constant(labels, "float32"), answers)
    return value.numpy(), tape.gradient(value, answers).numpy()


def distributions(count):
    logits = np.random.default_rng(0).normal(size=(count, 101)).astype("float32")
    return logits, lambda labels, logits: age_distribution_loss(labels, tf.nn.softmax(logits))


def test_a_plain_age_costs_its_distance_from_a_range_and_nothing_inside():
    ends = [[20, 29], [20, 29], [20, 29], [33, 33], [0, 100]]
    answers = np.array([[24.5], [31], [17], [30], [250]], "float32")
    losses, gradients = gradient_of(of_ranges("mae"), ends[:4], answers[:4])
    assert losses == pytest.approx([0, 2, 3, 3])
    assert gradients[:, 0].tolist() == [0, 1, -1, -1]
    squares, _ = gradient_of(of_ranges("mse"), ends[:4], answers[:4])
    assert squares == pytest.approx([0, 4, 9, 9])
    exact, _ = gradient_of(of_ranges("mae"), [[25], [25], [25], [30]], answers[:4])
    assert exact == pytest.approx([0.5, 6, 8, 0])  # one column: exact ages


def test_a_range_is_the_likelihood_of_its_years_and_an_unknown_age_costs_nothing():
    logits, loss = distributions(4)
    shares = tf.nn.softmax(logits).numpy()
    ends = tf.constant([[20.0, 29], [0, 100], [33, 33], [70, 100]])
    labels = with_targets({"age_years": ends}, COMPACT)["age_distribution"]
    losses, gradients = gradient_of(loss, labels, logits)
    curve = age_bells(tf.constant([[33.0]]), COMPACT.label_width_years).numpy()[0]
    assert losses[[0, 3]] == pytest.approx(
        -np.log([shares[0, 20:30].sum(), shares[3, 70:].sum()]), rel=1e-5
    )
    assert losses[2] == pytest.approx((curve * np.log(np.maximum(curve, 1e-7) / shares[2])).sum())
    assert abs(losses[1]) < 1e-6 and np.abs(gradients[1]).max() < 1e-7
    # d −ln P(range) / d logit = share − share within the range, by hand
    within = np.where((np.arange(101) >= 20) & (np.arange(101) < 30), shares[0], 0)
    assert gradients[0] == pytest.approx(shares[0] - within / within.sum(), abs=1e-6)


def test_a_face_counts_as_much_as_its_weight_says(tmp_path):
    folder = write_prepared(tmp_path, {"train": 4, "val": 4})
    table = pd.read_csv(folder / "train.csv").assign(weight=[1, 0.5, 0, 0.25])
    table.to_csv(folder / "train.csv", index=False)
    frame = read_split(folder, "train", incomplete=True)
    recipe = replace(COMPACT, batch_size=4, source_size=32)
    ((_, _, weights),) = training_batches(frame, recipe, 0)
    assert set(weights) == {"age_years", "age_distribution", "gender"}
    for name, values in weights.items():
        assert sorted(values.numpy()) == [0, 0.25, 0.5, 1], name
    ((_, labels, *none),) = training_batches(frame.drop(columns="weight"), recipe, 0)
    assert none == [] and labels["gender"].shape == (4, 1)
    table.assign(weight=[1, 2, 0, 0]).to_csv(folder / "train.csv", index=False)
    with pytest.raises(InputError, match=r"train\.csv, line 3: weight is '2', not a number"):
        read_split(folder, "train")


def test_unknown_ages_count_as_their_faces_do():
    weights = {"age_years": tf.constant([0.5, 0, 0]), "gender": tf.constant([0.5, 0.25, 0])}
    ends = tf.constant([[20.0, 29], [0, 100], [33, 33]])
    found = with_distribution_weight(weights, {"age_years": ends})
    assert found["age_distribution"].numpy().tolist() == [0.5, 0.25, 0]


def test_a_teacher_adds_to_a_range_and_teaches_unknown_ages():
    logits, loss = distributions(3)
    taught = tf.nn.softmax(np.random.default_rng(1).normal(size=(3, 101)).astype("float32"))
    answers = tf.concat([taught, tf.zeros((3, 1))], axis=1)  # and a probability of male
    recipe = replace(COMPACT, start_from="a.keras", teacher_weight=0.25)
    ends = tf.constant([[20.0, 29], [0, 100], [33, 33]])
    labels = with_targets({"age_years": ends}, recipe, answers)["age_distribution"]
    losses, _ = gradient_of(loss, labels, logits)
    shares, curves = tf.nn.softmax(logits).numpy(), 0.25 * taught.numpy()
    divergence = (curves * np.log(curves / shares)).sum(axis=1)
    assert losses[0] == pytest.approx(
        divergence[0] - 0.75 * np.log(shares[0, 20:30].sum()), rel=1e-4
    )
    assert losses[1] == pytest.approx(divergence[1], rel=1e-4)
    plain = with_targets({"age_years": ends[2:, :1]}, recipe, answers[2:])["age_distribution"]
    assert losses[2] == pytest.approx(float(age_distribution_loss(plain, shares[2:])[0]), rel=1e-4)


def test_batches_say_by_weights_which_labels_are_missing(frames):
    frame = frames["train"]
    _, labels, weights = next(iter(make_dataset(frame, 16, len(frame))))
    assert weights["age_years"].numpy().tolist() == [1, 1, 0] * 8
    assert weights["gender"].numpy().tolist() == [1, 1, 1, 0] * 6
    assert labels["age_years"].shape == (24, 2)
    assert labels["age_years"].numpy()[2].tolist() == [0, 100]
    known = frame["age"].notna().to_numpy()
    assert (labels["age_years"].numpy()[known] == frame[["age", "age"]][known].to_numpy()).all()
    (_, labels, *weights) = next(iter(make_dataset(frame[known], 16, 4, tasks=["age"])))
    assert list(labels) == ["age_years"] and not weights and labels["age_years"].shape == (4, 1)


def test_several_devices_count_each_label_once(frames):
    frame = frames["val"][:11]
    batches = make_dataset(frame, 16, 4, devices=4)
    weights = np.concatenate([part["age_years"] for _, _, part in batches])
    assert len(weights) == 12 and weights[11] == 0
    assert (weights[:11] > 0).tolist() == frame["age_low"].notna().tolist()


def test_unknown_labels_teach_a_two_branch_network_nothing(frames):
    network = two_branch_cnn(**SMALL)
    training.compile_two_branch(network)
    frame = frames["train"]
    unknown = frame[frame["age_low"].isna() & frame["gender"].isna()]
    assert len(unknown)
    ((images, labels, weights),) = make_dataset(unknown, 16, len(unknown))
    with tf.GradientTape() as tape:
        answers = network(tf.cast(images, tf.float32), training=True)
        loss = network.compute_loss(y=labels, y_pred=answers, sample_weight=weights)
    gradients = tape.gradient(loss, network.trainable_variables)
    assert float(loss) == 0
    assert all(not np.any(gradient) for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("tasks", [["age"], ["gender"], ["age", "gender"]])
def test_a_two_branch_network_for_some_tasks_is_trained_kept_and_scored(
    frames, folder, tmp_path, tasks
):
    network = two_branch_cnn(**SMALL, tasks=tasks)
    options = {"epochs": 2, "batch_size": 6, "verbose": 0}
    history = training.train(network, frames["train"], frames["val"], tmp_path, **options)
    saved = load_model(tmp_path / "model.keras")
    assert tasks_of(saved) == tuple(tasks)
    frame = frames["val"]
    answers = predict(saved, frame)
    evaluation = write_evaluation(tmp_path / "val", frame, answers, frames["train"])
    best = history.iloc[history["val_loss"].argmin()]
    if "age" in tasks:
        ends, known = frame[["age_low", "age_high"]].to_numpy(), frame["age_low"].notna()
        nearest = answers["age_years"].clip(*ends.T)
        error = np.abs(answers["age_years"] - nearest)[known].mean()
        assert best["val_age_years_mae"] == pytest.approx(error, rel=1e-4)
        assert evaluation.metrics["age_count"] == 4
        assert evaluation.metrics["age_range_count"] == 4
    if "gender" in tasks:
        right = evaluation.metrics["gender_accuracy"]
        assert best["val_gender_accuracy"] == pytest.approx(right)
        assert evaluation.metrics["gender_count"] == 9
    absent = {"age": "age_mae_years", "gender": "gender_accuracy"}.items()
    assert [task for task, name in absent if name in evaluation.metrics] == tasks
    row = run_row(tmp_path, "val", tmp_path / "val")
    assert ("val_gender_cross_entropy" in row) == ("gender" in tasks)


# What a network for one task leaves out is tested of a shipped one, too.
@pytest.mark.parametrize(
    "tasks",
    [
        pytest.param(("age",), marks=pytest.mark.long),
        pytest.param(("gender",), marks=pytest.mark.long),
        ("age", "gender"),
    ],
)
def test_a_compact_training_takes_ranges_missing_labels_and_one_task(
    folder, frames, tmp_path, tasks
):
    recipe = replace(COMPACT, tasks=tasks, mixing=0.4)
    network = train_compact(folder, tmp_path / "run", recipe, verbose=0)
    assert tasks_of(network) == tasks
    history = pd.read_csv(tmp_path / "run/history.csv")
    assert np.isfinite(history["val_loss"]).all()
    answers = predict(network, frames["val"])
    metrics = write_evaluation(tmp_path / "val", frames["val"], answers, frames["train"]).metrics
    assert ("age_bin_accuracy" in metrics) == ("age" in tasks)
    if len(tasks) == 2:  # one head may start from a network with both
        path = str(tmp_path / "run/model.keras")
        second = replace(COMPACT, tasks=("gender",), start_from=path, start_share=1.0)
        second = replace(second, norm_batches=0)
        started = train_compact(folder, tmp_path / "second", second, verbose=0)
        assert started.get_layer("gender").get_weights()[0] == pytest.approx(
            network.get_layer("gender").get_weights()[0]
        )


@pytest.mark.long
def test_a_stopped_training_with_ranges_goes_on_with_the_very_losses(folder, tmp_path):
    recipe = replace(COMPACT, mixing=0.4)
    train_compact(folder, tmp_path / "whole", recipe, verbose=0)
    with pytest.MonkeyPatch.context() as patch:
        kept = compact_train.keep_state

        def stop(*arguments):
            kept(*arguments)
            raise KeyboardInterrupt

        patch.setattr(compact_train, "keep_state", stop)
        with pytest.raises(KeyboardInterrupt):
            train_compact(folder, tmp_path / "stopped", recipe, verbose=0)
    train_compact(folder, tmp_path / "stopped", recipe, verbose=0)
    losses = [
        pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds")
        for name in ("whole", "stopped")
    ]
    assert losses[0].equals(losses[1])


def test_mixing_keeps_ranges_ranges_and_weights_with_their_images(frames):
    recipe = replace(COMPACT, mixing=0.4)
    for _, labels, weights in training_batches(frames["train"], recipe, 0):
        assert labels["age_distribution"].shape[1:] == (202,)
        low, high = labels["age_years"].numpy().T
        assert (low <= high).all()
        shares = labels["age_distribution"].numpy()[:, :101].sum(axis=1)
        assert ((shares > -1e-5) & (shares < 1 + 1e-5)).all()
        assert set(weights) == {"age_years", "gender", "age_distribution"}
        known = weights["gender"].numpy() == 1  # with one label at least, as the other of the pair
        assert (weights["age_distribution"].numpy()[known & known[::-1]] == 1).all()
        assert known.any()


def test_a_task_without_labels_is_refused_in_one_line(frames, tmp_path):
    nobody = frames["train"].assign(gender=np.nan)
    with pytest.raises(InputError, match=r"no face of the train split has a label of its gender"):
        training.train(
            two_branch_cnn(**SMALL), nobody, frames["val"], tmp_path, epochs=1, batch_size=4
        )
    network = two_branch_cnn(**SMALL, tasks=["age"])
    training.train(network, nobody, frames["val"], tmp_path, epochs=1, batch_size=6, verbose=0)
    with pytest.raises(InputError, match="nothing to score"):
        write_evaluation(
            tmp_path / "v",
            frames["val"].assign(age=np.nan, age_low=np.nan, age_high=np.nan),
            predict(network, frames["val"]),
            nobody,
        )


@pytest.mark.parametrize("tasks", ["age", [], ["race"], None])
def test_tasks_that_are_none_are_named(tasks):
    for build in (two_branch_cnn, compact_cnn):
        with pytest.raises(InputError, match="tasks"):
            build(32, tasks=tasks)


def test_every_network_can_be_for_one_task():
    builders = [
        partial(compact_cnn, 32),
        partial(two_branch_cnn, 32),
    ]
    for build in builders:
        assert set(build(tasks=["gender"]).output) == {"gender"}
        ages = build(tasks=["age"])
        assert "gender" not in ages.output and isinstance(ages, keras.Model)
    transferred = transfer_network(image_size=32, weights=None, tasks=["age"])
    assert set(transferred.output) == {"age_years", "age_distribution"}
