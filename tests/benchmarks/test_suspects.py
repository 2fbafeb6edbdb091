"""The numbers that the docs say of the audit's benchmarks, on six faces counted by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from benchmarks import audit, people, without_suspects
from benchmarks.contradictions import ranked_groups
from imdb_wiki import training
from imdb_wiki.audit import run as audit_run
from imdb_wiki.audit import worst
from tests.prepared import write_prepared
from tests.shared import ran

AGES, GENDERS = [20, 25, 30, 40, 50, 50], [0, 0, 1, 1, 0, 1]
FACES = pd.DataFrame({"age": AGES, "age_low": AGES, "age_high": AGES, "gender": GENDERS})


@pytest.mark.parametrize(
    ("rows", "sources", "wrong", "clear"),
    [
        ([0, 1, 5], [1, 0, 5], [0, 1], []),  # 5 years is too little, and one keeps its own
        ([2, 3], [3, 2], [2, 3], [2, 3]),  # 10 years
        ([4, 5], [5, 4], [4, 5], [4, 5]),  # the gender alone
        ([0, 2, 4], [2, 4, 0], [0, 2, 4], [0, 2, 4]),
    ],
)
def test_labels_go_from_face_to_face_and_what_is_wrong_and_clear_is_known(
    rows, sources, wrong, clear, monkeypatch
):
    class Drawn:
        def choice(self, count, some, replace):
            assert (count, some, replace) == (6, len(rows), False)
            return np.array(rows)

        def permutation(self, values):
            assert list(values) == rows
            return np.array(sources)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Drawn())
    table = audit.exchanged(FACES, len(rows) / 6, seed=0)
    expected = list(range(6))
    for row, source in zip(rows, sources, strict=True):
        expected[row] = source
    labels = ["age", "age_low", "age_high", "gender"]
    assert table[labels].to_numpy().tolist() == FACES.loc[expected, labels].to_numpy().tolist()
    assert np.flatnonzero(table["is_wrong"]).tolist() == wrong
    assert np.flatnonzero(table["is_clear"]).tolist() == clear


def test_within_people_labels_stay_with_the_person():
    rng = np.random.default_rng(0)
    ages, who = rng.permutation(300), rng.integers(0, 20, 300).astype(str)
    who[7] = "alone"
    frame = pd.DataFrame({"age": ages, "age_low": ages, "age_high": ages, "gender": who == "3"})
    table = people.exchanged_within(frame, who, 0.5, seed=0)
    assert table.index.equals(frame.index)
    changed = table["age"] != frame["age"]
    assert (changed == table["is_wrong"]).all() and 90 < changed.sum() < 160 and not changed[7]
    for person in np.unique(who):
        assert sorted(table["age"][who == person]) == sorted(frame["age"][who == person])


@pytest.mark.parametrize(
    ("scores", "area"),
    [
        ([9, 8, 3, 2, 1, 0], 1),
        ([0, 1, 2, 3, 4, 5], 0),
        ([7, 7, 7, 7, 7, 7], 0.5),
        ([3, 1, 1, 2, 0, 0], 6.5 / 8),  # 4 of 4; below one, beside one, above two of four
    ],
)
def test_the_roc_area_counts_ties_half(scores, area):
    wrong = np.array([True, True, False, False, False, False])
    assert audit.roc_auc(np.array(scores), wrong) == pytest.approx(area)


def test_the_measures_of_an_order(monkeypatch):
    monkeypatch.setattr(audit, "FIRST", 2)
    scores = np.array([6.0, 5, 4, 3, 2, 1])
    table = pd.DataFrame(
        {
            "is_wrong": [False, True, False, True, True, False],
            "is_clear": [False, True, False, False, False, False],
        }
    )
    assert audit.measures(scores, table) == pytest.approx(
        {
            "roc_auc": (2 + 1 + 1) / 9,
            "roc_auc_clear": 2 / 3,  # the unclear ones are not judged
            "average_precision": (1 / 2 + 2 / 4 + 3 / 5) / 3,
            "first_100": 1 / 2,
            "first_k": 1 / 3,  # k is how many are wrong, 3
        }
    )


def test_the_arms_leave_out_as_many_and_weigh_by_the_probability_to_be_right():
    probably_wrong = np.array([0.9, 0.1, 0.6, 0.0, 0.25, 1 / 3])
    arms = without_suspects.arms_of(FACES, probably_wrong, probably_wrong >= 0.5, seed=0)
    assert arms["all"].index.tolist() == [0, 1, 2, 3, 4, 5]
    assert arms["without"].index.tolist() == [1, 3, 4, 5]
    assert len(arms["random"]) == 4 and set(arms["random"].index) < set(range(6))
    assert arms["weighted"]["weight"].tolist() == [0.1, 0.9, 0.4, 1.0, 0.75, 0.6667]
    assert arms["weighted"].drop(columns="weight").equals(FACES)
    others = without_suspects.arms_of(FACES, probably_wrong, probably_wrong >= 0.5, seed=1)
    assert set(others["random"].index) != set(arms["random"].index)


def test_an_interval_holds_what_other_faces_and_other_seeds_would_change():
    people = np.arange(400).astype(str)
    faces = np.random.default_rng(0).normal(-1, 2, 400)
    mean, low, high = without_suspects.mean_and_interval(faces[np.newaxis], people)
    assert mean == pytest.approx(faces.mean()) and high - low == pytest.approx(0.4, abs=0.03)
    # Three seeds that differ by a standard deviation of 1 year: Student's t for two degrees of
    # freedom is 4.303, so the mean is uncertain by 4.303 / sqrt(3) = 2.48 years.
    seeds = np.array([-1.0, 0, 1])[:, np.newaxis]
    alone = without_suspects.mean_and_interval(seeds + np.zeros(400), people)
    assert alone == pytest.approx((0, -2.484, 2.484), abs=1e-3)
    both = without_suspects.mean_and_interval(seeds + faces, people)
    assert both[0] == pytest.approx(mean)
    assert both[2] - both[0] == pytest.approx(np.hypot(2.484, high - mean), abs=1e-3)


def test_two_arms_are_compared_face_by_face(tmp_path, monkeypatch):
    """Each arm is so many years worse on every face, whatever the face: the interval is a point."""
    folder = write_prepared(tmp_path / "own", {"train": 6, "val": 2})
    judge = write_prepared(tmp_path / "judge", {"val": 3, "test": 3})
    years_worse = {"all": 2.0, "without": 0.0, "random": 3.0, "weighted": 1.0}

    def suspects(frame, _):
        return frame.assign(wrong_probability=[0.9, 0.8, 0.1, 0.1, 0.1, 0.1])

    def errors(arm, frame):
        years = np.array([0, 10, 20, 40, 80, 160]) + years_worse[arm]
        return np.stack([years, np.array([1, 0, 1, 0, 1, 0]) if arm == "all" else np.zeros(6)])

    monkeypatch.setattr(without_suspects, "start_tensorflow", lambda **_: None)
    monkeypatch.setattr(without_suspects, "errors_of", errors)
    monkeypatch.setattr(audit_run, "run_audit", lambda *_, **__: {"wrong_share": 0.3})
    monkeypatch.setattr(worst, "suspects_in", suspects)
    monkeypatch.setattr(training, "train_compact", lambda folders, *_: folders[0].name)
    arguments = (folder, "--judged_by", judge, "--run_dir", tmp_path / "runs", "--seeds", 0, 1)
    done = ran(without_suspects.main, *arguments)
    assert done.returncode == 0, done.stderr
    assert "6 faces, 30.0% estimated wrong; 2 suspects" in done.stdout
    assert "(a) all: 53.67 ± 0.00 years, 50.0% ± 0.0% of 2 seeds" in done.stdout
    found = re.findall(
        r"\((.)\).* minus \((.)\).*: (\S+) \[(\S+) to (\S+)\] years, (\S+) \[", done.stdout
    )
    assert found == [
        ("b", "a", "-2.00", "-2.00", "-2.00", "-50.00%"),
        ("b", "c", "-3.00", "-3.00", "-3.00", "+0.00%"),
        ("d", "a", "-1.00", "-1.00", "-1.00", "-50.00%"),
        ("d", "c", "-2.00", "-2.00", "-2.00", "+0.00%"),
    ]


def test_a_group_of_identical_files_has_the_place_of_its_more_suspicious_label():
    doubles = pd.DataFrame(
        {
            "group": [0, 0, 1, 1, 1, 2],
            "age": [20, 35, 40, 40, 44, 60],
            "gender": [0, 0, 0, 1, 1, 1],
        }
    )
    others = np.array([4.0, 0, 3, 1, 2])
    groups = ranked_groups(doubles, np.array([2.5, 0.5, 1.0, 9.0, -1.0, 2.0]), others)
    assert groups["files"].tolist() == [2, 3, 1]
    assert groups["years"].tolist() == [15, 4, 0]
    assert groups["genders"].tolist() == [1, 2, 1]
    # Two of five are above 2.5, none above 9; beside 2 stands one, which counts as before it.
    assert groups["place"].tolist() == pytest.approx([2 / 5, 0, 3 / 5])
