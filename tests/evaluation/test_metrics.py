"""Measures against values computed by hand, their intervals against theory."""

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.evaluation import metrics
from imdb_wiki.evaluation.groups import by_group

FRAME = pd.DataFrame({"age": [10, 20, 35, 39], "gender": [0, 1, 1, 0]})
TRAIN = pd.DataFrame({"age": [20, 30, 31, 90], "gender": [1, 1, 1, 0]})  # median 30.5, 3/4 male
PREDICTIONS = {
    "age_years": np.array([15, 14, 35, 40], "float32"),  # errors +5, −6, 0, +1
    "gender": np.array([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9], [0.4, 0.6]], "float32"),
}


def without_ends(scores):
    return {k: v for k, v in scores.items() if not k.endswith(("_low", "_high"))}


def test_measures_are_those_computed_by_hand():
    log = np.log
    assert without_ends(metrics.score(FRAME, PREDICTIONS, TRAIN)) == {
        "count": 4,
        "age_mae_years": 3.0,  # (5 + 6 + 0 + 1) / 4
        "median_age_mae_years": 11.0,  # (20.5 + 10.5 + 4.5 + 8.5) / 4
        "age_cs5": 0.75,  # 5 years off still counts, 6 do not
        "median_age_cs5": 0.25,
        "age_bias_years": 0.0,
        "median_age_bias_years": 4.5,  # 30.5 − 26
        "gender_accuracy": 0.5,  # a tie goes to the first, female
        "majority_accuracy": 0.5,
        "gender_balanced_accuracy": 0.5,
        "majority_balanced_accuracy": 0.5,
        "gender_cross_entropy": pytest.approx(-(log(0.75) + log(0.5) + log(0.9) + log(0.4)) / 4),
        "frequency_cross_entropy": pytest.approx(-(2 * log(0.25) + 2 * log(0.75)) / 4),
        # Four bins of one face: right at 0.75 and 0.9, wrong at 0.5 and 0.6.
        "gender_calibration_error": pytest.approx((0.25 + 0.1 + 0.5 + 0.6) / 4, abs=1e-6),
        "frequency_calibration_error": pytest.approx(0.25),  # 75% sure, right half of the time
        "train_count": 4,
        "train_median_age_years": 30.5,
        "train_majority_gender": "male",
    }


def test_the_bias_has_the_sign_of_too_old():
    assert metrics.age_bias_years([20, 30], [25, 31]) == 3.0


def test_unsigned_ages_do_not_wrap():
    assert metrics.age_mae_years(np.array([30], "uint8"), np.array([20], "uint8")) == 10


def test_a_sure_and_wrong_answer_costs_much_but_not_infinity():
    cost = metrics.cross_entropy(np.array([0]), np.array([[0.0, 1.0]]))
    assert cost == pytest.approx(-np.log(1e-7))


def test_balanced_accuracy_weighs_the_genders_alike():
    gender = np.array([1, 1, 1, 0])
    probabilities = np.array([[0, 1], [0, 1], [1, 0], [1, 0]])
    assert metrics.balanced_accuracy(gender, probabilities) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.accuracy(gender, probabilities) == 0.75


def test_the_last_bin_holds_certainty():
    bins = metrics.reliability(np.array([0, 1, 1]), np.array([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]]))
    assert bins.index.tolist() == [3, 9]  # 0.7 is in 0.65–0.70, for 0.4 × 10 is a little below 4
    assert bins["count"].tolist() == [1, 2]


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = metrics.bootstrap_interval(values, np.arange(400))
    reach = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - reach, abs=0.15 * reach)
    assert high == pytest.approx(values.mean() + reach, abs=0.15 * reach)


def test_photos_of_one_person_are_drawn_together():
    values = np.random.default_rng(1).normal(5, 2, 100)
    people = np.arange(100)
    once = metrics.bootstrap_interval(values, people)
    # The same face nine times tells nothing new.
    assert metrics.bootstrap_interval(values.repeat(9), people.repeat(9)) == pytest.approx(once)
    low, high = metrics.bootstrap_interval(values.repeat(9), np.arange(900))
    assert high - low == pytest.approx((once[1] - once[0]) / 3, rel=0.1)


def test_one_person_has_no_interval():
    assert np.isnan(metrics.bootstrap_interval(np.array([1.0, 2.0]), np.array(["a", "a"]))).all()


def test_a_missing_identity_is_nobody_else():
    frame = pd.DataFrame({"identity": ["", "row 0", "", "NA", "NA"]})
    assert len(set(metrics.people_of(frame))) == 4


def test_groups_partition_the_images():
    tables = by_group(FRAME, PREDICTIONS, TRAIN)
    decades, genders, both = (
        tables[name] for name in ("age_decade", "gender", "gender_and_decade")
    )
    assert decades.index.tolist() == ["10–19", "20–29", "30–39"]
    assert decades["count"].tolist() == [1, 1, 2]
    assert decades["age_mae_years"].tolist() == [5, 6, 0.5]
    assert genders.index.tolist() == ["female", "male"]
    assert genders["age_mae_years"].tolist() == [3, 3]
    assert genders["gender_accuracy"].tolist() == [0.5, 0.5]
    assert genders["majority_accuracy"].tolist() == [0, 1]
    assert both.index.tolist() == ["female 10–19", "female 30–39", "male 20–29", "male 30–39"]
    assert both["age_mae_years"].tolist() == [5, 1, 6, 0]
    assert set(tables) == {"age_decade", "gender", "gender_and_decade"}


def test_race_is_read_from_utkface_names_only():
    sources = [
        "UTKFace/10_0_4_20170110220546902.jpg.chip.jpg",
        "20_1_0_20170110220546902.jpg.chip.jpg",
        "17/10000217_1981-05-05_2009.jpg",
        "39_1_20170110220546902.jpg.chip.jpg",  # a field is missing
    ]
    table = by_group(FRAME.assign(source=sources), PREDICTIONS, TRAIN)["race"]
    assert table["age_mae_years"].to_dict() == {"White": 6, "Others": 5}


def test_folders_are_told_apart_where_there_are_several():
    frame = FRAME.assign(folder=["a", "a", "b", "b"])
    table = by_group(frame, PREDICTIONS, TRAIN)["folder"]
    assert table["age_mae_years"].to_dict() == {"a": 5.5, "b": 0.5}
    assert "folder" not in by_group(FRAME.assign(folder="a"), PREDICTIONS, TRAIN)


def test_a_hundred_years_are_a_group_of_their_own():
    frame = pd.DataFrame({"age": [100, 99, 5], "gender": [0, 1, 0]})
    predictions = {"age_years": np.zeros(3), "gender": np.full((3, 2), 0.5)}
    table = by_group(frame, predictions, TRAIN)["age_decade"]
    assert table.index.tolist() == ["0–9", "90–99", "100"]


def test_intervals_are_scored_where_there_are_constants():
    sharp = np.eye(101)[[10, 14, 35, 40]]  # no spread: each interval is floor × factor wide
    constants = {"coverage": 0.9, "factor": 3.0, "floor_years": 2.0}  # ± 6 years
    scores = metrics.score(FRAME, PREDICTIONS | {"age_distribution": sharp}, TRAIN, constants)
    assert scores["age_interval_coverage"] == 1.0  # the errors are 5, 6, 0 and 1
    assert scores["age_interval_width_years"] == pytest.approx(12)
    constants["factor"] = 2.9
    scores = metrics.score(FRAME, PREDICTIONS | {"age_distribution": sharp}, TRAIN, constants)
    assert scores["age_interval_coverage"] == 0.75
