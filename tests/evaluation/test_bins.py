"""Scores of ages whose labels are ranges, computed by hand."""

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.evaluation.bins import bin_table, bins_of, nearest_bins
from imdb_wiki.evaluation.groups import by_group, groups_of
from imdb_wiki.evaluation.metrics import median_age_error_years, score
from imdb_wiki.evaluation.text import beside_constant_answers, group_table, summary


def ranges(*ends, **columns):
    low, high = np.array(ends, "float64").T
    age = np.where(low == high, low, np.nan)
    labels = {"age": age, "age_low": low, "age_high": high, "gender": np.arange(len(ends)) % 2}
    return pd.DataFrame(labels | columns)


ADIENCE = ranges((0, 2), (4, 6), (8, 13), (15, 20), (25, 32))  # with gaps between them


def test_an_answer_between_two_ranges_is_in_the_nearest():
    bins = bins_of(ADIENCE)
    answers = [1.4, 2.4, 3.0, 3.6, 13.9, 14.2, 24, 99]
    nearest = [np.flatnonzero(row).tolist() for row in nearest_bins(answers, bins)]
    assert nearest == [[0], [0], [0, 1], [1], [2, 3], [2, 3], [4], [4]]


def test_exact_and_one_off_by_hand_beside_the_most_frequent_range():
    frame = ranges((0, 2), (4, 6), (8, 13), (25, 32))
    table = bin_table(frame, np.array([2.6, 5, 22, 14]), pd.concat([ADIENCE, ADIENCE[2:3]]))
    # 2.6 is 3 years: as near to 4–6. 22 is nearest to 15–20, beside 8–13. 14 is two away.
    assert table["exact"].tolist() == [True, True, False, False]
    assert table["one_off"].tolist() == [True, True, True, True]
    assert table["error_years"].tolist() == pytest.approx([0.6, 0, 9, 11])
    assert table["constant_exact"].tolist() == [False, False, True, False]
    assert table["constant_one_off"].tolist() == [False, True, True, False]
    far = bin_table(frame[3:], np.array([10.0]), ADIENCE)
    assert not far["one_off"].any()


def test_each_folder_has_its_own_ranges():
    frame = ranges((20, 29), (18, 24), folder=["a", "b"])
    train = ranges((20, 29), (30, 39), (18, 24), (25, 60), folder=["a", "a", "b", "b"])
    table = bin_table(frame, np.array([31.0, 31.0]), train)
    assert table["exact"].tolist() == [False, False]
    assert table["one_off"].tolist() == [True, True]


def test_scores_of_labels_of_every_kind():
    frame = ranges((20, 20), (20, 29), (30, 39), (np.nan, np.nan))
    frame.loc[1, "gender"] = np.nan
    train = ranges((10, 19), (20, 29), (20, 29), (40, 40))
    answers = {
        "age_years": np.array([23.0, 25, 18, 7]),
        "gender": np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.2, 0.8]]),
    }
    scores = score(frame, answers, train)
    assert (scores["count"], scores["age_count"], scores["age_range_count"]) == (4, 1, 2)
    assert scores["age_mae_years"] == 3 and scores["train_median_age_years"] == 24.5
    assert scores["median_age_mae_years"] == 4.5
    assert scores["age_bin_accuracy"] == 0.5 and scores["majority_bin_accuracy"] == 0.5
    assert scores["age_bin_one_off"] == 0.5 and scores["majority_bin_one_off"] == 1
    assert scores["age_range_error_years"] == 6
    assert scores["gender_count"] == 3
    assert scores["gender_accuracy"] == pytest.approx(2 / 3)
    assert median_age_error_years(frame, train) == pytest.approx((4.5 + 0 + 5.5) / 3)
    said = summary(scores)
    assert "age in the labelled range 50.0%" in said and "1 with an exact age" in said
    assert "age in the labelled range" in beside_constant_answers(scores).index
    only = summary(score(frame, {"gender": answers["gender"]}, train))
    assert "no ages scored" in only and "years" not in only
    ages = summary(score(frame, {"age_years": answers["age_years"]}, train))
    assert "no genders scored" in ages and "gender accuracy" not in ages


def assert_groups_add_up(tables, scores):
    """Each measure of all ranges is the mean over the groups, weighted by their counts."""
    for measure in ("age_bin_accuracy", "age_bin_one_off"):
        for name in ("age_range", "race"):
            groups = tables[name].dropna(subset=measure)
            parts = (groups[measure] * groups["age_range_count"]).sum()
            assert parts == pytest.approx(scores[measure] * scores["age_range_count"]), name


def test_a_group_is_judged_among_the_ranges_of_the_whole_split():
    frame = ranges((0, 2), (3, 9), (10, 19), (20, 29), (30, 39), race=[*"ABABA"])
    train = ranges((20, 29), (20, 29))  # as in a folder that is nearly all test split
    answers = {"age_years": np.array([5.0, 12, 14, 33, 21])}
    scores, tables = score(frame, answers, train), by_group(frame, answers, train)
    assert scores["age_bin_accuracy"] == 0.2
    assert tables["age_range"]["age_bin_accuracy"].tolist() == [0, 0, 1, 0, 0]
    assert_groups_add_up(tables, scores)


def test_groups_by_range_race_and_both():
    frame = ranges((20, 29), (3, 9), (20, 20), (70, 100), race=["Black", "White", "", "Black"])
    groups = groups_of(frame)
    assert groups["age_range"].cat.categories.tolist() == ["3–9", "20–29", "70–100"]
    assert groups["age_range"].isna().tolist() == [False, False, True, False]
    assert groups["age_decade"].isna().tolist() == [True, True, False, True]
    assert groups["race"].dropna().tolist() == ["Black", "White", "Black"]
    pairs = groups["race_and_gender"].astype(object).tolist()
    assert pairs[:2] == ["Black female", "White male"] and pairs[3] == "Black male"
    answers = {"age_years": np.array([25.0, 25, 25, 25]), "gender": np.eye(2)[[0, 1, 0, 1]]}
    tables = by_group(frame, answers, frame)
    assert tables["age_range"]["age_bin_accuracy"].tolist() == [0, 1, 0]
    shown = group_table(tables["race"])
    assert shown.loc["Black", "age in the labelled range"] == "50.0%"
    assert_groups_add_up(tables, score(frame, answers, frame))
    of_folder = group_table(tables["gender"])
    assert of_folder.loc["male", "mean age error, years"] == "–"  # no exact age among them
