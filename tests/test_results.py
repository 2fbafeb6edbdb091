"""A run's folder and row, the results table, and the count of test readings."""

import csv
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki import results
from imdb_wiki.errors import InputError


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


def test_constants_are_the_capital_names_that_json_can_hold():
    names = {"SEED": 0, "DIRS": [Path("a"), "b"], "_HIDDEN": 1, "In": [1], "lower": 2, "NONE": None}
    names |= {"MODULE": csv, "RATES": (0.1, 1e-3), "FRAME": pd.DataFrame()}
    expected = {"SEED": 0, "DIRS": [Path("a"), "b"], "NONE": None, "RATES": (0.1, 1e-3)}
    assert results.constants_of(names) == expected


def write_run(run_dir, epochs, **constants):
    run_dir.mkdir(exist_ok=True)
    results.start_run(run_dir, {"data": "data/sample", "constants": constants})
    frame = pd.DataFrame({"epoch": range(epochs), "val_loss": [3.0, 1.0, 2.0][:epochs]})
    frame["val_age_years_mae"] = [9.0, 8.0, 8.5][:epochs]
    frame["val_gender_cross_entropy"] = 0.25
    frame["seconds"] = 30.0
    frame.to_csv(run_dir / "history.csv", index=False)


def test_a_row_tells_what_was_run_and_not_what_was_wanted(tmp_path):
    write_run(tmp_path, 3, EPOCHS=50, SEED=4, PREPARED_DIRS=[Path("data/sample")])
    row = results.run_row(tmp_path, "val", {"count": 7, "age_mae_years": 8.00001, "name": "x"})
    expected = {"epochs": 3, "epochs_set": 50, "seed": 4, "best_epoch": 2, "split": "val"}
    expected |= {"val_age_mae_years": 8.0, "val_age_mae_years_by_epoch": "9.00 8.00 8.50"}
    expected |= {"training_minutes": 1.5, "count": 7, "age_mae_years": 8.0, "data": "data/sample"}
    assert {name: row[name] for name in expected} == expected
    assert row["prepared_dirs"] == ["data/sample"]
    assert {"time", "started", "commit", "hardware", "run_dir"} <= row.keys()
    assert "name" not in row and "constants" not in row


@pytest.mark.parametrize("content", [b"", b"a;b\n1;2\n", b"epoch,val_loss\n"])
def test_a_history_that_is_none_is_said(tmp_path, content):
    write_run(tmp_path, 1)
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"history\.csv"):
        results.run_row(tmp_path, "val", {})


def test_what_lies_beside_a_model_tells_of_its_training(tmp_path):
    model = tmp_path / "model.keras"
    assert results.training_facts(model) == {}
    write_run(tmp_path, 2, SEED=4)
    assert results.training_facts(model) == {
        "seed": 4, "val_age_mae_years_by_epoch": "9.00 8.00"
    }  # fmt: skip
    shipped = tmp_path / "compact.keras"
    card = {"training": {"data": ["wiki"], "seed": 6}}
    (tmp_path / "compact.json").write_text(json.dumps(card))
    assert results.training_facts(shipped) == {"trained_with_data": ["wiki"], "seed": 6}


def test_a_test_split_counts_who_reads_it(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    (sentence,) = results.count_test_reading([first], "runs/1/model.keras")
    assert "has been read once, now" in sentence and str(first) in sentence
    sentences = results.count_test_reading([first, second], "runs/2/model.keras")
    assert "2 times, this one included" in sentences[0] and "once" in sentences[1]
    readings = pd.read_csv(first / "test_reads.csv")
    assert readings["model"].tolist() == ["runs/1/model.keras", "runs/2/model.keras"]
    assert sorted(path.name for path in first.iterdir()) == ["test_reads.csv"]


def test_the_results_table_grows_rows_and_columns(tmp_path):
    path = tmp_path / "results" / "results.csv"
    results.append_result(path, {"seed": 0, "note": 'a, "quoted"\nnote'})
    results.append_result(path, {"age_mae_years": 8.5, "seed": 1})
    results.append_result(path, {"seed": 2})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["seed", "note", "age_mae_years"]
    assert [row["seed"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["note"] == 'a, "quoted"\nnote'
    assert [row["age_mae_years"] for row in rows] == ["", "8.5", ""]
    assert [file.name for file in path.parent.iterdir()] == ["results.csv"]


def test_the_commit_marks_changed_files(tmp_path, monkeypatch):
    if not shutil.which("git"):
        pytest.skip("no git")
    module = tmp_path / "imdb_wiki" / "results.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.setattr(results, "__file__", str(module))
    # A folder around tmp_path may be a repository: git must not look there.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert results.current_commit() == ""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    clean = results.current_commit()
    assert len(clean) >= 7 and not clean.endswith("+")
    module.write_text("changed")
    assert results.current_commit() == clean + "+"


def test_hardware_is_named():
    assert "core" in results.hardware() or "×" in results.hardware()


# The same row as spreadsheets save it.
ONE_ROW = {
    "byte order mark": "\ufeffdata,seed,age_mae_years\ndata/sample,0,8.1\n".encode(),
    "Windows-1252": "data,seed,age_mae_years,remark\ndata/sample,0,8.1,größer\n".encode("cp1252"),
    "semicolons": b"data;seed;age_mae_years\ndata/sample;0;8,1\n",
    "tabs, UTF-8": b"data\tseed\tage_mae_years\ndata/sample\t0\t8.1\n",
    "CRLF": b"data,seed,age_mae_years\r\ndata/sample,0,8.1\r\n",
    "an empty line": b"data,seed,age_mae_years\ndata/sample,0,8.1\n\n,,\n",
    "a cell beyond": b"data,seed,age_mae_years\ndata/sample,0,8.1,good one\n",
    "semicolons, mark, CRLF": "\ufeffdata;seed;age_mae_years\r\ndata/sample;0;8,1\r\n".encode(),
}


@pytest.mark.parametrize("name", ONE_ROW)
def test_a_table_that_a_spreadsheet_has_saved_gets_its_row(tmp_path, name):
    path = tmp_path / "results.csv"
    path.write_bytes(ONE_ROW[name])
    results.append_result(path, {"data": "data/sample", "seed": 1, "age_mae_years": 8.5})
    table = pd.read_csv(path, encoding="utf-8")
    assert table["age_mae_years"].tolist() == [8.1, 8.5]
    assert table["seed"].tolist() == [0, 1]
    assert table.columns.tolist()[:3] == ["data", "seed", "age_mae_years"]
    extra = [cell for cell in table.iloc[0, 3:] if isinstance(cell, str)]
    expected = {"Windows-1252": ["größer"], "a cell beyond": ["good one"]}
    assert extra == expected.get(name, [])


def test_an_empty_name_keeps_no_table_and_an_empty_file_becomes_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results.append_result("", {"seed": 1})
    assert list(tmp_path.iterdir()) == []
    Path("results.csv").touch()
    results.append_result("results.csv", {"seed": 1})
    assert Path("results.csv").read_text() == "seed\n1\n"


def test_runs_that_end_at_once_all_get_their_rows(tmp_path):
    path, start = tmp_path / "results.csv", threading.Barrier(4)

    def append(seed):
        start.wait()
        for repeat in range(5):
            results.append_result(path, {"seed": seed, f"column_{seed}": repeat})

    threads = [threading.Thread(target=append, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = pd.read_csv(path)
    assert table["seed"].value_counts().tolist() == [5] * 4
    assert all(sorted(table[f"column_{seed}"].dropna()) == [0, 1, 2, 3, 4] for seed in range(4))
    assert [file.name for file in tmp_path.iterdir()] == ["results.csv"]
