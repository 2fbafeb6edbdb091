import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from imdb_wiki import training
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import score
from imdb_wiki.models.answers import predict
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.pipeline import make_dataset, read_split
from imdb_wiki.results.runs import run_row
from tests.prepared import write_noise, write_prepared
from tests.shared import SMALL

NO_AUGMENTATION = {
    "flip": False,
    "translation": 0,
    "zoom": 0,
    "rotation": 0,
    "brightness": 0,
    "contrast": 0,
}


@pytest.fixture(scope="module", autouse=True)
def seeded():
    training.seed_everything(0)


def read_frames(prepared_dir):
    write_prepared(prepared_dir, image_size=16)
    return {split: read_split(prepared_dir, split) for split in ("train", "val", "test")}


@pytest.fixture
def frames(tmp_path):
    return read_frames(tmp_path / "prepared")


@pytest.fixture
def eight_faces(tmp_path):
    """Images without any common pattern, so that only memory answers them."""
    frame = pd.DataFrame({"age": [3, 15, 22, 34, 41, 58, 66, 80], "gender": [0, 1] * 4})
    frame["path"] = [str(tmp_path / f"{number}.jpg") for number in range(8)]
    for number, path in enumerate(frame["path"]):
        write_noise(path, 16, 16, seed=number)
    return frame


def test_eight_images_can_be_overfitted(eight_faces):
    network = two_branch_cnn(**SMALL, initial_age_years=40, gender_dropout=0)
    before = score(eight_faces, predict(network, eight_faces), eight_faces)
    training.compile_two_branch(network, learning_rate=0.01)
    network.fit(make_dataset(eight_faces, 16, 8).cache().repeat(300), verbose=0, shuffle=False)
    after = score(eight_faces, predict(network, eight_faces), eight_faces)
    assert before["age_mae_years"] > 15
    assert after["age_mae_years"] < 2
    assert after["gender_accuracy"] == 1
    assert after["gender_cross_entropy"] < 0.1


def run(frames, run_dir, **keywords):
    training.seed_everything(3)
    network = two_branch_cnn(**SMALL, initial_age_years=45)
    options = {"epochs": 4, "batch_size": 4, "seed": 3, "learning_rate": 0.05, "verbose": 0}
    options |= {"age_loss_weight": 0.5, "gender_loss_weight": 3.0, **keywords}
    return network, training.train(network, frames["train"], frames["val"], run_dir, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run that several tests look at: its frames, folder, network and history."""
    frames = read_frames(tmp_path_factory.mktemp("prepared"))
    run_dir = tmp_path_factory.mktemp("run")
    return frames, run_dir, *run(frames, run_dir)


def test_a_seeded_run_repeats_exactly(finished, tmp_path):
    frames, _, _, first = finished
    _, second = run(frames, tmp_path)
    first, second = (frame.drop(columns="seconds") for frame in (first, second))
    assert first.to_dict() == second.to_dict()
    assert first["loss"].nunique() == len(first)


def test_a_network_made_ready_to_train_answers_as_before():
    network = two_branch_cnn(**SMALL)
    before = [weights.copy() for weights in network.get_weights()]
    training.compile_two_branch(network, learning_rate=0.5)
    for one, other in zip(before, network.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_run_leaves_its_history(finished):
    _, run_dir, _, history = finished
    written = pd.read_csv(run_dir / "history.csv")
    assert written["val_loss"].tolist() == pytest.approx(history["val_loss"].tolist())
    measures = ("loss", "age_years_mae", "gender_cross_entropy", "gender_accuracy")
    assert {"epoch", *measures, *(f"val_{name}" for name in measures)} <= set(written.columns)
    assert list(run_dir.glob("logs/**/events*"))


def test_the_best_epoch_is_what_is_kept(finished):
    frames, run_dir, network, history = finished
    best = history.loc[history["val_loss"].idxmin()]
    assert best["epoch"] != 3, "the last epoch is the best: nothing is tested"
    saved = keras.saving.load_model(run_dir / "model.keras")
    assert not saved.compiled
    assert not any("random" in layer.name for layer in saved.layers)
    ages, genders = frames["val"]["age"], frames["val"]["gender"]
    for model in (saved, network):
        predictions = predict(model, frames["val"])
        age_mae = np.abs(predictions["age_years"] - ages).mean()
        cross_entropy = -np.log(predictions["gender"][np.arange(len(genders)), genders]).mean()
        # Five images in batches of four: each must count once, the weights as they were given.
        assert age_mae == pytest.approx(best["val_age_years_mae"], rel=1e-4)
        assert cross_entropy == pytest.approx(best["val_gender_cross_entropy"], rel=1e-3)
        assert 0.5 * age_mae + 3 * cross_entropy == pytest.approx(best["val_loss"], rel=1e-3)


def test_training_ends_early_and_lowers_its_rate(frames, tmp_path):
    network = two_branch_cnn(**SMALL, norm_momentum=1.0)
    training.compile_two_branch(network, learning_rate=1e-30)  # so nothing gets better
    watchers = training.callbacks(
        network,
        tmp_path,
        early_stopping_patience=4,
        learning_rate_patience=3,
        learning_rate_factor=0.1,
        learning_rate_decay=0.5,
    )
    options = {"epochs": 30, "callbacks": watchers, "verbose": 0, "shuffle": False}
    data = make_dataset(frames["val"], 16, 5)
    history = network.fit(data, validation_data=data, **options).history
    rates = np.array(history["learning_rate"]) / 1e-30
    # Halved each epoch, and after the third in a row that was no better cut to a tenth besides.
    assert rates == pytest.approx([1, 0.5, 0.25, 0.125, 0.00625])


def test_a_broken_image_ends_training_with_its_name(frames, tmp_path):
    Path(frames["train"]["path"][7]).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"007\.jpg"):
        run(frames, tmp_path, epochs=1)


def test_a_loss_that_is_no_number_ends_training_and_leaves_the_good_model(frames, tmp_path):
    good = two_branch_cnn(**SMALL)
    training.save_model(good, tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"loss is NaN or infinite in epoch 1: .*learning rate"):
        run(frames, tmp_path, age_loss_weight=1e38)  # times some years, this overflows
    assert not (tmp_path / "model.keras").exists()
    kept = keras.saving.load_model(tmp_path / "earlier-1" / "model.keras")
    assert all(np.array_equal(*pair) for pair in zip(kept.weights, good.weights, strict=True))


def test_a_second_training_in_the_folder_keeps_the_first(frames, tmp_path, capsys):
    run(frames, tmp_path, epochs=1)
    first = (tmp_path / "history.csv").read_bytes()
    run(frames, tmp_path, epochs=2, verbose=1, constants={"EPOCHS": 2})
    assert (tmp_path / "earlier-1" / "history.csv").read_bytes() == first
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("earlier-1")
    # Where nobody watches, one line an epoch is all that is written.
    assert [line.split("  ")[0] for line in said[1:]] == ["epoch 1/2", "epoch 2/2"]
    assert "validation" in said[1] and "years" in said[1] and "%" in said[1]
    metrics = {"age_mae_years": 8.12345, "train_majority_gender": "male"}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    row = run_row(tmp_path, "val", tmp_path)
    assert row["epochs"] == row["epochs_set" if "epochs_set" in row else "epochs"] == 2
    assert row["run_dir"] == str(tmp_path) and row["age_mae_years"] == 8.1235
    assert row["train_count"] == 10 and row["val_count"] == 5
    assert len(row["val_age_mae_years_by_epoch"].split()) == 2


@pytest.fixture
def noise(tmp_path):
    return np.stack([write_noise(tmp_path / "n.jpg", 16, 16, seed) for seed in range(6)])


def augmented(images, seed=0, **keywords):
    """What reaches the network in training: a network that answers the image itself."""
    image = keras.Input((16, 16, 3), name="image")
    echo = keras.Model(image, {"image": keras.layers.Rescaling(1.0)(image)})
    model = training.with_augmentation(echo, seed, **keywords)
    return model, lambda training_phase: model(images, training=training_phase)["image"].numpy()


@pytest.mark.parametrize("name", list(NO_AUGMENTATION))
def test_each_augmentation_changes_training_only(noise, name):
    keywords = {**NO_AUGMENTATION, name: True if name == "flip" else 0.2}
    _, answer = augmented(noise, **keywords)
    assert answer(False).tolist() == noise.tolist()
    changed = answer(True)
    assert not np.allclose(changed, noise)
    assert changed.min() >= 0 and changed.max() <= 255
    if name == "flip":
        mirrored = [np.allclose(c, n[:, ::-1]) for c, n in zip(changed, noise, strict=True)]
        kept = [np.allclose(c, n) for c, n in zip(changed, noise, strict=True)]
        assert any(mirrored) and any(kept)
        assert all(np.logical_xor(mirrored, kept))


def test_without_augmentation_nothing_changes(noise):
    _, answer = augmented(noise, **NO_AUGMENTATION)
    assert answer(True).tolist() == noise.tolist()


def test_augmentation_follows_the_seed_and_differs_each_step(noise):
    _, first = augmented(noise, seed=1)
    _, again = augmented(noise, seed=1)
    _, other = augmented(noise, seed=2)
    steps = [first(True), first(True)]
    assert [again(True).tolist(), again(True).tolist()] == [step.tolist() for step in steps]
    assert not np.allclose(*steps)
    assert not np.allclose(other(True), steps[0])


def test_light_augmentation_is_light(noise):
    _, answer = augmented(noise)
    assert np.abs(answer(True).mean((1, 2, 3)) - noise.mean((1, 2, 3))).max() < 50


def test_one_device_needs_no_mirroring():
    if len(tf.config.list_physical_devices("GPU")) < 2:
        assert not isinstance(training.strategy(), tf.distribute.MirroredStrategy)


def test_a_mirrored_network_trains(frames, tmp_path):
    # With one device the strategy still wraps variables and batches as with several.
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        network = two_branch_cnn(**SMALL)
    options = {"epochs": 1, "batch_size": 4, "verbose": 0}
    history = training.train(network, frames["train"], frames["val"], tmp_path, **options)
    assert np.isfinite(history["val_loss"]).all()
    assert len(predict(network, frames["test"], batch_size=4)["age_years"]) == 7
