"""All that shows suspects has them in one order, that of the table: by log odds, as audited."""

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.audit import suspects_in
from imdb_wiki.audit.calibration import Calibration, evidence_of
from imdb_wiki.audit.mixture import Found
from imdb_wiki.audit.people import Offsets
from imdb_wiki.audit.report import suspects_table, write_report
from imdb_wiki.audit.suspects import read_suspects
from imdb_wiki.pipeline import read_split
from tests.prepared import write_prepared

COUNT = 10


@pytest.fixture
def folder(tmp_path):
    return write_prepared(tmp_path / "p", {"train": COUNT})


def write_table(output_dir, frame, log_odds, wrong):
    shares = np.array([0.9, 0.1, 0, 0])
    found = Found(log_odds, wrong, wrong, wrong, shares, 0.1, (0, 1), Calibration(), Offsets(0, 0))
    write_report(output_dir, suspects_table(frame, {}, evidence_of(frame, {}), found), {}, None)


def test_the_order_is_that_of_the_log_odds_in_all_views(folder, tmp_path):
    frame, rng = read_split(folder, "train", incomplete=True), np.random.default_rng(0)
    wrong, log_odds = rng.random(COUNT), rng.normal(size=COUNT)
    wrong[4] = log_odds[4] = np.nan  # without a label: last, and no suspect
    write_table(tmp_path / "o", frame, log_odds, wrong)
    expected = np.argsort(-np.nan_to_num(log_odds, nan=-9))
    assert expected.tolist() != np.argsort(-np.nan_to_num(wrong, nan=-9)).tolist()
    names = list(frame["filename"].iloc[expected])
    suspects = read_suspects(tmp_path / "o")
    assert [name for _, name in suspects.keys] == names
    assert suspects.probabilities == pytest.approx(wrong[expected], abs=1e-6, nan_ok=True)
    shown = suspects_in(frame, tmp_path / "o")
    assert list(shown["filename"]) == names[:-1]
    assert list(shown.index) == list(expected[:-1])
    assert list(shown["wrong_probability"]) == pytest.approx(wrong[expected[:-1]], abs=1e-6)


def test_who_sorts_the_table_decides_the_order(folder, tmp_path):
    frame = read_split(folder, "train", incomplete=True).drop(columns="source")
    write_table(tmp_path / "o", frame, np.arange(COUNT), np.linspace(0, 1, COUNT))
    path = tmp_path / "o/suspects.csv"
    pd.read_csv(path).sort_values(["gender", "age"]).to_csv(path, index=False)
    names = list(frame.sort_values(["gender", "age"])["filename"])
    assert [name for _, name in read_suspects(tmp_path / "o").keys] == names
    assert list(suspects_in(frame, tmp_path / "o")["filename"]) == names
