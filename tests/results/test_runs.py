"""A run's folder, and what its row in the results table says."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.results import provenance
from imdb_wiki.results import runs as results
from tests.conftest import REPOSITORY


def test_each_run_gets_a_folder_of_its_own(tmp_path):
    wanted = tmp_path / "runs" / "sample"
    assert results.new_run_dir(wanted) == wanted
    (wanted / "notebook.ipynb").touch()  # no training yet: the folder is still free
    assert results.new_run_dir(str(wanted)) == wanted
    (wanted / "model.keras").touch()
    second = results.new_run_dir(wanted)
    assert second == tmp_path / "runs" / "sample-2" and second.is_dir()
    (second / "history.csv").touch()
    assert results.new_run_dir(wanted).name == "sample-3"
    with pytest.raises(InputError, match="holds a training already"):
        results.new_run_dir(wanted, "refuse")
    with pytest.raises(InputError, match="'replace' is not 'number' or 'refuse'"):
        results.new_run_dir(wanted, "replace")


def test_a_run_gets_no_folder_that_is_something_else(tmp_path, monkeypatch):
    for name in ("", " ", None, 3):
        with pytest.raises(InputError, match="name one, such as runs/sample"):
            results.new_run_dir(name)
    (tmp_path / "train.csv").touch()
    with pytest.raises(InputError, match="is a prepared folder"):
        results.new_run_dir(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        results.new_run_dir(tmp_path / "train.csv")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "model.keras").touch()
    assert results.new_run_dir(".") == tmp_path / "here-2"


def test_two_processes_do_not_get_the_same_folder(tmp_path):
    code = (
        "import sys; from imdb_wiki.results import runs; folder = runs.new_run_dir(sys.argv[1])\n"
        "print(folder, flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=REPOSITORY, **pipes) as other:
        assert other.stdout.readline().strip() == str(tmp_path / "run")
        with pytest.raises(InputError, match="another one is about to begin"):
            results.new_run_dir(tmp_path / "run", "refuse")
        with (
            pytest.raises(InputError, match="another training is at work there"),
            results.at_work_in(tmp_path / "run"),
        ):
            pass
        assert results.new_run_dir(tmp_path / "run") == tmp_path / "run-2"
        other.communicate("\n")
    # The other one has ended without a training.
    assert results.new_run_dir(tmp_path / "run") == tmp_path / "run"
    with results.at_work_in(tmp_path / "run"):
        pass


def test_an_earlier_training_is_set_aside_whole_and_no_other_file(tmp_path):
    assert results.set_aside(tmp_path) is None
    for number in (1, 2):
        (tmp_path / "model.keras").write_text(f"model {number}")
        (tmp_path / "figures").mkdir()
        (tmp_path / "notebook.ipynb").write_text("mine")
        assert results.set_aside(tmp_path) == tmp_path / f"earlier-{number}"
        assert (tmp_path / f"earlier-{number}" / "model.keras").read_text() == f"model {number}"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["earlier-1", "earlier-2", "notebook.ipynb"]


def test_a_move_that_was_killed_goes_on(tmp_path):
    (tmp_path / "earlier-1").mkdir()
    (tmp_path / "earlier-2.part").mkdir()
    (tmp_path / "earlier-2.part" / "model.keras").touch()
    (tmp_path / "history.csv").touch()
    assert results.set_aside(tmp_path) == tmp_path / "earlier-2"
    names = sorted(path.name for path in (tmp_path / "earlier-2").iterdir())
    assert names == ["history.csv", "model.keras"]
    (tmp_path / "earlier-3.part").mkdir()  # all was moved, only the name was not changed
    assert results.set_aside(tmp_path) == tmp_path / "earlier-3"
    assert results.set_aside(tmp_path) is None


def test_constants_are_the_capital_names_that_json_can_hold():
    names = {"SEED": 0, "DIRS": [Path("a"), "b"], "_HIDDEN": 1, "In": [1], "lower": 2, "NONE": None}
    names |= {"MODULE": csv, "RATES": (0.1, 1e-3), "FRAME": pd.DataFrame()}
    expected = {"SEED": 0, "DIRS": [Path("a"), "b"], "NONE": None, "RATES": (0.1, 1e-3)}
    assert results.constants_of(names) == expected


def write_run(run_dir, epochs, metrics=None, saved_epoch=None, **constants):
    run_dir.mkdir(exist_ok=True)
    results.start_run(run_dir, {"data": "data/sample", "constants": constants})
    frame = pd.DataFrame({"epoch": range(epochs), "val_loss": [3.0, 1.0, 2.0][:epochs]})
    frame["val_age_years_mae"] = [9.0, 8.0, 8.5][:epochs]
    frame["val_gender_cross_entropy"] = 0.25
    frame["seconds"] = 30.0
    frame.to_csv(run_dir / "history.csv", index=False)
    if saved_epoch is not None:
        with zipfile.ZipFile(run_dir / "model.keras", "w") as archive:
            archive.comment = b"epoch %d" % saved_epoch
    if metrics is not None:
        (run_dir / "validation").mkdir()
        (run_dir / "validation" / "metrics.json").write_text(json.dumps(metrics))
    return run_dir, "val", run_dir / "validation"


def test_a_row_tells_what_was_run_and_not_what_was_wanted(tmp_path):
    metrics = {"count": 7, "age_mae_years": 8.00001, "name": "x", "by_gender": {"male": 1}}
    run = write_run(tmp_path, 3, metrics, EPOCHS=50, SEED=4, PREPARED_DIRS=[Path("data/sample")])
    row = results.run_row(*run)
    expected = {"epochs": 3, "epochs_set": 50, "seed": 4, "best_epoch": 2, "split": "val"}
    expected |= {"val_age_mae_years": 8.0, "val_age_mae_years_by_epoch": "9.00 8.00 8.50"}
    expected |= {"training_minutes": 1.5, "count": 7, "age_mae_years": 8.0, "data": "data/sample"}
    assert {name: row[name] for name in expected} == expected
    assert row["prepared_dirs"] == ["data/sample"]
    assert {"time", "started", "commit", "hardware", "run_dir"} <= row.keys()
    assert not {"name", "constants", "by_gender"} & row.keys()


@pytest.mark.parametrize("saved_epoch", [0, 1, 2])
def test_a_row_is_of_the_epoch_whose_model_is_there(tmp_path, saved_epoch):
    # Killed between the history and the model, the model is of an epoch before the best.
    row = results.run_row(*write_run(tmp_path, 3, {"count": 7}, saved_epoch))
    assert row["best_epoch"] == saved_epoch + 1
    assert row["val_age_mae_years"] == [9.0, 8.0, 8.5][saved_epoch]


def test_a_row_needs_all_of_its_files(tmp_path):
    run = write_run(tmp_path / "run", 3)
    with pytest.raises(InputError, match=r"metrics\.json"):
        results.run_row(*run)
    with pytest.raises(InputError, match=r"model\.keras is of an epoch that history\.csv lacks"):
        results.run_row(*write_run(tmp_path / "other", 1, {"count": 7}, saved_epoch=4))
    (tmp_path / "run" / "history.csv").unlink()
    with pytest.raises(InputError, match="no epoch of a training was finished here"):
        results.run_row(*run)


@pytest.mark.parametrize("content", [b"", b"a;b\n1;2\n", b"epoch,val_loss\n"])
def test_a_history_that_is_none_is_said(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"history\.csv"):
        results.read_history(tmp_path / "history.csv")


def test_what_lies_beside_a_model_tells_of_its_training(tmp_path):
    model = tmp_path / "model.keras"
    assert results.training_facts(model) == {}
    write_run(tmp_path, 2, SEED=4)
    assert results.training_facts(model) == {
        "seed": 4, "val_age_mae_years_by_epoch": "9.00 8.00"
    }  # fmt: skip
    shipped = tmp_path / "compact.keras"
    description = {"training": {"data": ["wiki"], "seed": 6}}
    (tmp_path / "compact.json").write_text(json.dumps(description))
    assert results.training_facts(shipped) == {"trained_with_data": ["wiki"], "seed": 6}


def test_the_commit_marks_changed_files(tmp_path, monkeypatch):
    if not shutil.which("git"):
        pytest.skip("no git")
    module = tmp_path / "imdb_wiki" / "results.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(module))
    # A folder around tmp_path may be a repository: git must not look there.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.current_commit() == ""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    clean = provenance.current_commit()
    assert len(clean) >= 7 and not clean.endswith("+")
    module.write_text("changed")
    assert provenance.current_commit() == clean + "+"


def test_hardware_is_named():
    assert "core" in provenance.hardware() or "×" in provenance.hardware()
