"""Measures against values computed by hand, their intervals against theory."""

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.datasets.dataset import Dataset
from imdb_wiki.evaluation import groups, metrics
from imdb_wiki.evaluation.comparison import changes
from imdb_wiki.evaluation.groups import by_group, groups_of

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
    without = pd.DataFrame({"filename": ["a", "b", "c"]})
    assert len(set(metrics.people_of(pd.concat([frame, without])))) == 7


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


UNSIGNED = np.array([30, 20], "uint8"), np.array([20, 26], "uint8")  # errors −10 and +6


def test_no_measure_of_unsigned_ages_wraps():
    true_years, predicted_years = UNSIGNED
    assert metrics.age_mae_years(true_years, predicted_years) == 8
    assert metrics.age_bias_years(true_years, predicted_years) == -2
    assert metrics.cumulative_score(true_years, predicted_years, 6) == 0.5
    assert metrics.cumulative_score(true_years, predicted_years, 10) == 1


@pytest.mark.parametrize(
    ("within_years", "share"), [(0, 0.25), (4.9, 0.5), (5, 0.75), (5.9, 0.75), (6, 1)]
)
def test_the_border_of_the_cumulative_score_is_within(within_years, share):
    predicted = PREDICTIONS["age_years"]
    assert metrics.cumulative_score(FRAME["age"], predicted, within_years) == share
    assert metrics.cumulative_score(FRAME["age"], predicted) == 0.75  # five years
    assert metrics.cumulative_score([30, 30], 35) == 1
    assert metrics.cumulative_score([30, 30], 24.9) == 0


def test_bins_are_five_points_of_the_surer_probability_from_a_half():
    sure = np.array([0.5, 0.53, 0.58, 0.72, 0.97, 1.0])
    gender = np.array([1, 0, 1, 0, 1, 0])  # female is the surer in all
    bins = metrics.reliability(gender, np.stack([sure, 1 - sure], axis=1))
    assert bins.index.tolist() == [0, 1, 4, 9]
    assert bins["confidence"].tolist() == pytest.approx([0.515, 0.58, 0.72, 0.985])
    assert bins["accuracy"].tolist() == [0.5, 0, 1, 0.5]
    assert bins["count"].tolist() == [2, 1, 1, 2]
    gaps = 2 * 0.015 + 0.58 + 0.28 + 2 * 0.485
    error = metrics.calibration_error(gender, np.stack([sure, 1 - sure], axis=1))
    assert error == pytest.approx(gaps / 6)


def test_one_answer_for_all_fills_one_bin():
    bins = metrics.reliability(np.array([0, 1, 1, 1]), np.array([0.25, 0.75]))
    assert bins["confidence"].tolist() == [0.75]
    assert bins["accuracy"].tolist() == [0.75]
    assert bins["count"].tolist() == [4]


def test_a_certain_and_right_answer_costs_nothing():
    assert metrics.cross_entropy(np.array([0, 1]), np.eye(2)) == 0


def test_the_interval_is_that_of_the_middle_95_of_100_samples_of_people():
    random = np.random.default_rng(3)
    photos = random.integers(1, 6, 25)
    people = np.repeat(np.arange(25), photos)
    values = random.exponential(4, 25)[people] + random.exponential(1, len(people))
    drawn = random.integers(0, 25, (40_000, 25))
    sums = np.bincount(people, values)[drawn].sum(axis=1)
    low, high = np.percentile(sums / photos[drawn].sum(axis=1), [2.5, 97.5])
    interval = metrics.bootstrap_interval(values, people)
    assert interval == pytest.approx((low, high), abs=0.03 * (high - low))
    assert metrics.bootstrap_interval(values, people) == interval  # whenever it is asked


def test_two_people_have_an_interval():
    assert metrics.bootstrap_interval(np.array([1.0, 2.0]), np.array(["a", "b"])) == (1, 2)


def test_people_are_their_identities_and_rows_without_one_their_own():
    named = metrics.people_of(pd.DataFrame({"identity": ["7", "", "7", "", "8"]}))
    assert [np.flatnonzero(named == person).tolist() for person in named] == [
        *([0, 2], [1], [0, 2], [3], [4])
    ]
    assert len(set(metrics.people_of(FRAME))) == 4


def test_the_ends_are_those_of_the_same_persons_errors_and_right_answers():
    people = np.repeat(np.arange(20), 2).astype(str)  # two photos each
    frame = pd.concat([FRAME] * 10, ignore_index=True).assign(identity=people)
    predictions = {name: np.concatenate([values] * 10) for name, values in PREDICTIONS.items()}
    predictions["gender"][1::4] = (0.25, 0.75)
    scores = metrics.score(frame, predictions, TRAIN)
    values = {
        "age_mae_years": [5.0, 6.0, 0.0, 1.0],
        "age_cs5": [True, False, True, True],
        "gender_accuracy": [True, True, True, False],
    }
    for name, value in values.items():
        ends = metrics.bootstrap_interval(np.tile(value, 10), people)
        assert (scores[f"{name}_low"], scores[f"{name}_high"]) == ends
        assert ends[0] < scores[name] < ends[1]
    assert sum(name.endswith(("_low", "_high")) for name in scores) == 6
    assert scores["gender_balanced_accuracy"] == 0.75  # half of the women, all of the men


def test_a_training_split_of_women_alone_has_a_majority_too():
    train = pd.DataFrame({"age": [20, 30], "gender": [0, 0]})
    scores = metrics.score(FRAME, PREDICTIONS, train)
    assert scores["train_majority_gender"] == "female"
    assert scores["majority_accuracy"] == scores["majority_balanced_accuracy"] == 0.5
    assert scores["frequency_cross_entropy"] == pytest.approx(-np.log(1e-7) / 2)


def test_the_ends_of_an_age_interval_are_in_it():
    sharp = np.eye(101)[[10, 14, 35, 40]]
    constants = {"coverage": 0.9, "factor": 2.5, "floor_years": 2.0}  # ± 5 years
    scores = metrics.score(FRAME, PREDICTIONS | {"age_distribution": sharp}, TRAIN, constants)
    assert scores["age_interval_coverage"] == 0.75  # the errors are +5, −6, 0 and +1
    assert scores["age_interval_width_years"] == pytest.approx(10)


def test_without_constants_no_interval_is_scored():
    assert not any("interval" in name for name in metrics.score(FRAME, PREDICTIONS, TRAIN))


def test_groups_are_named_by_decade_and_gender_in_order():
    frame = pd.DataFrame({"age": [0, 9, 10, 99, 100], "gender": [0, 1, 0, 1, 0]})
    named = groups_of(frame)
    assert list(named) == ["age_decade", "gender", "gender_and_decade"]
    assert named["age_decade"].tolist() == ["0–9", "0–9", "10–19", "90–99", "100"]
    decades = [f"{first}–{first + 9}" for first in range(0, 100, 10)] + ["100"]
    assert named["age_decade"].cat.categories.tolist() == decades
    assert named["gender"].tolist() == ["female", "male", "female", "male", "female"]
    assert named["gender"].cat.categories.tolist() == ["female", "male"]
    both = named["gender_and_decade"]
    assert both.tolist() == [
        *("female 0–9", "male 0–9", "female 10–19", "male 90–99", "female 100")
    ]
    assert both.cat.categories.tolist() == [
        *(f"female {decade}" for decade in decades),
        *(f"male {decade}" for decade in decades),
    ]


def test_photos_without_a_race_in_their_names_are_in_no_group_of_race():
    sources = ["1_0_2_20170110220546902.jpg", "nobody.jpg", "1_0_0_20170110220546902.jpg", "a.jpg"]
    race = groups_of(FRAME.assign(source=sources))["race"]
    assert race.cat.categories.tolist() == ["White", "Asian"]
    assert race[[0, 2]].tolist() == ["Asian", "White"]
    assert race[[1, 3]].isna().all()
    named = groups_of(FRAME.assign(source="nobody.jpg"))
    assert list(named) == ["age_decade", "gender", "gender_and_decade"]
    assert list(groups_of(FRAME.assign(source=sources))) == [*named, "race", "race_and_gender"]


def test_a_table_by_group_holds_the_groups_own_measures_and_none_of_the_training_split():
    sharp = np.eye(101)[[10, 14, 35, 40]]
    constants = {"coverage": 0.9, "factor": 2.5, "floor_years": 2.0}
    predictions = PREDICTIONS | {"age_distribution": sharp}
    tables = by_group(FRAME, predictions, TRAIN, constants)
    table = tables["gender"]
    assert [tables[name].index.name for name in tables] == list(tables)
    assert table["age_interval_coverage"].to_dict() == {"female": 1, "male": 0.5}
    women = metrics.score(
        FRAME[FRAME["gender"] == 0],
        {name: values[[0, 3]] for name, values in predictions.items()},
        TRAIN,
        constants,
    )
    expected = {name: value for name, value in women.items() if not name.startswith("train_")}
    assert table.loc["female"].to_dict() == expected
    assert "age_interval_coverage" not in by_group(FRAME, PREDICTIONS, TRAIN)["gender"]


def test_several_data_sets_may_have_a_race_label(monkeypatch):
    def dataset(name, races):
        return Dataset(
            name=name,
            help="",
            read=lambda photos, db_path: None,
            race_names=races,
            race_of=lambda sources: sources.str.extract(f"{name}_(.*)")[0],
        )

    others = {"a": dataset("a", ("Green", "Blue")), "b": dataset("b", ("Blue", "Red"))}
    monkeypatch.setattr(groups, "DATASETS", others)
    race = groups_of(FRAME.assign(source=["a_Blue", "b_Red", "b_Blue", "c_Green"]))["race"]
    assert race.cat.categories.tolist() == ["Blue", "Red"]
    assert race[:3].tolist() == ["Blue", "Red", "Blue"]
    assert race[3:].isna().all()


def test_the_genders_are_both_named_where_one_is_missing():
    men = pd.DataFrame({"age": [30, 40], "gender": [1, 1]})
    assert groups_of(men)["gender"].cat.categories.tolist() == ["female", "male"]


def test_two_networks_are_compared_by_the_labels_that_are_known():
    ages = {"age_low": [30, 20, np.nan], "age_high": [30, 29, np.nan]}  # exact, a range, unknown
    frame = pd.DataFrame({**ages, "gender": [1, np.nan, 0]})
    male = np.array([0.9, 0.9, 0.9])
    before = {"age_years": np.array([34.0, 31, 99]), "gender": np.stack([1 - male, male], axis=1)}
    after = {"age_years": np.array([33.0, 25, 0]), "gender": np.array([[0.1, 0.9]] * 2 + [[1, 0]])}
    found = changes(frame, before, after)
    assert found["age_error_years"][:2] == pytest.approx((3.0, 1.5))  # 4 and 2, 3 and 0
    assert found["gender_accuracy"][:2] == pytest.approx((0.5, 1.0))
    assert -2 <= found["age_error_years"].low <= -1.5 <= found["age_error_years"].high <= -1
    assert list(changes(frame, before, {"age_years": after["age_years"]})) == ["age_error_years"]
