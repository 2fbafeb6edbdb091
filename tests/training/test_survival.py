"""Trainings that are killed at each of their writes, or run out of room, and go on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.results.runs import run_row
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared
from tests.shared import assert_one_line

# Trains in this process, with a tiny network. `kill_at` counts whatever changes a file's name or
# makes it safe on the disk; at that one the process kills itself, a file being written half there.
SCRIPT = """
import os, signal, sys
from functools import partial
from pathlib import Path
from imdb_wiki.command import says_errors_in_one_line
from imdb_wiki.tensorflow_start import start_tensorflow
kind, data, run_dir = sys.argv[1:4]
start_tensorflow()
from imdb_wiki import networks, training
from imdb_wiki.networks import compact
from imdb_wiki.pipeline import read_split
from tests.shared import ONE_BLOCK, SMALL


def train():
    if kind == "compact":
        compact.compact_cnn = partial(networks.compact_cnn, **ONE_BLOCK)
        recipe = training.Recipe(
            image_size=32, first_image_size=32, source_size=32, batch_size=8, epochs=2,
            warm_up_epochs=1, average_momentum=0.5, teacher_weight=0.5, norm_batches=1,
            start_from=str(Path(data, "first.keras")),
        )
        training.train_compact([data], run_dir, recipe, verbose=0)
    else:
        training.seed_everything(0)
        frames = [read_split(data, split) for split in ("train", "val")]
        network = networks.two_branch_cnn(**SMALL)
        training.train(network, *frames, run_dir, epochs=2, batch_size=8, verbose=0)


def counted(owner, name, kill_at, count):
    original = getattr(owner, name)

    def changed(first, *rest, **options):
        count[0] += 1
        if count[0] == kill_at:
            if name == "fsync":
                os.truncate(first, os.fstat(first).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(first, *rest, **options)

    setattr(owner, name, changed)


@says_errors_in_one_line
def main():
    train()
    return 0


if len(sys.argv) == 4:
    sys.exit(main())

# Killed at each write, and then left or continued. Forked processes have TensorFlow imported.
for kill_at in range(1, 1000):
    place = f"{run_dir}-{kill_at}"
    if (child := os.fork()) == 0:
        count = [0]
        for owner, name in (
            (os, "fsync"), (Path, "replace"), (Path, "rename"), (Path, "unlink")
        ):
            counted(owner, name, kill_at, count)
        run_dir = place
        main()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        break  # all writes were counted
    print(place, flush=True)
    if sys.argv[4] == "leave it":
        continue
    if (child := os.fork()) == 0:
        run_dir = place
        os._exit(main())
    print("went on with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    from imdb_wiki.models.files import save_model
    from imdb_wiki.networks.compact import compact_cnn

    folder = write_prepared(tmp_path_factory.mktemp("data"), {"train": 20, "val": 8, "test": 4})
    first = compact_cnn(32, stem_filters=4, stage_filters=(8,), stage_blocks=(1,))
    save_model(first, folder / "first.keras")
    return folder


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def weights_and_history(run_dir: Path) -> tuple[list, pd.DataFrame]:
    weights = keras.saving.load_model(run_dir / "model.keras", compile=False).get_weights()
    return weights, pd.read_csv(run_dir / "history.csv").drop(columns="seconds")


def assert_same_end(run_dir: Path, whole: Path) -> None:
    (weights, history), (expected, expected_history) = map(weights_and_history, (run_dir, whole))
    assert all(np.array_equal(*pair) for pair in zip(weights, expected, strict=True)), run_dir
    pd.testing.assert_frame_equal(history, expected_history)
    assert not [path for path in run_dir.iterdir() if path.name.startswith("partial-")]
    assert len(list(run_dir.glob("state-*"))) <= 1


@pytest.mark.long
@pytest.mark.parametrize("kind", ["compact", "two_branch"])
def test_a_training_killed_at_any_write_ends_with_the_very_weights(kind, data, tmp_path, capsys):
    assert run(kind, data, tmp_path / "whole").returncode == 0
    done = run(kind, data, tmp_path / "run", "go on")
    assert done.returncode == 0, done.stderr[-2000:]
    kills = [Path(line) for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert done.stdout.count("went on with 0") == len(kills) >= 12, done.stdout + done.stderr
    for run_dir in kills:
        assert_same_end(run_dir, tmp_path / "whole")
    with capsys.disabled():
        print(f"\n{kind}: killed at each of {len(kills)} writes, went on to the very weights")


@pytest.mark.long
def test_a_killed_training_has_a_row_of_the_model_that_it_left(data, tmp_path):
    """The row's validation numbers are those of the epoch whose network was saved."""
    assert run("two_branch", data, tmp_path / "run", "leave it").returncode == 0
    scored = 0
    for run_dir in tmp_path.glob("run-*"):
        if not (run_dir / "model.keras").exists():
            continue
        (run_dir / "metrics.json").write_text('{"age_mae_years": 8.0}')
        row = run_row(run_dir, "val", run_dir)
        history = pd.read_csv(run_dir / "history.csv")
        best = history["epoch"] == row["best_epoch"] - 1
        assert row["val_age_mae_years"] == pytest.approx(
            float(history.loc[best, "val_age_years_mae"].iloc[0]), abs=1e-4
        )
        scored += 1
    assert scored >= 4


def full_disk(tmp_path: Path, kibibytes: int) -> Path:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    return disk


@pytest.mark.long
@pytest.mark.parametrize("kibibytes", [4, 16, 40, 72, 104, 136])
@pytest.mark.parametrize("kind", ["compact", "two_branch"])
def test_a_training_on_a_full_disk_says_so_and_goes_on_once_there_is_room(
    kind, kibibytes, data, tmp_path
):
    assert run(kind, data, tmp_path / "whole").returncode == 0
    disk = full_disk(tmp_path, kibibytes)
    try:
        done = run(kind, data, disk / "run")
        if done.returncode == 0:
            pytest.skip(f"{kibibytes} kB are enough")
        named = re.escape(f"error: {disk}/run/") + r"\S+: No space left on device"
        assert_one_line(done, re.compile(f"^{named}"))
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        again = run(kind, data, disk / "run")
        assert again.returncode == 0, again.stderr
        assert_same_end(disk / "run", tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
