"""Training on from trained weights: what is kept, what is said, what is written."""

import json
import shutil
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imdb_wiki import split_tables
from imdb_wiki.fine_tuning.command import main
from imdb_wiki.fine_tuning.defaults import Choices, recipe_for
from imdb_wiki.fine_tuning.text import report_lines
from imdb_wiki.labels import TASKS
from imdb_wiki.models.answers import predict
from imdb_wiki.models.files import load_model, save_model
from imdb_wiki.networks import compact, two_branch_cnn
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.pipeline import read_split
from imdb_wiki.prediction import load_predictor
from imdb_wiki.split_lists import list_beside, listed_name_digests
from tests.prepared import take_labels_away, write_prepared
from tests.shared import LEAST_COMPACT, assert_one_line, ran, write_description

tiny_cnn = partial(compact_cnn, **LEAST_COMPACT)


@pytest.fixture(scope="module", autouse=True)
def tiny_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", tiny_cnn)
        yield


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    counts = {"train": 48, "val": 24, "test": 12}
    return str(write_prepared(tmp_path_factory.mktemp("new"), counts))


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "old.keras"
    save_model(tiny_cnn(32), path)
    write_description(path.with_suffix(".json"), framing={"box": "chip", "margin": 0.1,
        "padding": "edge", "resampling": "area"})  # fmt: skip
    path.with_name("old_split.json").write_text('{"val": ["000000000000"], "test": []}')
    return path


@pytest.fixture(scope="module")
def tables_read():
    """The splits of all tables that the training of `tuned` has read."""
    return []


@pytest.fixture(scope="module")
def tuned(prepared_dir, start, tables_read, tmp_path_factory):
    """A training that has learnt something, since the start has learnt nothing."""
    run_dir = tmp_path_factory.mktemp("run") / "tuned"
    arguments = ["--start_from", start, "--epochs", 3, "--learning_rate", 0.01]
    read = split_tables._read_one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_tables, "_read_one", lambda *of: tables_read.append(of[1]) or read(*of))
        done = ran(main, prepared_dir, "--run_dir", run_dir, "--old_dirs", prepared_dir, *arguments)
    assert done.returncode == 0, done.stderr
    return done, run_dir


def test_a_table_is_read_by_the_training_and_once_by_the_rest(tuned, tables_read):
    # Of half a million rows each reading takes seconds. --old_dirs adds one of val.
    assert Counter(tables_read) == {"train": 2, "val": 3, "test": 1}


def test_the_result_is_used_like_the_network_before(tuned, start, prepared_dir):
    _, run_dir = tuned
    predictor = load_predictor(run_dir / "model.keras")
    assert predictor.framing is not None and predictor.framing.margin == 0.1
    assert predictor.age_interval is not None and predictor.age_interval["count"] == 24
    listed = list_beside(run_dir / "model.keras")
    assert listed is not None and "000000000000" in listed["val"]
    val = read_split(prepared_dir, "val")
    assert set(listed_name_digests(val["source"])) <= listed["val"]


def test_the_share_of_the_old_weights_is_the_one_of_the_lowest_validation_loss(
    tuned, start, prepared_dir
):
    _, run_dir = tuned
    report = json.loads((run_dir / "fine_tuning.json").read_text())
    losses = {float(share): loss for share, loss in report["start_shares"].items()}
    assert set(losses) == {0, 0.25, 0.5, 0.75, 1}
    assert report["start_share"] == min(losses, key=losses.get) < 1
    old, trained, network = (
        load_model(path).get_weights()
        for path in (start, run_dir / "training/model.keras", run_dir / "model.keras")
    )
    share = report["start_share"]
    for first, second, mean in zip(old, trained, network, strict=True):
        assert mean == pytest.approx(share * first + (1 - share) * second, abs=1e-5)


def test_what_has_changed_is_said_with_its_interval(tuned, start, prepared_dir):
    done, run_dir = tuned
    val = read_split(prepared_dir, "val")
    errors = [
        np.abs(predict(load_model(path), val)["age_years"] - val["age"])
        for path in (start, run_dir / "model.keras")
    ]
    said = done.stdout
    assert f"age error {errors[0].mean():.2f} years before, {errors[1].mean():.2f} years" in said
    assert "on the new 24 validation faces: gender right" in said
    assert f"on {prepared_dir}'s 24 validation faces" in said
    change = json.loads((run_dir / "fine_tuning.json").read_text())["changes"]["new"]
    assert change["age_error_years"]["low"] < (errors[1] - errors[0]).mean()
    assert change["age_error_years"]["high"] > (errors[1] - errors[0]).mean()


def test_the_same_command_again_gives_the_same(tuned, start, prepared_dir, tmp_path):
    _, run_dir = tuned
    before = (run_dir / "fine_tuning.json").read_text()
    for name in ("model.keras", "fine_tuning.json"):  # as if killed before they were written
        (run_dir / name).rename(tmp_path / name)
    (run_dir / "model.json").unlink()
    (run_dir / "model_split.json").unlink()
    arguments = ["--start_from", start, "--epochs", 3, "--learning_rate", 0.01]
    done = ran(main, prepared_dir, "--run_dir", run_dir, "--old_dirs", prepared_dir, *arguments)
    assert done.returncode == 0, done.stderr
    assert (run_dir / "fine_tuning.json").read_text() == before
    weights = (load_model(path / "model.keras").get_weights() for path in (run_dir, tmp_path))
    assert all((one == other).all() for one, other in zip(*weights, strict=True))


def test_ranges_and_missing_labels_are_learnt_from_and_a_task_without_labels_is_left_out(
    start, tmp_path
):
    folder = take_labels_away(write_prepared(tmp_path / "some", {"train": 48, "val": 36}))
    old = take_labels_away(write_prepared(tmp_path / "old", {"train": 1, "val": 36}))
    for split in ("train", "val"):
        path = folder / f"{split}.csv"
        pd.read_csv(path).assign(gender="").to_csv(path, index=False)
    arguments = ("--start_from", start, "--epochs", 1, "--old_dirs", old)
    done = ran(main, folder, "--run_dir", tmp_path / "run", *arguments)
    assert done.returncode == 0, done.stderr
    assert "the network has no gender any more" in done.stdout
    assert "gender" not in load_model(tmp_path / "run/model.keras").output


def report(share, low, high, tasks=("age", "gender")):
    change = {"before": 6.0, "after": 5.0, "low": low, "high": high}
    return {
        "train_count": 40, "val_count": 9, "epochs": 30, "start_share": share, "tasks": tasks,
        "changes": {"new": {"age_error_years": change, "count": 9}},
    }  # fmt: skip


def test_too_few_faces_are_told():
    assert "nothing has changed: 40 faces are too few" in "\n".join(report_lines(report(1, 0, 0)))
    assert "may be chance" in "\n".join(report_lines(report(0.5, -2, 0.1)))
    clear = "\n".join(report_lines(report(0.5, -2, -0.1)))
    assert "chance" not in clear and "too few" not in clear
    assert "difference: -2.00 to -0.10" in clear


def test_few_faces_get_more_epochs():
    recipes = [
        recipe_for(count, 1, "a.keras", 128, TASKS, Choices()) for count in (20, 500, 5000, 50_000)
    ]
    assert [recipe.epochs for recipe in recipes] == [20, 20, 8, 8]
    assert all(recipe.average_momentum < 1 for recipe in recipes)
    assert recipe_for(20, 1, "a.keras", 128, TASKS, Choices(epochs=2)).epochs == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no json", "has no .json that says how its faces are cut"),
        ("no model", "no such model"),
        ("another kind", "only compact_cnn"),
        ("a file is there", "is there and no result of a fine-tuning"),
        ("no folder", "holds no val.csv"),
        ("no labels", "no task is left to learn"),
        # It trains before that: evaluate says the same.
        pytest.param("7 left out", "cannot calibrate", marks=pytest.mark.long),
        ("12 left out", "leaves no face of the val split"),
    ],
)
def test_what_is_wrong_is_one_line(start, tmp_path, change, said):
    folder = write_prepared(tmp_path / "p", {"train": 8, "val": 12})
    model, run_dir = Path(shutil.copytree(start.parent, tmp_path / "s")) / "old.keras", "run"
    if change == "no json":
        model.with_suffix(".json").unlink()
    elif change == "no model":
        model.unlink()
    elif change == "another kind":
        save_model(two_branch_cnn(32), model)
    elif change == "a file is there":
        (tmp_path / "run").mkdir()
        shutil.copy(model, tmp_path / "run/model.keras")
    elif change == "no folder":
        shutil.rmtree(folder)
    elif change == "no labels":
        pd.read_csv(folder / "val.csv").assign(age="", age_low="", age_high="", gender="").to_csv(
            folder / "val.csv", index=False
        )
    arguments = [folder, "--run_dir", tmp_path / run_dir, "--start_from", model, "--epochs", 1]
    if change.endswith("left out"):
        listed = read_split(folder, "val")[["filename", "source"]].head(int(change.split()[0]))
        listed.assign(wrong_probability=1).to_csv(tmp_path / "list.csv", index=False)
        arguments += ["--left_out", tmp_path / "list.csv"]
    assert_one_line(ran(main, *arguments), said)
