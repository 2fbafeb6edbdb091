"""Age intervals that hold the true age as often as they say: split conformal prediction.

The network answers a distribution of ages; its standard deviation says how unsure the network is,
but not reliably in years. The validation split shows how many standard deviations an interval must
reach to hold the true age in, for example, 90% of the faces (Lei et al.,
https://arxiv.org/abs/1604.04173, section 5.2).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from imdb_wiki.labels import AGES_YEARS, MAX_AGE_YEARS, MIN_AGE_YEARS

COVERAGE = 0.9  # share of the true ages that the intervals are meant to hold
# Added to each standard deviation. Without it, a face of which the network is much too sure gets an
# interval of nearly no width, and the factor, the same for all faces, must grow for its sake.
FLOOR_YEARS = 1.0


def age_spread_years(age_distribution: np.ndarray) -> np.ndarray:
    """Standard deviations (count,) in years of distributions over 0–100 years (count, 101)."""
    shares = np.asarray(age_distribution, "float64")
    shares = shares / shares.sum(axis=-1, keepdims=True)
    mean = shares @ AGES_YEARS
    return np.sqrt(np.maximum(shares @ AGES_YEARS**2 - mean**2, 0))


def calibrate(
    true_years: ArrayLike,
    age_years: np.ndarray,
    age_distribution: np.ndarray,
    coverage: float = COVERAGE,
    floor_years: float = FLOOR_YEARS,
) -> dict:
    """Finds the constants of `age_interval` on faces that the network has not learnt from.

    Where no label but a range is known, each of its years counts as equally likely: the interval is
    then rather too wide, since true ages are more often on the network's side of the range.
    Libraries of conformal prediction, such as MAPIE, take no ranges.

    Args:
        true_years: Ages (count,) of a validation split, or ranges (count, 2), first and last year.
        age_years: The network's answers (count,).
        age_distribution: Its distributions (count, 101).
        coverage: Share of true ages that the intervals are meant to hold.
        floor_years: Added to each standard deviation.

    Returns:
        `coverage`, `factor`, `floor_years` and `count`: plain numbers, as in a model's `.json`.

    Raises:
        ValueError: There are too few faces for the coverage, which is above 0 and below 1, or an
            answer is NaN.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"a coverage of {coverage:g} is not above 0 and below 1")
    spreads = age_spread_years(age_distribution) + floor_years
    count = len(spreads)
    # Conformal prediction counts the new face too, whose score is not known: hence count + 1.
    rank = math.ceil((count + 1) * coverage)
    if rank > count:
        raise ValueError(f"{count} faces are too few for a coverage of {coverage:g}")
    ends = np.asarray(true_years, "float64").reshape(count, -1)  # (count, 1 or 2)
    if not np.isfinite(ends).all():
        raise ValueError("an age is not known")
    years_each = (ends[:, -1] - ends[:, 0] + 1).astype(int)
    face = np.repeat(np.arange(count), years_each)  # of each year of each range
    year = (
        ends[face, 0]
        + np.arange(len(face))
        - np.repeat(np.cumsum(years_each) - years_each, years_each)
    )
    scores = np.abs(year - np.asarray(age_years, "float64")[face]) / spreads[face]
    if not np.isfinite(scores).all():
        raise ValueError("an answer of the network is not a number (NaN)")
    order = np.argsort(scores, kind="stable")
    faces_within = np.cumsum(1 / years_each[face[order]])
    # A thousandth: the sum of parts of a face is not exact.
    place = np.searchsorted(faces_within, rank - 1e-3)
    return {
        "coverage": coverage,
        "factor": float(scores[order[place]]),
        "floor_years": floor_years,
        "count": count,
    }


def age_interval(
    age_years: np.ndarray, age_distribution: np.ndarray, constants: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals that hold the true age as often as `constants["coverage"]` says.

    Args:
        age_years: A network's answers (count,).
        age_distribution: Its distributions (count, 101).
        constants: Of `calibrate`: `factor` and `floor_years`.

    Returns:
        Lower and upper ends in years, each (count,), within 0–100.
    """
    spreads = age_spread_years(age_distribution) + constants["floor_years"]
    reach = constants["factor"] * spreads
    age_years = np.asarray(age_years, "float64")
    return (
        np.clip(age_years - reach, MIN_AGE_YEARS, MAX_AGE_YEARS),
        np.clip(age_years + reach, MIN_AGE_YEARS, MAX_AGE_YEARS),
    )
