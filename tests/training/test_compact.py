"""The compact network's training: what it starts from, how it ends, and that it can be stopped."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.models.answers import predict
from imdb_wiki.models.files import save_model
from imdb_wiki.networks import compact
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.pipeline import make_dataset, read_split
from imdb_wiki.training.compact import state as compact_state
from imdb_wiki.training.compact import train as compact_training
from imdb_wiki.training.compact.batches import epoch_rows, training_batches
from imdb_wiki.training.compact.command import main
from imdb_wiki.training.compact.network import build_network, finished
from imdb_wiki.training.compact.recipe import Recipe
from imdb_wiki.training.compact.train import train_compact
from tests.conftest import REPOSITORY
from tests.prepared import write_noise, write_prepared
from tests.shared import ONE_BLOCK, assert_one_line, ran
from tests.training.small import SMALL, tiny_cnn


@pytest.fixture(scope="module", autouse=True)
def tiny_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", tiny_cnn)
        yield


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    counts = {"train": 20, "val": 8, "test": 4}
    return str(write_prepared(tmp_path_factory.mktemp("prepared"), counts))


class Whole(NamedTuple):
    """A training that nothing stopped, of a recipe that starts from `first`."""

    first: keras.Model
    recipe: Recipe
    run_dir: Path
    network: keras.Model

    def ended_otherwise(self, prepared_dir: str, run_dir: Path, **changes) -> keras.Model:
        """What only the end of the recipe changes, without training again."""
        shutil.copytree(self.run_dir, run_dir)
        recipe = replace(self.recipe, **changes)
        written = {"data": [prepared_dir]} | asdict(recipe)
        (run_dir / "recipe.json").write_text(json.dumps(written))
        return train_compact([prepared_dir], run_dir, recipe, verbose=0)


@pytest.fixture(scope="module")
def whole(prepared_dir, tmp_path_factory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    first = tiny_cnn(48)
    save_model(first, folder / "first.keras")
    recipe = replace(SMALL, start_from=str(folder / "first.keras"), norm_batches=0)
    network = train_compact([prepared_dir], folder / "run", recipe, verbose=0)
    return Whole(first, recipe, folder / "run", network)


def stem_kernel(network: keras.Model) -> np.ndarray:
    return network.get_layer("stem_conv").kernel.numpy()


def test_as_many_shares_as_folders(prepared_dir, tmp_path):
    recipe = replace(SMALL, folder_shares=(1.0, 0.5))
    with pytest.raises(InputError, match="2 folder shares for 1 prepared folders"):
        train_compact([prepared_dir], tmp_path, recipe, verbose=0)


def test_a_stopped_training_goes_on_with_the_very_losses(prepared_dir, whole, tmp_path):
    # A process of its own, killed from inside as soon as its first epoch is on disk.
    code = (
        "import os, sys; from imdb_wiki.training.compact import train as c; from tests.training "
        "import small; from pathlib import Path; from dataclasses import replace\n"
        "keep = c.keep_state\n"
        "def killed(network, history, run_dir, epochs):\n"
        "    keep(network, history, run_dir, epochs)\n"
        "    if epochs == 1: os.kill(os.getpid(), 9)\n"
        "from imdb_wiki.networks import compact; compact.compact_cnn = small.tiny_cnn\n"
        "c.keep_state = killed\n"
        "recipe = replace(small.SMALL, start_from=sys.argv[3], norm_batches=0)\n"
        "c.train_compact([sys.argv[1]], Path(sys.argv[2]), recipe, verbose=0)"
    )
    command = [sys.executable, "-c", code, prepared_dir, str(tmp_path), whole.recipe.start_from]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert len(pd.read_csv(tmp_path / "history.csv")) == 1
    continued = train_compact([prepared_dir], tmp_path, whole.recipe, verbose=0)
    columns = ["loss", "val_loss", "val_age_years_mae"]
    first, second = (pd.read_csv(f / "history.csv")[columns] for f in (whole.run_dir, tmp_path))
    assert second.to_numpy() == pytest.approx(first.to_numpy(), rel=1e-6)
    for one, other in zip(whole.network.get_weights(), continued.get_weights(), strict=True):
        assert other == pytest.approx(one, abs=1e-6)
    saved = keras.saving.load_model(tmp_path / "model.keras")
    assert sorted(saved.output) == ["age_distribution", "age_years", "gender"]


def test_a_second_training_starts_from_the_first_whose_answers_count_as_labels(
    prepared_dir, tmp_path
):
    first = tiny_cnn(48)
    save_model(first, tmp_path / "first.keras")
    recipe = replace(SMALL, start_from=str(tmp_path / "first.keras"), teacher_weight=1.0)
    still = replace(recipe, learning_rate=1e-12, epochs=1, warm_up_epochs=0, weight_decay=0.0)
    kept = train_compact([prepared_dir], tmp_path / "still", still, verbose=0)
    assert stem_kernel(kept) == pytest.approx(stem_kernel(first), abs=1e-6)
    taught = np.load(tmp_path / "still" / "teacher.npy")
    frame = read_split(prepared_dir, "train")
    answers = predict(first, frame)
    assert taught[:, :-1] == pytest.approx(answers["age_distribution"], abs=1e-5)
    assert taught[:, -1] == pytest.approx(answers["gender"][:, 1], abs=1e-5)
    # Each row keeps its own, in whatever order the epoch shows it.
    frame = frame.assign(age=np.arange(len(frame)))
    numbered = np.repeat(np.arange(len(frame), dtype="float32")[:, np.newaxis], 102, axis=1)
    for _, labels in training_batches(frame, recipe, 1, numbered):
        expected = np.repeat(labels["age_years"], 101, axis=1)
        assert np.asarray(labels["age_distribution"]) == pytest.approx(expected)
    # Started again it needs the first network no more.
    (tmp_path / "first.keras").unlink()
    train_compact([prepared_dir], tmp_path / "still", still, verbose=0)


def test_another_network_may_teach_one_that_starts_from_nothing(prepared_dir, tmp_path):
    teacher = tiny_cnn(40, stem_filters=6)
    save_model(teacher, tmp_path / "teacher.keras")
    recipe = replace(
        SMALL,
        epochs=1,
        warm_up_epochs=0.5,
        teacher=str(tmp_path / "teacher.keras"),
        teacher_weight=0.5,
        gender_teacher_weight=0.5,
    )
    network = train_compact([prepared_dir], tmp_path / "run", recipe, verbose=0)
    assert network.count_params() < teacher.count_params()
    frame = read_split(prepared_dir, "train")
    taught, answers = np.load(tmp_path / "run" / "teacher.npy"), predict(teacher, frame)
    assert taught[:, :-1] == pytest.approx(answers["age_distribution"], abs=1e-5)
    assert taught[:, -1] == pytest.approx(answers["gender"][:, 1], abs=1e-5)
    save_model(tiny_cnn(40, tasks=("age",)), tmp_path / "teacher.keras")
    with pytest.raises(InputError, match=r"teacher\.keras teaches no gender"):
        train_compact([prepared_dir], tmp_path / "other", recipe, verbose=0)


def test_a_second_training_may_end_with_the_mean_of_both(prepared_dir, whole, tmp_path):
    first, second = (stem_kernel(network) for network in (whole.first, whole.network))
    assert np.abs(second - first).max() > 1e-4
    for share in (0.25, 1.0):
        mean = whole.ended_otherwise(prepared_dir, tmp_path / str(share), start_share=share)
        expected = share * first + (1 - share) * second
        assert stem_kernel(mean) == pytest.approx(expected, abs=1e-7)


def test_a_training_cannot_start_from_another_kind_of_network(prepared_dir, tmp_path):
    save_model(tiny_cnn(48, stage_filters=(16,), stage_blocks=(1,)), tmp_path / "first.keras")
    recipe = replace(SMALL, start_from=str(tmp_path / "first.keras"))
    with pytest.raises(InputError, match="not a compact_cnn of this recipe"):
        train_compact([prepared_dir], tmp_path / "run", recipe, verbose=0)


def test_averages_are_kept_beside_the_training_and_do_not_change_it(prepared_dir, whole, tmp_path):
    # Two epochs, for Keras would put the averages in the weights' place between them.
    recipe = replace(whole.recipe, average_momentum=0.0)
    plain = train_compact([prepared_dir], tmp_path, recipe, verbose=0)
    losses = [pd.read_csv(folder / "history.csv")["loss"] for folder in (whole.run_dir, tmp_path)]
    assert losses[0].tolist() == pytest.approx(losses[1].tolist(), rel=1e-6)
    # The shipped weights are the averages.
    assert np.abs(stem_kernel(whole.network) - stem_kernel(plain)).max() > 1e-5


def test_norms_are_measured_over_pictures_as_they_are(prepared_dir, whole, tmp_path):
    network = whole.ended_otherwise(prepared_dir, tmp_path / "run", norm_batches=3)
    for name in ("stem_conv", "gender"):
        one, other = (n.get_layer(name).kernel.numpy() for n in (whole.network, network))
        assert other == pytest.approx(one)  # no weight is changed
    # The mean of the stem's values over each of the three batches: 8, 8 and 4 of 20 images.
    recipe = whole.recipe
    rows = epoch_rows(read_split(prepared_dir, "train"), recipe, recipe.epochs)
    stem = keras.Model(network.inputs, network.get_layer("stem_conv").output)
    values = [stem(images).numpy() for images, _ in make_dataset(rows, 48, recipe.batch_size)]
    means = np.mean([batch.mean(axis=(0, 1, 2)) for batch in values], axis=0)
    measured, kept = (
        n.get_layer("stem_norm").moving_mean.numpy() for n in (network, whole.network)
    )
    assert measured == pytest.approx(means, abs=1e-5)
    assert kept != pytest.approx(means, abs=1e-3)


def test_each_norm_is_measured_behind_the_norms_before_it(prepared_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "compact_cnn", partial(compact_cnn, **ONE_BLOCK))
    recipe = replace(SMALL, image_size=32, norm_batches=3)
    train = read_split(prepared_dir, "train")
    network = finished(build_network(recipe, None), train, tmp_path, recipe)
    norms = [layer for layer in network.layers if hasattr(layer, "moving_mean")]
    measured = [norm.moving_mean.numpy() for norm in norms]  # the next lines change them
    seen = keras.Model(network.inputs, [norm.input for norm in norms])
    rows = epoch_rows(train, recipe, recipe.epochs)
    batches = make_dataset(rows, 32, recipe.batch_size)
    values = [seen(images, training=True) for images, _ in batches]
    assert len(norms) > 3
    for found, *of_batches in zip(measured, *values, strict=True):
        means = np.mean([batch.numpy().mean(axis=(0, 1, 2)) for batch in of_batches], axis=0)
        assert found == pytest.approx(means, abs=1e-5)
        assert np.abs(means).max() > 1e-3  # not what a norm has from its beginning


def test_another_recipe_in_the_folder_is_refused(prepared_dir, tmp_path):
    begun = {"data": [prepared_dir]} | asdict(replace(SMALL, epochs=3))
    (tmp_path / "recipe.json").write_text(json.dumps(begun))
    (tmp_path / "state-1.weights.h5").touch()
    with pytest.raises(InputError, match="differs in epochs, learning_rate"):
        train_compact([prepared_dir], tmp_path, replace(SMALL, learning_rate=1.0), verbose=0)


@pytest.mark.parametrize("name", ["model.keras", "history.csv", "run.json"])
def test_a_training_of_another_kind_in_the_folder_is_refused(prepared_dir, tmp_path, name):
    (tmp_path / name).write_text("the notebook's")
    with pytest.raises(InputError, match="holds a training of another kind: name another folder"):
        train_compact([prepared_dir], tmp_path, SMALL, verbose=0)
    assert (tmp_path / name).read_text() == "the notebook's"
    assert {path.name for path in tmp_path.iterdir()} == {name, ".lock"}


@pytest.mark.parametrize("changed", ["nothing", "rows", "images", "network"])
def test_a_training_does_not_go_on_over_other_data(prepared_dir, whole, tmp_path, changed):
    run_dir = shutil.copytree(whole.run_dir, tmp_path / "run")
    data = shutil.copytree(prepared_dir, tmp_path / "data")
    first = shutil.copy(whole.recipe.start_from, tmp_path / "first.keras")
    recipe = replace(whole.recipe, start_from=str(first))
    written = json.loads((run_dir / "recipe.json").read_text())
    written |= {"data": [str(data)], "start_from": str(first)}  # only the places are others
    (run_dir / "recipe.json").write_text(json.dumps(written))
    if changed == "nothing":
        first.unlink()  # it has started, and needs that network no more
        continued = train_compact((data,), str(run_dir), recipe, verbose=0)
        assert (stem_kernel(continued) == stem_kernel(whole.network)).all()
        return
    if changed == "rows":
        table = pd.read_csv(data / "train.csv")
        table[::-1].to_csv(data / "train.csv", index=False)  # the same faces in another order
    elif changed == "images":
        for path in data.glob("crop/train/*/*.jpg"):
            write_noise(path, 32, 32)  # as after a preparation with another margin
    else:
        save_model(tiny_cnn(48), first)
    said = {"rows": "the prepared folders", "images": "the images", "network": "the network"}
    with pytest.raises(InputError, match=f"^{run_dir}: {said[changed]}.*changed since") as told:
        train_compact(data, run_dir, recipe, verbose=0)
    assert "\n" not in str(told.value)


def test_a_state_that_is_none_is_said_in_one_line(whole, tmp_path):
    (state,) = whole.run_dir.glob("state-2*")
    content = state.read_bytes()
    network = tiny_cnn(None)
    compact_training.compile_compact(network, whole.recipe, 3)
    assert compact_state.restored(network, whole.run_dir)[1] == 2
    other = content.replace(b"stem_conv", b"stem_vnoc")  # of another network
    for damaged in (b"", content[: len(content) // 2], b"no HDF5" * 500, other):
        (tmp_path / state.name).write_bytes(damaged)
        with pytest.raises(InputError, match=r"state-2\.weights\.h5 is no whole state") as told:
            compact_state.restored(network, tmp_path)
        assert "\n" not in str(told.value)


def test_a_loss_that_is_no_number_ends_the_training_in_one_line(prepared_dir, tmp_path):
    broken = tiny_cnn(48)
    broken.get_layer("gender").kernel.assign(
        np.full(broken.get_layer("gender").kernel.shape, np.nan)
    )
    save_model(broken, tmp_path / "first.keras")
    recipe = replace(SMALL, start_from=str(tmp_path / "first.keras"))
    with pytest.raises(InputError, match=r"^loss is NaN or infinite in epoch 1: [^\n]*$"):
        train_compact([prepared_dir], tmp_path / "run", recipe, verbose=0)
    assert not list((tmp_path / "run").glob("*.keras"))
    assert not list((tmp_path / "run").glob("state*"))


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    assert_one_line(ran(main, tmp_path / "absent", "--run_dir", tmp_path / "run"), "absent")
