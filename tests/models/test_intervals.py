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
