"""Drawn labels and answers whose truth is known: shares, ranking, people, ranges, gaps."""

import dataclasses
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.audit import calibration
from imdb_wiki.audit.calibration import Calibration, evidence_of, in_ranges
from imdb_wiki.audit.mixture import Found, all_labels, audit, likelihoods, shares_of
from imdb_wiki.audit.people import age_by_person, leave_one_out
from imdb_wiki.audit.report import calibrated_interval
from imdb_wiki.labels import AGES_YEARS


def drawn(count: int, seed: int = 0, error_years: float = 5.0, gender_sureness: float = 4.0):
    """Faces of random ages and genders, and what a network of known quality answers."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.gamma(6, 6, count).round(), 1, 90).astype(int)
    gender = (rng.random(count) < 0.6).astype(int)
    middle = np.clip(age + rng.normal(0, error_years, count), 0, 100)
    curves = np.exp(-0.5 * ((AGES_YEARS - middle[:, np.newaxis]) / error_years) ** 2)
    male = 1 / (1 + np.exp(-rng.normal((2 * gender - 1) * gender_sureness, gender_sureness / 2)))
    frame = pd.DataFrame({"age": age, "age_low": age, "age_high": age, "gender": gender})
    answers = {
        "age_years": middle,
        "age_distribution": curves / curves.sum(axis=1, keepdims=True),
        "gender": np.stack([1 - male, male], axis=1),
    }
    return frame.astype("float64"), answers


def exchanged(frame: pd.DataFrame, rows: np.ndarray, columns, seed: int = 1) -> pd.DataFrame:
    changed, sources = frame.copy(), np.random.default_rng(seed).permutation(rows)
    changed.loc[rows, columns] = frame.loc[sources, columns].to_numpy()
    return changed


LABELS = ["age", "age_low", "age_high", "gender"]


def of(frame, answers, people=None):
    people = np.arange(len(frame)).astype(str) if people is None else people
    return audit(evidence_of(frame, answers), people)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.2])
def test_the_share_of_exchanged_labels_is_estimated(share):
    frame, answers = drawn(3000)
    found = of(exchanged(frame, np.arange(round(share * 3000)), LABELS), answers)
    assert found.wrong_share == pytest.approx(share, abs=0.02)
    low, high = found.interval
    assert low < share + 0.01 and high > share - 0.01 and high - low < 0.08
    # The probabilities are ones: of many faces as many are wrong as they say together.
    assert found.wrong.sum() == pytest.approx(3000 * share, abs=60)


def test_probabilities_are_as_often_right_as_they_say():
    frame, answers = drawn(4000, seed=3)
    found = of(exchanged(frame, np.arange(600), LABELS), answers)
    wrong = np.arange(4000) < 600
    for low, high in ((0.05, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.01)):
        some = (found.wrong >= low) & (found.wrong < high)
        assert wrong[some].mean() == pytest.approx(found.wrong[some].mean(), abs=0.12)


def test_clean_labels_are_left_alone():
    found = of(*drawn(3000, seed=2))
    assert found.wrong_share < 0.01 and (found.wrong > 0.9).sum() <= 3


def test_one_exchanged_label_among_many_is_the_most_suspicious():
    frame, answers = drawn(800)
    frame.loc[17, LABELS] = [85, 85, 85, 1 - frame.loc[17, "gender"]]
    assert frame.loc[17, "age"] == 85 and np.argmax(of(frame, answers).log_odds) == 17


def test_errors_of_the_age_alone_and_of_the_gender_alone_are_told_apart():
    frame, answers = drawn(4000)
    changed = exchanged(frame, np.arange(400), LABELS[:3])
    changed.loc[400:800, "gender"] = 1 - changed.loc[400:800, "gender"]
    found = of(changed, answers)
    assert found.shares[2] == pytest.approx(0.1, abs=0.015)
    assert found.shares[3] == pytest.approx(0.1, abs=0.015)
    flipped, aged = found.wrong_gender[400:800], found.wrong_gender[:400]
    assert np.median(flipped) > 0.6 and np.median(aged) < 0.1
    assert np.median(found.wrong_age[400:800]) < 0.1


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_wrong_genders_alone_are_counted(share):
    frame, answers = drawn(3000)
    changed = frame.copy()
    changed.loc[: round(share * 3000) - 1, "gender"] = 1 - changed["gender"]
    found = of(changed, answers)
    assert found.wrong_share == pytest.approx(share, abs=0.015)
    assert found.interval[0] < share < found.interval[1]


@pytest.mark.parametrize("without_gender", [0.3, 0.8])
def test_wrong_ages_are_counted_where_genders_are_missing(without_gender):
    frame, answers = drawn(3000)
    changed = exchanged(frame, np.arange(300), LABELS[:3])
    missing = np.random.default_rng(0).random(3000) < without_gender
    changed.loc[missing, "gender"] = np.nan
    found = of(changed, answers)
    assert found.wrong_share == pytest.approx(0.1, abs=0.015)
    assert np.median(found.wrong[:300]) > 0.3 and np.median(found.wrong[300:]) < 0.05


def test_another_faces_label_that_is_right_by_chance_is_not_wrong():
    frame, answers = drawn(3000)
    changed = frame.copy()
    changed.loc[:149, "gender"] = 1 - changed["gender"]
    changed[LABELS[:3]] = np.nan
    of_genders = of(changed, answers)
    assert of_genders.wrong_share == pytest.approx(0.05, abs=0.015)
    assert of_genders.wrong == pytest.approx(of_genders.wrong_gender)
    changed = exchanged(frame, np.arange(300), LABELS[:3])
    for table in (frame, changed):
        table["age_low"] = table["age"] // 25 * 25
        table["age_high"] = table["age_low"] + 24
    differ = (changed["age_low"] != frame["age_low"]).mean()
    of_ages = of(changed.assign(gender=np.nan), answers)
    assert of_ages.wrong_share == pytest.approx(differ, abs=0.02) and differ < 0.08
    assert of_ages.wrong == pytest.approx(of_ages.wrong_age)


def test_the_interval_holds_nine_of_ten_right_ages():
    frame, answers = drawn(4000)
    labels = np.bincount(frame["age"].astype(int), minlength=101) / 4000
    # A network that has learnt from wrong labels gives every face some of all labels' distribution.
    answers["age_distribution"] = 0.75 * answers["age_distribution"] + 0.25 * labels
    changed = exchanged(frame, np.arange(400), LABELS)
    evidence = evidence_of(changed, answers)
    low, high = calibrated_interval(evidence, of(changed, answers))
    held = (low <= frame["age"]) & (frame["age"] <= high)
    assert held.mean() == pytest.approx(0.9, abs=0.03)


def test_few_wrong_genders_are_seen_where_the_other_errors_are_of_the_age():
    frame, answers = drawn(2000, gender_sureness=2.0)
    changed = exchanged(frame, np.arange(60), LABELS[:3])
    male = answers["gender"][:, 1]
    is_sure = (abs(male - 0.5) > 0.46) & ((male > 0.5) == (frame["gender"] == 1))
    sure = np.flatnonzero(is_sure & (frame.index >= 60))[:4]
    changed.loc[sure, "gender"] = 1 - frame.loc[sure, "gender"]
    found = of(changed, answers)
    assert found.shares[3] < 0.001  # too few to be counted as a kind of their own
    assert (found.log_odds > found.log_odds[sure].min()).sum() < 40


def test_what_a_persons_photos_share_is_no_sign_and_what_one_says_alone_is():
    frame, answers = drawn(2400, error_years=2.0)
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(300), 8)
    looks_older = rng.normal(0, 7, 300)
    looks_older[0] = -18
    middle = np.clip(frame["age"] + looks_older[people] + rng.normal(0, 2, 2400), 0, 100)
    curves = np.exp(-0.5 * ((AGES_YEARS - middle.to_numpy()[:, np.newaxis]) / 7.3) ** 2)
    answers["age_distribution"] = curves / curves.sum(axis=1, keepdims=True)
    answers["age_years"] = middle.to_numpy()
    frame.loc[:7, LABELS[:3]] = 45.0  # the first person looks 27 in all photos
    answers["age_distribution"][:8] = np.exp(-0.5 * ((AGES_YEARS - 27) / 7.3) ** 2)
    # Another person looks as old as the labels say, but in one photo 18 years younger.
    frame.loc[8:15, LABELS[:3]] = 45.0
    answers["age_distribution"][8:16] = np.exp(-0.5 * ((AGES_YEARS - 45) / 7.3) ** 2)
    answers["age_distribution"][8] = np.exp(-0.5 * ((AGES_YEARS - 27) / 7.3) ** 2)
    together = of(frame, answers, people.astype(str))
    apart = of(frame, answers)
    assert together.offsets.age_years >= 4
    assert together.log_odds[8] > together.log_odds[:8].max() + 3
    assert apart.log_odds[8] < apart.log_odds[:8].max() + 1  # without names they look alike


def test_a_single_photo_is_judged_by_the_prior_alone():
    likely = np.array([[0.1, 0.4], [0.3, 0.3]])
    told = leave_one_out(likely, np.full(2, 0.01), np.array([0, 1]), np.array([0.25, 0.75]), 0.05)
    assert told == pytest.approx([0.1 * 0.25 + 0.4 * 0.75, 0.3])


def test_a_range_is_as_probable_as_its_years_together():
    shares = np.zeros((3, 101))
    shares[:, 20:30] = 0.1
    low, high = np.array([20.0, 28, np.nan]), np.array([24.0, 33, np.nan])
    assert in_ranges(shares, low, high) == pytest.approx([0.5, 0.2, 1])
    assert in_ranges(shares, low, high, 3) == pytest.approx([0.2, 0.5, 1])
    calibration, logs = Calibration(), np.log(shares + 1e-7).astype("float32")
    plain = in_ranges(calibration.ages(logs), low, high)
    assert calibration.in_labels(logs, low, high) == pytest.approx(plain, abs=1e-5)


def test_ranges_and_missing_labels_count_as_what_they_are():
    frame, answers = drawn(3000)
    changed = exchanged(frame, np.arange(300), LABELS)
    decade = changed["age"] // 10 * 10
    changed["age_low"], changed["age_high"] = decade, decade + 9
    changed.loc[2000:, ["age", "age_low", "age_high"]] = np.nan
    changed.loc[1000:1500, "gender"] = np.nan
    changed.loc[2990:, "gender"] = np.nan
    found = of(changed, answers)
    assert np.isnan(found.wrong[2990:]).all() and np.isfinite(found.wrong[:2990]).all()
    assert np.isnan(found.wrong_age[2000:]).all() and np.isnan(found.wrong_gender[1000:1500]).all()
    assert found.wrong_share == pytest.approx(0.1, abs=0.03)
    assert (found.log_odds[np.argsort(-found.log_odds[:2000])[:50]] > 0).all()
    assert (np.argsort(-found.log_odds[:2000])[:50] < 300).mean() > 0.9


@pytest.mark.parametrize("task", ["age", "gender"])
def test_a_network_for_one_task_judges_that_label(task):
    frame, answers = drawn(2000)
    changed = exchanged(frame, np.arange(200), LABELS)
    kept = {"age": ("age_years", "age_distribution"), "gender": ("gender",)}[task]
    found = of(changed, {name: answers[name] for name in kept})
    assert np.isnan(found.wrong_gender if task == "age" else found.wrong_age).all()
    assert np.median(found.log_odds[:200]) > np.median(found.log_odds[200:])
    plain = of(changed, {"age_years": answers["age_years"]})  # a network without a distribution
    assert plain.wrong_share == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("kept", [("age_years",), ("age_years", "age_distribution", "gender")])
def test_calculated_in_chunks_all_is_the_same(kept, monkeypatch):
    frame, answers = drawn(4000)
    changed = exchanged(frame, np.arange(400), LABELS)
    changed.loc[3000:3100, LABELS[:3]] = np.nan
    answers = {name: answers[name].astype("float32") for name in kept}
    people = np.random.default_rng(0).integers(0, 1500, 4000).astype(str)
    found, intervals = [], []
    for chunk_faces in (50_000, 613):
        monkeypatch.setattr(calibration, "_CHUNK_FACES", chunk_faces)
        found.append(of(changed, answers, people))
        evidence = evidence_of(changed, answers)
        intervals.append(calibrated_interval(evidence, found[-1]))
    for field in dataclasses.fields(Found):
        whole, chunked = (getattr(one, field.name) for one in found)
        if isinstance(whole, np.ndarray):
            assert np.array_equal(whole, chunked, equal_nan=True), field.name
        else:
            assert whole == chunked, field.name
    assert np.array_equal(*intervals)


def test_no_second_table_of_distributions_is_made(monkeypatch):
    count = 12_000
    frame, answers = drawn(count)
    answers = {name: values.astype("float32") for name, values in answers.items()}
    people = np.arange(count) // 3
    monkeypatch.setattr(calibration, "_CHUNK_FACES", 500)
    tracemalloc.start()
    evidence = evidence_of(frame, answers)
    likely = likelihoods(evidence, Calibration(), all_labels(evidence))
    age_by_person(evidence, Calibration(), likely.age, likely.other_age, people, 0.1)
    calibrated_interval(evidence, SimpleNamespace(calibration=Calibration()))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < answers["age_distribution"].nbytes


def test_faces_may_count_more_than_once():
    by_kind = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert shares_of(by_kind, [0.5, 0.5], np.array([3.0, 1.0])) == pytest.approx([0.75, 0.25])
