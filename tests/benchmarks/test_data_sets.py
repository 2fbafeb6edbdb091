"""The table of what each data set is worth: what happens to an earlier one."""

import pandas as pd
import pytest

from benchmarks import data_sets
from imdb_wiki.errors import InputError
from tests.prepared import write_prepared
from tests.shared import assert_one_line, ran


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.setattr(data_sets, "start_tensorflow", lambda **_: None)
    folders = [write_prepared(tmp_path / name, {"train": 4, "val": 2}) for name in "ab"]
    (tmp_path / "run").mkdir()
    return (*folders, "--run_dir", tmp_path / "run")


def rows(*_):
    yield {"trained on": "all, seed 0", "epochs": 3, "a gender_accuracy": 0.5, "minutes": 1.0}
    yield {"trained on": "without a", "epochs": 6, "a gender_accuracy": 0.25, "minutes": 1.0}


def test_the_table_is_that_of_this_run(tmp_path, monkeypatch, arguments):
    path = tmp_path / "run/data_sets.csv"
    path.write_text("trained on,epochs\nof an earlier run,8\n")
    monkeypatch.setattr(data_sets, "measured", rows)
    done = ran(data_sets.main, *arguments)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(path).to_dict("records") == list(rows())


def test_an_earlier_table_stays_if_the_trainings_are_refused(tmp_path, monkeypatch, arguments):
    def refused(*_):
        raise InputError("differs in epochs")
        yield

    path = tmp_path / "run/data_sets.csv"
    path.write_text("trained on,epochs\nwithout a,8\n")
    monkeypatch.setattr(data_sets, "measured", refused)
    assert_one_line(ran(data_sets.main, *arguments), "differs in epochs")
    assert path.read_text() == "trained on,epochs\nwithout a,8\n"


def test_nobody_elses_table_is_replaced(tmp_path, monkeypatch, arguments):
    monkeypatch.setattr(data_sets, "measured", lambda *_: pytest.fail("too late"))
    path = tmp_path / "run/data_sets.csv"
    path.write_text("day,distance_km\nMonday,8\n")
    assert_one_line(ran(data_sets.main, *arguments), "is another kind of table")
    assert path.read_text() == "day,distance_km\nMonday,8\n"
