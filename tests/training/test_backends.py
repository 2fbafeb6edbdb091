"""The trainings compute the same with TensorFlow and with JAX, on one device or several.

On JAX they run in processes of its own: Keras decides at its import what it computes with. Several
processes that train together talk over loopback, as those of several machines over a network.
"""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.models.answers import predict
from imdb_wiki.models.files import save_model
from imdb_wiki.networks import compact, two_branch_cnn
from imdb_wiki.pipeline import make_dataset, read_split
from imdb_wiki.processes import Share
from imdb_wiki.training import Recipe, seed_everything, train, train_compact
from imdb_wiki.training.compact.batches import training_batches
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared
from tests.shared import ONE_BLOCK, SMALL, assert_one_line, write_description

pytest.importorskip("jax", reason="JAX is not installed: see requirements-dev.txt")

# Without dropout, whose chance each backend draws in its own way.
RECIPE = {
    "image_size": 48,
    "first_image_size": 48,
    "source_size": 56,
    "batch_size": 16,
    "warm_up_epochs": 0.5,
    "average_momentum": 0.5,
    "dropout": 0.0,
    "norm_batches": 2,
    "teacher_weight": 0.3,
    "gender_teacher_weight": 0.3,
    "epochs": 3,
    "seed": 1,
}
# The command `train`, but for the size of its network.
SCRIPT = """
import json, sys
from functools import partial
from imdb_wiki import processes
from imdb_wiki.command import says_errors_in_one_line

def train():
    from imdb_wiki.tensorflow_start import start_tensorflow

    start_tensorflow(may_use_jax=True, joins=True)
    import jax
    from imdb_wiki.networks import compact, two_branch_cnn
    from imdb_wiki.training import Recipe, seed_everything, train, train_compact

    prepared_dir, run_dir, few, recipe = map(json.loads, sys.argv[1:])
    compact.compact_cnn = partial(compact.compact_cnn, **few)
    train_compact([prepared_dir], run_dir, Recipe(**recipe), verbose=0)
    print(jax.device_count(), "devices")
    return 0

raise SystemExit(says_errors_in_one_line(processes.in_own_process)(train))
"""
# The two-branch network's training and a fine-tuning, with all devices.
OTHERS = """
import json, sys
from functools import partial
from imdb_wiki.tensorflow_start import start_tensorflow

start_tensorflow(may_use_jax=True)
import keras
from imdb_wiki import training
from imdb_wiki.fine_tuning.defaults import Choices
from imdb_wiki.fine_tuning.tune import fine_tune
from imdb_wiki.networks import compact, two_branch_cnn
from imdb_wiki.pipeline import read_split

prepared_dir, folder, small, options, few = map(json.loads, sys.argv[1:])
with training.strategy().scope():
    network = two_branch_cnn(**small)
network.set_weights(keras.saving.load_model(f"{folder}/first.keras").get_weights())
frames = [read_split(prepared_dir, split) for split in ("train", "val")]
training.seed_everything(1)
training.train(network, *frames, f"{folder}/jax", **options)
compact.compact_cnn = partial(compact.compact_cnn, **few)
start_from = f"{folder}/compact.keras"
fine_tune([prepared_dir], f"{folder}/tuned", start_from, choices=Choices(epochs=1), verbose=0)
print(keras.distribution.distribution().device_mesh.shape)
"""
JOINING = """
from imdb_wiki import processes
from imdb_wiki.command import says_errors_in_one_line

processes.START_SECONDS = 1
joined = lambda: processes.join() or 0
raise SystemExit(says_errors_in_one_line(processes.in_own_process)(joined))
"""
AGREEING = """
import os, sys
from imdb_wiki import processes
from imdb_wiki.command import says_errors_in_one_line
from imdb_wiki.errors import InputError

def work():
    processes.join()
    os.environ["KERAS_BACKEND"] = "jax"  # as `start_tensorflow` does
    index = processes.share().index
    processes.refuse_differences({"the folder": "faces"})
    rows = processes.rows_of_all(processes.np.full((2 + index, 1), index))
    try:
        processes.refuse_differences({"the folder": "faces", "the recipe": index})
    except InputError as error:
        print(rows.ravel().tolist(), error)
    with processes.all_or_none():
        if index == 1:
            raise InputError("faces holds no train.csv")
    return 0

raise SystemExit(says_errors_in_one_line(processes.in_own_process)(work))
"""
MEASURES = ["loss", "age_years_mae", "gender_accuracy", "val_loss", "val_age_years_mae"]


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory) -> Path:
    # For training whole batches: TensorFlow's last one is shorter, where JAX fills it up. For
    # validation a short one, which on JAX 3 faces fill up that must not count.
    return write_prepared(tmp_path_factory.mktemp("prepared"), {"train": 32, "val": 61, "test": 4})


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> dict:
    """Starts from a network: each backend draws first weights in its own way."""
    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("first") / "first.keras"
    save_model(compact.compact_cnn(48, dropout=0.0, **ONE_BLOCK), path)
    return RECIPE | {"start_from": str(path)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> dict:
    """What JAX has compiled for one process is there for the next."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def process(code: str, *arguments: object, devices: int = 1, **variables: str) -> subprocess.Popen:
    flags = (
        f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0"  # it is compiling that takes the time here
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(json.dumps, arguments)],
        env=os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": flags} | variables,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen) -> subprocess.CompletedProcess:
    output, errors = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def history(run_dir: Path) -> np.ndarray:
    return pd.read_csv(run_dir / "history.csv")[MEASURES].to_numpy()


def assert_same_answers(frame: pd.DataFrame, *folders: Path, relative: float) -> None:
    first, second = (predict(keras.models.load_model(f / "model.keras"), frame) for f in folders)
    for name, values in first.items():
        assert second[name] == pytest.approx(values, rel=relative, abs=1e-3), name


@pytest.fixture(scope="module")
def both(prepared_dir, recipe, cache, tmp_path_factory) -> tuple[Path, Path]:
    """The folders of the same training on one device with JAX, and with TensorFlow meanwhile."""
    on_jax, on_tensorflow = (tmp_path_factory.mktemp(name) for name in ("jax", "tensorflow"))
    training = process(SCRIPT, str(prepared_dir), str(on_jax), ONE_BLOCK, recipe, **cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", partial(compact.compact_cnn, **ONE_BLOCK))
        train_compact([prepared_dir], on_tensorflow, Recipe(**recipe), verbose=0)
    done = ended(training)
    assert (done.returncode, done.stdout) == (0, "1 devices\n"), done.stderr
    return on_jax, on_tensorflow


def test_tensorflow_and_jax_have_the_same_losses_and_networks(prepared_dir, both):
    rows = history(both[0])
    assert len(rows) == 3 and np.ptp(rows[:, 0]) > 0.01  # it learns
    assert history(both[1]) == pytest.approx(rows, rel=2e-3)
    assert_same_answers(read_split(prepared_dir, "val"), *both, relative=2e-2)


@pytest.mark.long
def test_four_devices_have_the_losses_of_one(prepared_dir, recipe, both, cache, tmp_path):
    done = ended(
        process(SCRIPT, str(prepared_dir), str(tmp_path), ONE_BLOCK, recipe, devices=4, **cache)
    )
    assert (done.returncode, done.stdout) == (0, "4 devices\n"), done.stderr
    assert history(tmp_path) == pytest.approx(history(both[0]), rel=1e-4)


@pytest.mark.long
def test_the_two_branch_training_and_a_fine_tuning_use_all_devices_and_lose_the_same(
    prepared_dir, recipe, cache, tmp_path
):
    small = SMALL | {"gender_dropout": 0.0}
    still = {"flip": False, "translation": 0.0, "brightness": 0.0}  # each draws in its own way
    options = {"epochs": 2, "batch_size": 16, "seed": 1, "augmentation": still, "verbose": 0}
    keras.utils.set_random_seed(1)
    network = two_branch_cnn(**small)
    save_model(network, tmp_path / "first.keras")
    shutil.copy(recipe["start_from"], tmp_path / "compact.keras")
    write_description(tmp_path / "compact.json", image_size=48)
    arguments = (str(prepared_dir), str(tmp_path), small, options, ONE_BLOCK)
    on_jax = process(OTHERS, *arguments, devices=4, **cache)
    frames = {split: read_split(prepared_dir, split) for split in ("train", "val")}
    seed_everything(1)
    train(network, *frames.values(), tmp_path / "tensorflow", **options)
    done = ended(on_jax)
    assert (done.returncode, done.stdout) == (0, "(4,)\n"), done.stderr
    rows = [
        pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds")
        for name in ("tensorflow", "jax")
    ]
    assert set(rows[0]) == set(rows[1]) and rows[0]["loss"].iloc[0] > 1
    accuracies = ["gender_accuracy", "val_gender_accuracy"]  # of which a face is 3%
    weighs_more = ["val_age_years_loss", "val_gender_loss"]  # TensorFlow's last, short batch
    for name in rows[0].columns.drop(weighs_more):
        least = 0.05 if name in accuracies else 0.0
        assert list(rows[1][name]) == pytest.approx(list(rows[0][name]), rel=5e-3, abs=least), name
    assert_same_answers(frames["val"], tmp_path / "tensorflow", tmp_path / "jax", relative=2e-2)
    tuned = json.loads((tmp_path / "tuned" / "fine_tuning.json").read_text())
    before = predict(keras.models.load_model(recipe["start_from"]), frames["val"])
    error = np.abs(before["age_years"] - frames["val"]["age"]).mean()
    assert tuned["changes"]["new"]["age_error_years"]["before"] == pytest.approx(error, rel=1e-3)
    trained = keras.models.load_model(tmp_path / "tuned" / "model.keras")
    after = np.abs(predict(trained, frames["val"])["age_years"] - frames["val"]["age"]).mean()
    assert tuned["changes"]["new"]["age_error_years"]["after"] == pytest.approx(after, rel=1e-3)


def free_address() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def together(prepared_dir: Path, run_dir: Path, recipe: dict, cache: dict) -> list:
    """Starts two processes of two devices each."""
    address = {"JAX_COORDINATOR_ADDRESS": free_address(), "JAX_NUM_PROCESSES": "2"}
    arguments = (SCRIPT, str(prepared_dir), str(run_dir), ONE_BLOCK, recipe)
    return [
        process(*arguments, devices=2, **cache, **address, JAX_PROCESS_ID=str(index))
        for index in range(2)
    ]


def test_two_processes_of_which_one_is_killed_go_on_to_the_losses_of_one_device(
    prepared_dir, recipe, both, cache, tmp_path
):
    first, second = together(prepared_dir, tmp_path, recipe, cache)
    while first.poll() is None and not list(tmp_path.glob("state-1.*")):
        time.sleep(0.01)
    second.kill()
    killed = time.monotonic()
    assert_one_line(ended(first), "process 0 of 2: another process has ended", "goes on")
    assert time.monotonic() - killed < 60
    assert ended(second).returncode < 0, "it ended before it was killed"
    assert not (tmp_path / "model.keras").exists()
    for done in map(ended, together(prepared_dir, tmp_path, recipe, cache)):
        assert (done.returncode, done.stdout, done.stderr) == (0, "4 devices\n", "")
    assert history(tmp_path) == pytest.approx(history(both[0]), rel=1e-4)
    assert_same_answers(read_split(prepared_dir, "val"), both[0], tmp_path, relative=1e-3)


@pytest.mark.parametrize("mixing", [0.0, 0.4])
def test_each_process_makes_its_rows_of_the_batches_of_one(prepared_dir, mixing):
    frame = read_split(prepared_dir, "val").assign(folder=str(prepared_dir))
    recipe = Recipe(**RECIPE | {"start_from": "a.keras", "mixing": mixing})
    taught = np.random.default_rng(0).random((len(frame), 102), dtype="float32")

    def batches(*share) -> list:
        made = training_batches(frame, recipe, 2, taught, devices=4, share=Share(*share))
        return list(made.as_numpy_iterator())

    whole, *parts = batches(0, 1), batches(0, 2), batches(1, 2)
    assert len(whole) == len(parts[0]) == len(parts[1]) == 4
    for of_one, *of_each in zip(whole, *parts, strict=True):
        joined = keras.tree.map_structure(lambda *rows: np.concatenate(rows), *of_each)
        keras.tree.map_structure(np.testing.assert_array_equal, joined, of_one)


def test_each_process_reads_its_own_files_only(tmp_path):
    folder = write_prepared(tmp_path / "faces", {"train": 20, "val": 1})
    frame = read_split(folder, "train")
    for number, path in enumerate(frame["path"]):
        if number % 8 >= 4:  # the second half of each batch of 8
            Path(path).unlink()
    own = make_dataset(frame, 32, 8, share=Share(0, 2))
    assert [len(images) for images, *_ in own] == [4, 4, 4]
    counted = np.concatenate([counts for *_, counts in own])
    assert counted == pytest.approx([24 / 20] * 12)  # the others' 4 last fill up, and count 0


def test_what_one_process_finds_wrong_ends_all_with_its_line():
    address = {"JAX_COORDINATOR_ADDRESS": free_address(), "JAX_NUM_PROCESSES": "2"}
    both = [process(AGREEING, **address, JAX_PROCESS_ID=str(index)) for index in range(2)]
    first, second = map(ended, both)
    said = (
        "[0, 0, 1, 1, 1] process 1 of 2 differs from process 0 in the recipe; in process {0} it "
        "is {0}"
    )
    assert [first.stdout, second.stdout] == [said.format(index) + "\n" for index in range(2)]
    assert_one_line(first, f"process 1 of 2, on {platform.node()}: faces holds no train.csv")
    assert_one_line(second, "error: faces holds no train.csv")


def test_processes_that_cannot_join_end_in_one_line():
    wrong = [
        ({"JAX_PROCESS_ID": "1"}, "not all were there at"),  # nothing listens there
        ({"JAX_PROCESS_ID": "0"}, "not all were there at"),  # the other one is elsewhere
        ({}, "several processes need JAX_PROCESS_ID as well"),
        ({"JAX_PROCESS_ID": "2"}, "from 0 to one less than JAX_NUM_PROCESSES"),
        ({"JAX_PROCESS_ID": "1", "JAX_COORDINATOR_ADDRESS": "localhost"}, "not HOST:PORT"),
        ({"JAX_PROCESS_ID": "1", "KERAS_BACKEND": "tensorflow"}, "with KERAS_BACKEND=jax only"),
    ]
    started = time.monotonic()
    processes = []
    for variables, _ in wrong:  # all at once: two of them wait
        address = {"JAX_COORDINATOR_ADDRESS": free_address(), "JAX_NUM_PROCESSES": "2"}
        processes.append(process(JOINING, **address | variables))
    for one, (_, said) in zip(processes, wrong, strict=True):
        assert_one_line(ended(one), said)
    assert time.monotonic() - started < 60
