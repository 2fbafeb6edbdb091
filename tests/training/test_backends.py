"""The compact training computes the same with TensorFlow and with JAX, on one device or several.

Each training runs in a process of its own: Keras decides at its import what it computes with.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.models.answers import predict
from imdb_wiki.pipeline import read_split
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared

pytest.importorskip("jax", reason="JAX is not installed: see requirements-dev.txt")

# A network of few filters: what is compared is the training. Without dropout, whose chance each
# backend draws in its own way.
SCRIPT = """
import json, sys
from functools import partial
from imdb_wiki.tensorflow_start import start_tensorflow

start_tensorflow(may_use_jax=True)
import keras
from imdb_wiki.networks import compact
from imdb_wiki.training import Recipe, train_compact

compact.compact_cnn = partial(
    compact.compact_cnn, stem_filters=4, stage_filters=(8,), stage_blocks=(1,)
)
prepared_dir, run_dir, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
recipe = Recipe(
    image_size=48, first_image_size=48, source_size=56, batch_size=16, warm_up_epochs=0.5,
    average_momentum=0.5, dropout=0.0, norm_batches=2, **options,
)
train_compact([prepared_dir], run_dir, recipe, verbose=0)
print(keras.config.backend())
"""
FOUR_DEVICES = "--xla_force_host_platform_device_count=4"
MEASURES = ["loss", "age_years_mae", "gender_accuracy", "val_loss", "val_age_years_mae"]


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory) -> Path:
    # whole batches: TensorFlow's are shorter at the end, where JAX fills up the last one
    return write_prepared(tmp_path_factory.mktemp("prepared"), {"train": 32, "val": 64, "test": 4})


def started(backend: str, prepared_dir: Path, run_dir: Path, options: dict, flags: str = ""):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, prepared_dir, run_dir, json.dumps(options)],
        env=os.environ | {"KERAS_BACKEND": backend, "XLA_FLAGS": flags},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def history(backend: str, prepared_dir: Path, run_dir: Path, options: dict, flags: str = ""):
    """Trains to the end; the history's rows."""
    process = started(backend, prepared_dir, run_dir, options, flags)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.split() == [backend]
    return pd.read_csv(run_dir / "history.csv")[MEASURES].to_numpy()


@pytest.fixture(scope="module")
def taught(prepared_dir, tmp_path_factory) -> dict:
    """A recipe that starts from a network: each backend draws first weights in its own way."""
    run_dir = tmp_path_factory.mktemp("first")
    history("jax", prepared_dir, run_dir, {"epochs": 1})
    start_from = str(run_dir / "model.keras")
    weights = {"teacher_weight": 0.3, "gender_teacher_weight": 0.3}
    return {"start_from": start_from, "epochs": 3, "seed": 1, **weights}


@pytest.fixture(scope="module")
def on_jax(prepared_dir, taught, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("jax")
    return run_dir, history("jax", prepared_dir, run_dir, taught)


def test_tensorflow_and_jax_have_the_same_losses_and_networks(
    prepared_dir, taught, on_jax, tmp_path
):
    run_dir, rows = on_jax
    assert len(rows) == 3 and np.ptp(rows[:, 0]) > 0.01  # it learns
    assert history("tensorflow", prepared_dir, tmp_path, taught) == pytest.approx(rows, rel=2e-3)
    frame = read_split(prepared_dir, "val")
    answers = [
        predict(keras.models.load_model(f / "model.keras"), frame) for f in (run_dir, tmp_path)
    ]
    for name, values in answers[0].items():
        assert answers[1][name] == pytest.approx(values, rel=2e-2, abs=1e-3), name


def test_four_devices_have_the_losses_of_one(prepared_dir, taught, on_jax, tmp_path):
    rows = history("jax", prepared_dir, tmp_path, taught, FOUR_DEVICES)
    assert rows == pytest.approx(on_jax[1], rel=1e-4)


def test_a_last_batch_is_filled_up_and_every_image_counts_once(prepared_dir, taught, tmp_path):
    # 61 validation faces in batches of 64: 3 fill up
    rows = pd.read_csv(prepared_dir / "val.csv")
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "crop").symlink_to(prepared_dir / "crop")
    (folder / "train.csv").write_bytes((prepared_dir / "train.csv").read_bytes())
    rows.iloc[:61].to_csv(folder / "val.csv", index=False)
    still = {**taught, "epochs": 1, "learning_rate": 1e-12}
    found = history("jax", folder, tmp_path / "run", still, FOUR_DEVICES)
    frame = read_split(folder, "val")
    answers = predict(keras.models.load_model(still["start_from"]), frame)
    error = np.abs(answers["age_years"] - frame["age"]).mean()
    assert found[0, MEASURES.index("val_age_years_mae")] == pytest.approx(error, rel=0.05)


def test_a_killed_training_goes_on_to_the_same_losses(prepared_dir, taught, on_jax, tmp_path):
    process = started("jax", prepared_dir, tmp_path, taught)
    while process.poll() is None and not list(tmp_path.glob("state-1.*")):
        time.sleep(0.01)
    process.kill()
    assert process.wait() < 0, "it ended before it was killed"
    assert history("jax", prepared_dir, tmp_path, taught) == pytest.approx(on_jax[1], rel=1e-5)
