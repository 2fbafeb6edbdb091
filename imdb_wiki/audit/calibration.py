"""A network's answers, calibrated on the labels at hand: how likely each label is under them.

The age distribution is sharpened or flattened (a temperature, Guo et al.,
https://arxiv.org/abs/1706.04599) and then spread by a normal curve whose shift and width change
with the age; the gender's log odds are scaled and shifted. All of it is fitted by likelihood, each
label weighted by the probability that it is right.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from imdb_wiki.labels import AGES_YEARS, with_age_ranges

_CENTRE_YEARS = 45.0  # about the middle of adult ages: shift and width change around it
_PLAIN_SPREAD_YEARS = 6.0  # of a network that answers no distribution; fitted afterwards
_LEAST = 1e-9  # no label is impossible
_CHUNK_FACES = 50_000  # whose distributions are calculated with at a time
_SLIP = 5e-4  # least probability of a gender: its smoothed labels bound it anyway


def chunks(count: int) -> list[slice]:
    """Cuts rows into parts, so that what is calculated of distributions takes little memory."""
    return [slice(start, start + _CHUNK_FACES) for start in range(0, count, _CHUNK_FACES)]


class LogAges:
    """Logarithms of a network's age distributions, made of the rows that are asked for.

    For all faces at once they would be another table as large as the network's answers.
    """

    def __init__(self, answered: np.ndarray, logs_of: Callable[[np.ndarray], np.ndarray]):
        """Keeps what they are made of.

        Args:
            answered: What the network answers, (count, ...).
            logs_of: From some of these rows to their logarithms, (rows, 101).
        """
        self._answered, self._logs_of = answered, logs_of

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Those of some rows, (rows, 101) float32."""
        return self._logs_of(self._answered[rows]).astype("float32", copy=False)


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Labels beside a network's answers, as arrays.

    Attributes:
        low: First year of each label's range, (count,); NaN where the age is unknown.
        high: Last year, (count,).
        gender: 0 female, 1 male, NaN unknown, (count,).
        log_ages: Logarithms of the network's age distribution, (count, 101) float32, by rows.
        log_odds: The network's log odds of male, (count,).
    """

    low: np.ndarray
    high: np.ndarray
    gender: np.ndarray
    log_ages: np.ndarray | LogAges
    log_odds: np.ndarray

    def __len__(self) -> int:
        """How many faces."""
        return len(self.low)

    def of(self, rows: np.ndarray) -> "Evidence":
        """Some of the rows."""
        return Evidence(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


def evidence_of(frame: pd.DataFrame, answers: dict) -> Evidence:
    """Puts labels and answers together; what the network does not answer counts as unlabelled.

    Args:
        frame: Rows of `read_split`.
        answers: Of `predict`, for these rows.
    """
    count = len(frame)
    frame = with_age_ranges(frame)
    low, high = (frame[end].to_numpy("float64") for end in ("age_low", "age_high"))
    gender = frame["gender"].to_numpy("float64")
    log_odds = np.zeros(count)
    if "age_distribution" in answers:
        distribution = answers["age_distribution"]
        floor = _floor_of(distribution, low, high)
        log_ages = LogAges(distribution, partial(_logs_above, floor=floor))
    elif "age_years" in answers:
        log_ages = LogAges(answers["age_years"], _log_curves_around)
    else:
        low, high = np.full(count, np.nan), np.full(count, np.nan)
        log_ages = np.broadcast_to(np.float32(0), (count, len(AGES_YEARS)))
    if "gender" in answers:
        log_odds = log_odds_of_male(answers)
    else:
        gender = np.full(count, np.nan)
    return Evidence(low, high, gender, log_ages, log_odds)


def log_odds_of_male(answers: dict) -> np.ndarray:
    """The network's log odds of male for female, (count,)."""
    male = np.clip(np.asarray(answers["gender"], "float64")[:, 1], 1e-6, 1 - 1e-6)
    return np.log(male / (1 - male))


def _log_curves_around(answered_years: np.ndarray) -> np.ndarray:
    """Logarithms of normal curves around ages of a network without distribution, (count, 101)."""
    distance = AGES_YEARS - np.asarray(answered_years, "float32")[:, np.newaxis]
    return -0.5 * (distance / np.float32(_PLAIN_SPREAD_YEARS)) ** 2


def _floor_of(distribution: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The share of the distribution of all labels that each answer holds, (101,).

    A network that has learnt from labels of which some are wrong expects that, and gives every face
    a little of the distribution of all labels. How much is seen where it gives the least.
    """
    known = ~np.isnan(low)
    if not known.any():
        return np.zeros(len(AGES_YEARS), "float32")
    labels = np.bincount(((low + high) / 2)[known].astype(int), minlength=len(AGES_YEARS))
    smooth = bells(4.0).astype("float32")
    expected = labels / labels.sum() @ smooth
    often = expected > 0.002
    floors = [
        ((_shares(distribution[rows]) @ smooth)[:, often] / expected[often]).min(axis=1)
        for rows in chunks(len(distribution))
    ]
    return np.median(np.concatenate(floors)) * expected


def _logs_above(distribution: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Logarithms of distributions less what all of them hold."""
    return np.log(np.maximum(_shares(distribution) - floor, 0) + 1e-7)


def _shares(distribution: np.ndarray) -> np.ndarray:
    """Distributions whose rows sum to 1, float32."""
    shares = np.maximum(np.asarray(distribution, "float32"), 0)
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)


def bells(width_years: float) -> np.ndarray:
    """Normal curves over the ages, a row for each age, (101, 101); rows sum to 1.

    Args:
        width_years: Their standard deviation.
    """
    curves = np.exp(-0.5 * ((AGES_YEARS[:, np.newaxis] - AGES_YEARS) / width_years) ** 2)
    return curves / curves.sum(axis=1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The constants.

    Attributes:
        age: Logarithm of the exponent, shift in years and by decade, logarithm of the width in
            years and how it grows with the age, (5,).
        gender: Logarithm of the log odds' factor, and their shift, (2,).
    """

    age: tuple[float, ...] = (0.0, 0.0, 0.0, float(np.log(2)), 0.0)
    gender: tuple[float, ...] = (0.0, 0.0)

    def ages(self, log_ages: np.ndarray, sharper: float = 1.0) -> np.ndarray:
        """Calibrated distributions.

        Args:
            log_ages: Rows of `Evidence.log_ages`, (count, 101).
            sharper: Another factor of the exponent.

        Returns:
            (count, 101) float32; the rows sum to 1.
        """
        curves = self._curves().astype("float32")
        return self._sharpened(log_ages, sharper) @ curves

    def in_labels(self, log_ages: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """What `in_ranges` says of `ages`, (count,), without making all of the distributions."""
        known = ~np.isnan(low)
        sums = np.zeros((len(AGES_YEARS), len(AGES_YEARS) + 1), "float32")
        np.cumsum(self._curves(), axis=1, out=sums[:, 1:])
        first, last = (np.where(known, ends, 0).astype(int) for ends in (low, high))
        held = (sums[:, last + 1] - sums[:, first]).T  # (count, 101): of each age's curve
        likely = np.einsum("ij,ij->i", self._sharpened(log_ages), held)
        return np.where(known, np.maximum(likely, 0) + _LEAST, 1.0)

    def _sharpened(self, log_ages: np.ndarray, sharper: float = 1.0) -> np.ndarray:
        powers = np.exp(np.float32(np.exp(self.age[0]) * sharper) * log_ages)
        return powers / powers.sum(axis=1, keepdims=True)

    def _curves(self) -> np.ndarray:
        """How each age that the network names is spread over labels, (101, 101)."""
        _, shift, slope, width, growth = self.age
        from_centre = AGES_YEARS - _CENTRE_YEARS
        middle = AGES_YEARS + shift + slope * from_centre / 10
        spread = np.exp(width + growth * from_centre / _CENTRE_YEARS)
        distance = (AGES_YEARS - middle[:, np.newaxis]) / spread[:, np.newaxis]
        curves = np.exp(-0.5 * np.minimum(distance**2, 1000)) + 1e-12
        return curves / curves.sum(axis=1, keepdims=True)

    def genders(self, log_odds: np.ndarray, gender: np.ndarray) -> np.ndarray:
        """Probability of each gender label, of the log odds' shape; 1 where it is unknown."""
        factor, shift = np.exp(self.gender[0]), self.gender[1]
        sign = np.where(np.isnan(gender), 0, 2 * gender - 1)
        sign = sign.reshape(sign.shape + (1,) * (np.ndim(log_odds) - 1))
        right = 1 / (1 + np.exp(-sign * (factor * log_odds + shift)))
        return np.where(sign == 0, 1.0, _SLIP + (1 - 2 * _SLIP) * right)


def in_ranges(
    distributions: np.ndarray, low: np.ndarray, high: np.ndarray, shift_years: int = 0
) -> np.ndarray:
    """How probable each label's range is under a distribution that is moved by some years.

    Args:
        distributions: (count, 101), or (101,) for the same each time.
        low: First years, (count,), NaN where unknown.
        high: Last years, (count,).
        shift_years: By how much faces look younger than they are: it is added to the distribution.

    Returns:
        (count,) probabilities; 1 where the age is unknown.
    """
    known = ~np.isnan(low)
    sums = np.cumsum(distributions, axis=-1, dtype="float32")
    sums = np.concatenate([np.zeros((*sums.shape[:-1], 1), "float32"), sums], axis=-1)
    first = np.where(known, low, 0).astype(int) - shift_years
    last = np.where(known, high, 0).astype(int) + 1 - shift_years
    most = len(AGES_YEARS)

    def at(place: np.ndarray) -> np.ndarray:
        place = np.clip(place, 0, most)
        return sums[place] if sums.ndim == 1 else sums[np.arange(len(place)), place]

    return np.where(known, np.maximum(at(last) - at(first), 0) + _LEAST, 1.0)


def fitted(
    evidence: Evidence,
    start: Calibration,
    age_weights: np.ndarray,
    gender_right: np.ndarray,
    gender_wrong: np.ndarray,
    steps: int = 10,
) -> Calibration:
    """Moves a calibration towards the greatest likelihood.

    Args:
        evidence: Labels and answers.
        start: Where to begin.
        age_weights: How probably each age label is right, (count,).
        gender_right: How probably each gender label is right, (count,).
        gender_wrong: How probably it is the other gender's, (count,).
        steps: Of the optimizer, at most.
    """
    has_age, has_gender = ~np.isnan(evidence.low), ~np.isnan(evidence.gender)
    age, gender = start.age, start.gender
    log_ages = evidence.log_ages[:]  # once: each step asks for them

    def age_loss(constants: np.ndarray) -> float:
        moved = Calibration(tuple(constants))
        likely = moved.in_labels(log_ages, evidence.low, evidence.high)
        # Weakly held to nothing, lest a few faces make a strange calibration.
        held = 1e-3 * (constants[0] ** 2 + constants[2] ** 2 + constants[4] ** 2)
        return float(-np.mean(age_weights * np.log(likely)) + held)

    def gender_loss(constants: np.ndarray) -> float:
        likely = Calibration(gender=tuple(constants)).genders(evidence.log_odds, evidence.gender)
        told = gender_right * np.log(likely) + gender_wrong * np.log1p(
            -np.minimum(likely, 1 - _SLIP)
        )
        return float(-np.mean(told[has_gender]) + 1e-3 * np.sum(constants**2))

    if has_age.any():
        limits = [(-1, 1.5), (-15, 15), (-3, 3), (np.log(0.7), np.log(15)), (-1, 1)]
        options = {"maxiter": steps, "eps": 1e-3}  # float32 has no smaller differences
        found = minimize(age_loss, age, method="L-BFGS-B", bounds=limits, options=options)
        age = tuple(float(value) for value in found.x)
    if has_gender.any():
        found = minimize(gender_loss, gender, method="L-BFGS-B", bounds=[(-1.5, 1.5), (-3, 3)])
        gender = tuple(float(value) for value in found.x)
    return Calibration(age, gender)
