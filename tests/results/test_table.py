"""The results table: rows that must not be lost, and who reads a test split."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.results import table as results_table
from imdb_wiki.results.table import append_result
from tests.conftest import REPOSITORY


def test_a_test_split_counts_who_reads_it(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    (sentence,) = results_table.count_test_reading([first], "runs/1/model.keras")
    assert "has been read once, now" in sentence and str(first) in sentence
    sentences = results_table.count_test_reading([first, second], "runs/2/model.keras")
    assert "2 times, this one included" in sentences[0] and "once" in sentences[1]
    readings = pd.read_csv(first / "test_reads.csv")
    assert readings["model"].tolist() == ["runs/1/model.keras", "runs/2/model.keras"]
    assert sorted(path.name for path in first.iterdir()) == ["test_reads.csv"]


def test_the_results_table_grows_rows_and_columns(tmp_path):
    path = tmp_path / "results" / "results.csv"
    append_result(path, {"seed": 0, "note": 'a, "quoted"\nnote'})
    append_result(path, {"age_mae_years": 8.5, "seed": 1})
    append_result(path, {"seed": 2})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["seed", "note", "age_mae_years"]
    assert [row["seed"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["note"] == 'a, "quoted"\nnote'
    assert [row["age_mae_years"] for row in rows] == ["", "8.5", ""]
    assert [file.name for file in path.parent.iterdir()] == ["results.csv"]


# The same row as spreadsheets save it.
ONE_ROW = {
    "byte order mark": "\ufeffdata,seed,age_mae_years\ndata/sample,0,8.1\n".encode(),
    "Windows-1252": "data,seed,age_mae_years,remark\ndata/sample,0,8.1,größer\n".encode("cp1252"),
    "semicolons": b"data;seed;age_mae_years\ndata/sample;0;8,1\n",
    "tabs, UTF-8": b"data\tseed\tage_mae_years\ndata/sample\t0\t8.1\n",
    "CRLF": b"data,seed,age_mae_years\r\ndata/sample,0,8.1\r\n",
    "an empty line": b"data,seed,age_mae_years\ndata/sample,0,8.1\n\n,,\n",
    "a cell beyond": b"data,seed,age_mae_years\ndata/sample,0,8.1,good one\n",
    "UTF-16, tabs": "data\tseed\tage_mae_years\r\ndata/sample\t0\t8.1\r\n".encode("utf-16"),
    "empty columns": b"data,seed,age_mae_years,,\ndata/sample,0,8.1,,\n",
    "a column without a name": b"data,seed,age_mae_years,,\ndata/sample,0,8.1,,good one\n",
    "two columns of a name": b"data,seed,age_mae_years,seed\ndata/sample,0,8.1,good one\n",
    "semicolons, mark, CRLF": "\ufeffdata;seed;age_mae_years\r\ndata/sample;0;8,1\r\n".encode(),
}


@pytest.mark.parametrize("name", ONE_ROW)
def test_a_table_that_a_spreadsheet_has_saved_gets_its_row(tmp_path, name):
    path = tmp_path / "results.csv"
    path.write_bytes(ONE_ROW[name])
    append_result(path, {"data": "data/sample", "seed": 1, "age_mae_years": 8.5})
    table = pd.read_csv(path, encoding="utf-8")
    assert table["age_mae_years"].tolist() == [8.1, 8.5]
    assert table["seed"].tolist() == [0, 1]
    assert table.columns.tolist()[:3] == ["data", "seed", "age_mae_years"]
    extra = [cell for cell in table.iloc[0, 3:] if isinstance(cell, str)]
    expected = {"Windows-1252": ["größer"], "a cell beyond": ["good one"]}
    expected |= {"a column without a name": ["good one"], "two columns of a name": ["good one"]}
    assert extra == expected.get(name, [])
    assert len(table.columns) == 3 + (name in expected)


def test_an_empty_name_keeps_no_table_and_an_empty_file_becomes_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    append_result("", {"seed": 1})
    assert list(tmp_path.iterdir()) == []
    Path("results.csv").touch()
    append_result("results.csv", {"seed": 1})
    assert Path("results.csv").read_text() == "seed\n1\n"


def test_runs_that_end_at_once_all_get_their_rows(tmp_path):
    code = (
        "import sys; from imdb_wiki.results.table import append_result; input(print(flush=True))\n"
        "for repeat in range(5):\n"
        "    append_result(sys.argv[1], {'seed': sys.argv[2], f'column_{sys.argv[2]}': repeat})"
    )
    path = tmp_path / "results.csv"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    commands = [[sys.executable, "-c", code, str(path), str(seed)] for seed in range(4)]
    processes = [subprocess.Popen(command, cwd=REPOSITORY, **pipes) for command in commands]
    for process in processes:  # all wait until the last of them has imported what it needs
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    table = pd.read_csv(path)
    assert table["seed"].value_counts().tolist() == [5] * 4
    assert all(sorted(table[f"column_{seed}"].dropna()) == [0, 1, 2, 3, 4] for seed in range(4))
    assert [file.name for file in tmp_path.iterdir()] == ["results.csv"]


def test_a_link_to_a_table_elsewhere_stays_one(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "results.csv").symlink_to(tmp_path / "shared" / "all.csv")
    for seed in range(2):
        append_result(tmp_path / "results.csv", {"seed": seed})
    assert (tmp_path / "results.csv").is_symlink()
    assert (tmp_path / "shared" / "all.csv").read_text() == "seed\n0\n1\n"


def directory(path: Path) -> None:
    path.mkdir()


def folder_that_is_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file")


def unbalanced_quotes(path: Path) -> None:
    path.write_text('seed,note\n0,"not closed\n1,fine\n')


def spreadsheet(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04\x14\x00\x06\x00 xl/worksheets/sheet1.xml")


BROKEN_TABLES = {
    directory: "Is a directory",
    folder_that_is_a_file: "File exists",
    unbalanced_quotes: "is damaged in line 3",
    spreadsheet: "is no CSV table",
}


@pytest.mark.parametrize("make", BROKEN_TABLES)
def test_a_row_that_the_table_cannot_take_is_kept_with_the_run(tmp_path, capsys, make):
    path, run_dir = tmp_path / "tables" / "results.csv", tmp_path / "run"
    path.parent.mkdir(), run_dir.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else None
    for seed in range(2):
        kept = append_result(path, {"seed": seed, "run_dir": str(run_dir)})
        assert kept == run_dir / "results.csv"
    assert pd.read_csv(kept)["seed"].tolist() == [0, 1]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and BROKEN_TABLES[make] in said[0]
    assert said[0].startswith(f"{path} cannot take this run's row")
    assert said[0].endswith(f"it is in {kept}")
    assert (path.read_bytes() if path.is_file() else None) == before, "it was not left as it was"
    # A row of no run, such as an evaluation's, has no other place: that is an error.
    with pytest.raises((OSError, InputError), match=BROKEN_TABLES[make]):
        append_result(path, {"seed": 2})


def test_a_row_is_kept_where_the_tables_folder_is_read_only(tmp_path, capsys):
    folder = tmp_path / "tables"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=100k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a read-only file system can be mounted by root only")
    try:
        (tmp_path / "run").mkdir()
        append_result(folder / "results.csv", {"seed": 1, "run_dir": str(tmp_path / "run")})
        (sentence,) = results_table.count_test_reading([folder], "model.keras")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert pd.read_csv(tmp_path / "run" / "results.csv")["seed"].tolist() == [1]
    assert "Read-only file system" in capsys.readouterr().err
    assert sentence.endswith("cannot be written (Read-only file system): not counted")


def test_a_table_of_something_else_gets_no_row(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("filename,age,gender\na.jpg,20,1\n")
    with pytest.raises(InputError, match=r"train\.csv is another kind of table: .*filename"):
        append_result(path, {"data": "data/sample", "seed": 1})
    assert path.read_text() == "filename,age,gender\na.jpg,20,1\n"
