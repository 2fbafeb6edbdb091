"""The ages' intervals: their promise is a share, so it is tried on many drawn faces."""

import numpy as np
import pytest

from imdb_wiki.models.intervals import age_interval, age_spread_years, calibrate


def bells(centre_years, width_years):
    distance = np.arange(101) - np.asarray(centre_years)[:, np.newaxis]
    shares = np.exp(-0.5 * (distance / np.asarray(width_years)[:, np.newaxis]) ** 2)
    return shares / shares.sum(axis=1, keepdims=True)


def drawn(count, seed):
    """Faces whose errors are twice what the network's distribution says, clear and doubtful."""
    rng = np.random.default_rng(seed)
    width = rng.choice([1.5, 6.0], count)
    answer = rng.uniform(30, 70, count)
    return answer + rng.normal(0, 2 * width), answer, bells(answer, width), width


def test_the_spread_is_the_standard_deviation():
    assert age_spread_years(np.eye(101)[[0, 40]]) == pytest.approx([0, 0])
    two = np.zeros((1, 101))
    two[0, [30, 50]] = 2.0  # need not sum to 1
    assert age_spread_years(two) == pytest.approx([10])
    assert age_spread_years(bells([50], [3])) == pytest.approx([3], rel=1e-3)


def test_new_faces_are_held_as_often_as_promised_and_doubtful_ones_get_wide_intervals():
    true_years, answer, distribution, _ = drawn(4000, seed=0)
    for coverage in (0.5, 0.9):
        constants = calibrate(true_years, answer, distribution, coverage)
        new_years, new_answer, new_distribution, width = drawn(4000, seed=1)
        low, high = age_interval(new_answer, new_distribution, constants)
        held = (low <= new_years) & (new_years <= high)
        assert held.mean() == pytest.approx(coverage, abs=0.02)
        assert (high - low)[width > 5].mean() > 2 * (high - low)[width < 5].mean()


def test_the_factor_is_the_rank_that_leaves_room_for_the_new_face():
    # Errors 1 … 9 at a spread of 1: of ten faces, the new one included, 9 shall be held.
    sharp = np.eye(101)[[50] * 9]
    constants = calibrate(50 + np.arange(1, 10), np.full(9, 50.0), sharp, 0.9, floor_years=1.0)
    assert constants["factor"] == pytest.approx(9)
    with pytest.raises(ValueError, match="8 faces are too few"):
        calibrate(50 + np.arange(1, 9), np.full(8, 50.0), sharp[:8], 0.9)


def test_no_interval_leaves_0_to_100():
    constants = {"factor": 5.0, "floor_years": 3.0}
    low, high = age_interval(np.array([2.0, 99.0]), np.eye(101)[[2, 99]], constants)
    assert low.tolist() == [0, 84] and high.tolist() == [17, 100]


def test_the_constants_are_plain_numbers_with_their_names():
    sharp = np.eye(101)[[50] * 3]
    constants = calibrate([51, 54, 48], np.full(3, 50.0), sharp, 0.5, floor_years=2.0)
    assert constants == {"coverage": 0.5, "factor": 1.0, "floor_years": 2.0, "count": 3}
    assert calibrate([52] * 9, [50] * 9, np.eye(101)[[50] * 9]) == {
        **{"coverage": 0.9, "factor": 2.0, "floor_years": 1.0, "count": 9}
    }


@pytest.mark.parametrize("coverage", [-0.1, 0, 1, 1.5])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(ValueError, match=f"a coverage of {coverage:g} is not above 0 and below 1"):
        calibrate(np.full(99, 50), np.full(99, 50), np.eye(101)[[50] * 99], coverage)


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_an_answer_that_is_no_number_calibrates_nothing(answer):
    answers = np.array([50.0] * 19 + [answer])
    with pytest.raises(ValueError, match=r"^an answer of the network is not a number \(NaN\)$"):
        calibrate(np.full(20, 50), answers, np.eye(101)[[50] * 20])


def test_unsigned_ages_do_not_wrap():
    true_years, answers = np.full(9, 48, "uint8"), np.full(9, 50, "uint8")
    assert calibrate(true_years, answers, np.eye(101)[[50] * 9])["factor"] == 2


def test_the_spread_of_single_precision_shares_is_computed_in_double():
    shares = bells([50.3, 20.7], [3, 0.4]).astype("float32")
    exact = age_spread_years(shares.astype("float64"))
    assert age_spread_years(shares) == pytest.approx(exact, rel=1e-12)


def test_an_interval_reaches_factor_times_spread_and_floor_to_both_sides():
    two = np.zeros((1, 101))
    two[0, [30, 50]] = 0.5  # a standard deviation of 10 years
    low, high = age_interval(np.array([41]), two, {"factor": 2.0, "floor_years": 1.5})
    assert (low, high) == (pytest.approx([18]), pytest.approx([64]))


def test_answers_beyond_0_to_100_have_intervals_within():
    constants = {"factor": 1.0, "floor_years": 2.0}
    low, high = age_interval(np.array([-9.0, 109.0]), np.eye(101)[[0, 100]], constants)
    assert (low.tolist(), high.tolist()) == ([0, 100], [0, 100])


def test_exact_ages_are_calibrated_as_ranges_of_one_year():
    true_years, answer, distribution, _ = drawn(200, seed=0)
    years = np.rint(true_years)
    constants = calibrate(years, answer, distribution)
    assert constants == calibrate(np.stack([years, years], axis=1), answer, distribution)
    scores = np.abs(years - answer) / (age_spread_years(distribution) + 1)
    assert constants["factor"] == np.sort(scores)[180]  # the 181st of 200: 0.9 of 201


def test_each_year_of_a_range_counts_equally():
    answer, distribution = np.array([25.0, 25.0]), np.eye(101)[[25, 25]]
    # Half of the years must be held: of each face those that are 0, 1, 1, 2, 2 away, not 3 or more.
    constants = calibrate([[20, 29], [20, 29]], answer, distribution, coverage=0.3)
    assert constants["factor"] == pytest.approx(2)
    with pytest.raises(ValueError, match="not known"):
        calibrate([[20, 29], [np.nan, np.nan]], answer, distribution, coverage=0.5)
