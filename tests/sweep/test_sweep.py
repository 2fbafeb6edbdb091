"""A sweep: what is tried and refused, what a stop leaves, what is written of it."""

import json
import shlex
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from matplotlib.figure import Figure

from imdb_wiki.sweep import command, report
from imdb_wiki.sweep import trials as room
from imdb_wiki.sweep.notebook import TrialError, execute
from tests.conftest import REPOSITORY
from tests.documents import check
from tests.prepared import write_prepared
from tests.shared import assert_one_line, ran

LIST = "AGE_FILTERS=[8,16],[16,32]"


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("faces"), {"train": 24, "val": 12, "test": 3})


@pytest.fixture
def trainings(monkeypatch):
    """Puts a formula in the place of the notebook; what it was given is listed."""
    given = []

    def execute(notebook, constants, executed_path):
        given.append(constants)
        if constants["BATCH_SIZE"] == 64:
            raise TrialError("the memory is full")
        rate = constants.get("LEARNING_RATE", 1e-3)
        errors = [9.0, abs(rate - 0.002) * 1000 + 5, 8.0]
        table = pd.DataFrame({"epoch": range(3), "val_loss": errors, "val_age_years_mae": errors})
        table["val_gender_accuracy"] = 1 - table["val_age_years_mae"] / 100
        table.to_csv(executed_path.with_name("history.csv"), index=False)

    monkeypatch.setattr(room, "execute", execute)
    monkeypatch.setattr(report, "sweep_figure", lambda *_: Figure((1, 1)))
    return given


def sweep(prepared_dir, run_dir, *arguments):
    return ran(command.main, prepared_dir, "--run_dir", run_dir, *arguments)


RATES = ("--vary", "LEARNING_RATE=1e-4..1e-2", "BATCH_SIZE=16,32,64")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no folder", "holds no train.csv"),
        ("no optuna", "pip install -r requirements-sweep.txt"),
        ("prepared", "is a prepared folder"),
        ("trained", "holds a training"),
        ("a file", "is a file"),
        ("a table", "is there and of no sweep"),
        ("damaged", "sweep.db: (sqlite3.DatabaseError) file is not a database"),
    ],
)
def test_folders_that_hold_something_else_are_refused(
    change, said, prepared_dir, tmp_path, monkeypatch
):
    run_dir, faces = tmp_path / "run", prepared_dir
    if change == "no folder":
        faces = tmp_path / "nowhere"
    elif change == "no optuna":
        monkeypatch.setitem(sys.modules, "optuna", None)
    elif change == "prepared":
        run_dir = prepared_dir
    elif change == "a file":
        run_dir.write_text("mine")
    else:
        names = {"trained": "model.keras", "a table": "trials.csv", "damaged": "sweep.db"}
        run_dir.mkdir()
        (run_dir / names[change]).write_text("mine " * 2000)
    assert_one_line(sweep(faces, run_dir, *RATES), said)


def test_the_best_is_found_told_and_ready_to_run(prepared_dir, tmp_path, trainings):
    done = sweep(
        prepared_dir, tmp_path / "a {b}?", *RATES, "--trials", 20, "--set", "EPOCHS=3", "FLIP=False"
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "a {b}?/trials.csv")
    assert list(table) == [
        *("trial", "LEARNING_RATE", "BATCH_SIZE", "val_loss"),
        *("best_epoch", "minutes", "state", "reason"),
    ]
    assert table["trial"].tolist() == list(range(1, 21))
    failed = table[table["BATCH_SIZE"] == 64]
    assert len(failed) and (failed["state"] == "failed").all() and failed["val_loss"].isna().all()
    assert failed["reason"].str.endswith("the memory is full").all()
    assert len(failed) < 7  # what fails is tried less and less
    best = table.loc[table["val_loss"].idxmin()]
    assert 5 <= best["val_loss"] < 5.5 and best["best_epoch"] == 2
    assert table["LEARNING_RATE"].between(1e-4, 1e-2).all()
    lines = done.stdout.splitlines()
    assert len(lines) == 22 and "trial  1/20  LEARNING_RATE=" in lines[0]
    assert f"best of 20, trial {best['trial']}: val_loss {best['val_loss']:.4f}" in lines[-2]
    words = lines[-1].split()
    constants = next(one for one in trainings if one["LEARNING_RATE"] == best["LEARNING_RATE"])
    assert words[words.index("LEARNING_RATE") + 1] == str(constants["LEARNING_RATE"])
    for given in trainings:
        assert given["READ_TEST_SPLIT"] is False and given["RESULTS_CSV"] == ""
        assert given["EPOCHS"] == 3 and given["FLIP"] is False
    assert "sweep.png" in done.stderr and (tmp_path / "a {b}?/sweep.png").is_file()


def test_a_few_combinations_are_each_tried_once(prepared_dir, tmp_path, trainings):
    vary = ("--vary", "BATCH_SIZE=8,16", LIST, "--set", "TASKS=[age]", "NORM_MOMENTUM=0.5")
    done = sweep(prepared_dir, tmp_path / "run", *vary, "--measure", "val_age_years_mae")
    assert done.returncode == 0, done.stderr
    tried = [(one["BATCH_SIZE"], tuple(one["AGE_FILTERS"])) for one in trainings]
    assert sorted(tried) == [(8, (8, 16)), (8, (16, 32)), (16, (8, 16)), (16, (16, 32))]
    # The command that is printed is one that papermill takes as it was meant.
    check(shlex.split(done.stdout.splitlines()[-1]))
    assert """-y 'TASKS: ["age"]'""" in done.stdout
    again = sweep(prepared_dir, tmp_path / "run", *vary, "--measure", "val_age_years_mae")
    assert "4 trials are there, 0 to go" in again.stdout and len(trainings) == 4


def test_the_higher_accuracy_is_the_better(prepared_dir, tmp_path, trainings):
    measure = ("--measure", "val_gender_accuracy", "--trials", 6)
    done = sweep(prepared_dir, tmp_path / "run", *RATES, *measure)
    table = pd.read_csv(tmp_path / "run/trials.csv")
    assert f"val_gender_accuracy {table['val_gender_accuracy'].max():.4f} with" in done.stdout


def test_the_same_values_are_not_trained_twice(prepared_dir, tmp_path, trainings):
    arguments = ("--vary", "BATCH_SIZE=8,16,32,128", "FLIP=True,False", "--trials", 7)
    assert sweep(prepared_dir, tmp_path / "run", *arguments).returncode == 0
    table = pd.read_csv(tmp_path / "run/trials.csv")
    repeated = table["reason"].astype(str).str.startswith("same values as trial")
    assert len(table) == 7 and len(trainings) == 7 - repeated.sum()
    assert not table[~repeated].duplicated(["BATCH_SIZE", "FLIP"]).any()


def test_all_failed_is_an_error_with_the_reason(prepared_dir, tmp_path, trainings):
    arguments = ("--vary", "LEARNING_RATE=1e-4..1e-2", "--set", "BATCH_SIZE=64", "--trials", 3)
    for _ in range(2):  # and again when nothing is left to do
        done = sweep(prepared_dir, tmp_path / "run", *arguments)
        assert_one_line(done, "no trial has worked, 3 failed; the last: the memory is full")
    assert len(trainings) == 3
    assert (pd.read_csv(tmp_path / "run/trials.csv")["state"] == "failed").all()
    assert (tmp_path / "run/sweep.png").is_file()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("--vary", "LEARNING_RATE=1e-5..1e-2", "BATCH_SIZE=16,32,64"), "0.0001..0.01: name"),
        (("--vary", "LEARNING_RATE=1e-4..1e-2"), "--vary BATCH_SIZE=16,32,64: name"),
        ((*RATES, "FLIP=True,False"), "--vary no FLIP"),
        ((*RATES, "--set", "EPOCHS=2"), "--set no EPOCHS"),
        ((*RATES, "--seed", 1), "--seed 0"),
        ((*RATES, "--measure", "val_age_years_mae"), "--measure val_loss"),
    ],
)
def test_another_sweep_in_the_same_folder_is_refused(
    other, said, prepared_dir, tmp_path, trainings
):
    assert sweep(prepared_dir, tmp_path / "run", *RATES, "--trials", 2).returncode == 0
    before = (tmp_path / "run/trials.csv").read_text()
    assert_one_line(sweep(prepared_dir, tmp_path / "run", *other, "--trials", 3), said)
    assert (tmp_path / "run/trials.csv").read_text() == before and len(trainings) == 2


def test_other_faces_in_the_same_folder_are_refused(tmp_path, trainings):
    faces = write_prepared(tmp_path / "faces", {"train": 4, "val": 3})
    assert sweep(faces, tmp_path / "run", *RATES, "--trials", 1).returncode == 0
    write_prepared(faces, {"train": 5, "val": 3})
    assert_one_line(sweep(faces, tmp_path / "run", *RATES), "a sweep with other faces")


def test_constants_edited_in_the_notebook_meanwhile_are_refused(
    prepared_dir, tmp_path, trainings, monkeypatch
):
    assert sweep(prepared_dir, tmp_path / "run", *RATES, "--trials", 1).returncode == 0
    notebook = command.read_notebook()
    edited = notebook._replace(constants=notebook.constants | {"EPOCHS": 9, "COMPACT_EPOCHS": 9})
    monkeypatch.setattr(command, "read_notebook", lambda: edited)
    done = sweep(prepared_dir, tmp_path / "run", *RATES)
    assert_one_line(done, "other constants in the notebook: EPOCHS=8: name")


def test_a_stopped_sweep_goes_on_as_if_it_had_not_been_stopped(
    prepared_dir, tmp_path, trainings, monkeypatch
):
    whole = sweep(prepared_dir, tmp_path / "whole", *RATES, "--trials", 12)
    assert whole.returncode == 0, whole.stderr
    execute = room.execute

    def stopped(notebook, constants, executed_path):
        if executed_path.parent.name == "011":
            executed_path.write_text("half a notebook")
            raise KeyboardInterrupt
        execute(notebook, constants, executed_path)

    monkeypatch.setattr(room, "execute", stopped)
    assert sweep(prepared_dir, tmp_path / "run", *RATES, "--trials", 5).returncode == 0
    done = sweep(prepared_dir, tmp_path / "run", *RATES, "--trials", 12)
    assert_one_line(done, "stopped; the same command goes on", code=130)
    monkeypatch.setattr(room, "execute", execute)
    done = sweep(prepared_dir, tmp_path / "run", *RATES, "--trials", 12)
    assert "10 trials are there, 2 to go" in done.stdout
    tables = [pd.read_csv(tmp_path / name / "trials.csv") for name in ("whole", "run")]
    for table in tables:
        table["minutes"] = 0
    pd.testing.assert_frame_equal(*tables)
    assert not (tmp_path / "run/trials/011/notebook.ipynb").exists()


def test_two_commands_at_once_do_not_mix(prepared_dir, tmp_path, trainings):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from imdb_wiki.results.runs import at_work_in\n"
        "with at_work_in(Path(sys.argv[1])): print('at work', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "at work\n"
        assert_one_line(sweep(prepared_dir, tmp_path / "run", *RATES), "at work there")
        other.kill()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from imdb_wiki.errors import InputError\nraise InputError('too small')", "too small"),
        ("import os\nos.kill(os.getpid(), 9)", "was killed: perhaps the memory was full"),
    ],
)
def test_a_trial_fails_with_the_reason_of_its_cell(code, said, tmp_path):
    whole = command.read_notebook()
    cell = whole.cut["cells"][-1]
    cut = {**whole.cut, "cells": [{**cell, "source": [code]}]}
    with pytest.raises(TrialError, match=said):
        execute(whole._replace(cut=cut), {}, tmp_path / "{EPOCHS}.ipynb")
    assert [path.name for path in tmp_path.iterdir()] == ["{EPOCHS}.ipynb"]


def test_killed_it_goes_on_with_the_notebook_itself(prepared_dir, tmp_path):
    """A real kill, then a real training."""
    run_dir = tmp_path / "run"
    network = ("TASKS=[age]", "AGE_FILTERS=[4]", "AGE_LAST_FILTERS=[4]")
    arguments = ["--vary", "IMAGE_SIZE=12,16", "--trials", "1"]
    arguments += ["--set", "EPOCHS=1", "DENSE_UNITS=8", *network]
    words = [sys.executable, "-m", "imdb_wiki", "sweep", str(prepared_dir)]
    words += ["--run_dir", str(run_dir), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=REPOSITORY, **pipes) as process:
        while not (run_dir / "trials/001/.lock").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    done = sweep(prepared_dir, run_dir, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"table and picture: {run_dir}/trials.csv, {run_dir}/sweep.png\n"
    (row,) = pd.read_csv(run_dir / "trials.csv").itertuples()
    folder = run_dir / "trials/001"
    history = pd.read_csv(folder / "history.csv")
    assert row.trial == 1 and row.state == "done" and row.best_epoch == 1
    assert row.val_loss == pytest.approx(history["val_loss"].min(), abs=1e-6)
    constants = json.loads((folder / "run.json").read_text())["constants"]
    assert constants["AGE_FILTERS"] == [4] and constants["IMAGE_SIZE"] == row.IMAGE_SIZE
    assert constants["READ_TEST_SPLIT"] is False
    assert not (prepared_dir / "test_reads.csv").exists()
    assert not list(run_dir.rglob("cut.ipynb"))
