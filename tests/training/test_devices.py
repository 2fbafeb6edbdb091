"""Several devices share each batch: none gets an empty one, and each image counts once.

Four logical devices of the CPU stand for four GPUs; they must be set up before TensorFlow starts,
so the work is done in a process of its own, for all tests at once.
"""

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.prepared import write_prepared

SCRIPT = """
import json, sys
from pathlib import Path
from imdb_wiki.tensorflow_start import start_tensorflow
start_tensorflow()
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
from imdb_wiki import training
from imdb_wiki.evaluation import load_model, predict
from imdb_wiki.networks import two_branch_cnn
from imdb_wiki.pipeline import make_dataset, read_split
from tests.shared import SMALL

folder, found = Path(sys.argv[1]), {"batches": [], "trained": []}
shares, trainings = json.loads(sys.argv[2])
train, val = (read_split(folder / "prepared", split) for split in ("train", "val"))
train["age"] = np.arange(len(train))  # so that a label tells which image it is of


def shared(strategy, dataset):
    for batch in strategy.experimental_distribute_dataset(dataset):
        yield [strategy.experimental_local_results(part) for part in tf.nest.flatten(batch)]


for devices, count, batch_size in shares:
    strategy = tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(devices)])
    for learns in (True, False):
        data = make_dataset(train[:count], 8, batch_size, learns, devices=devices)
        seen = {"devices": devices, "count": count, "batch_size": batch_size, "learns": learns}
        seen |= {"steps": len(data), "sizes": [], "ages": [], "weights": []}
        for images, ages, _, *weights in shared(strategy, data):
            seen["sizes"].append([len(part) for part in images])
            seen["ages"] += [int(age) for part in ages for age in part[:, 0]]
            seen["weights"] += [float(w) for part in weights for one in part for w in one]
        found["batches"].append(seen)

for devices, batch_size in trainings:
    with tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(devices)]).scope():
        network = two_branch_cnn(**SMALL)
    run_dir = folder / f"run-{devices}-{batch_size}"
    options = {"epochs": 1, "batch_size": batch_size, "gender_loss_weight": 3.0, "verbose": 0}
    row = training.train(network, train[:17], val, run_dir, **options).iloc[0]
    saved = load_model(run_dir / "model.keras")
    plain, mirrored = predict(saved, val), predict(network, val, batch_size, flip_averaging=False)
    genders = plain["gender"][np.arange(len(val)), val["gender"]]
    found["trained"].append({
        "finite": all(bool(np.isfinite(w).all()) for w in network.get_weights()),
        "history": {name: float(value) for name, value in row.items()},
        "age_mae": float(np.abs(plain["age_years"] - val["age"]).mean()),
        "cross_entropy": float(-np.log(genders).mean()),
        "accuracy": float((plain["gender"].argmax(1) == val["gender"]).mean()),
        "largest_difference": float(np.abs(plain["age_years"] - mirrored["age_years"]).max()),
    })
print(json.dumps(found))
"""


# Devices, images, images a step: batches that TensorFlow would divide into 1 and 0 images, into
# 3, 3, 3 and 0 or into 2, 2 and 0.
SOME_SHARES = [(2, 5, 4), (4, 9, 16), (3, 16, 4), (4, 1, 16)]
ALL_SHARES = [
    (devices, *others)
    for devices, others in itertools.product(
        (2, 3, 4), ((1, 16), (3, 16), (5, 4), (9, 16), (17, 16), (18, 2), (21, 16))
    )
]
CAMPAIGNS = {"some": (SOME_SHARES, [(2, 8)]), "all": (ALL_SHARES, [(4, 16), (4, 3), (3, 8)])}


@pytest.fixture(scope="module", params=["some", pytest.param("all", marks=pytest.mark.long)])
def found(request, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("devices")
    # 17 and 5 images: the last batch is shorter than the number of devices, however large it is.
    write_prepared(folder / "prepared", {"train": 21, "val": 5}, image_size=16)
    shares, trainings = CAMPAIGNS[request.param]
    found = {"batches": [], "trained": []}
    # A process for each training: TensorFlow trains on one number of devices a process.
    for campaign in ([shares, trainings[:1]], *([[], [one]] for one in trainings[1:])):
        command = [sys.executable, "-c", SCRIPT, str(folder), json.dumps(campaign)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        for name, rows in json.loads(done.stdout.splitlines()[-1]).items():
            found[name] += rows
    assert [len(found["batches"]), len(found["trained"])] == [2 * len(shares), len(trainings)]
    return found


def test_every_device_gets_as_many_images_in_every_step(found):
    for seen in found["batches"]:
        (size,) = {size for sizes in seen["sizes"] for size in sizes}
        assert size >= 1
        assert len(seen["sizes"]) == seen["steps"]
        # As many steps as asked for, unless a step was too small to be shared.
        if seen["batch_size"] % seen["devices"] == 0:
            assert seen["steps"] == -(-seen["count"] // seen["batch_size"])


def test_each_image_counts_once_in_validation_and_is_learnt_from_in_each_epoch(found):
    for seen in found["batches"]:
        if seen["learns"]:
            assert seen["weights"] == []
            counts = pd.Series(seen["ages"]).value_counts()
            assert sorted(counts.index) == list(range(seen["count"]))
            assert counts.max() <= 1 + -(-(len(seen["ages"]) - seen["count"]) // seen["count"])
        else:
            counted = np.array(seen["weights"]) > 0
            assert np.array(seen["ages"])[counted].tolist() == list(range(seen["count"]))
            assert np.mean(seen["weights"]) == pytest.approx(1, rel=1e-6)
            assert len({weight for weight in seen["weights"] if weight}) == 1


def test_a_training_on_several_devices_scores_each_validation_image_once(found):
    for trained in found["trained"]:
        assert trained["finite"]
        history = trained["history"]
        assert history["val_age_years_mae"] == pytest.approx(trained["age_mae"], rel=1e-5)
        assert history["val_gender_cross_entropy"] == pytest.approx(
            trained["cross_entropy"], rel=1e-4
        )
        assert history["val_gender_accuracy"] == pytest.approx(trained["accuracy"])
        weighted = 0.1 * trained["age_mae"] + 3 * trained["cross_entropy"]
        assert history["val_loss"] == pytest.approx(weighted, rel=1e-4)
        assert trained["largest_difference"] < 1e-4
