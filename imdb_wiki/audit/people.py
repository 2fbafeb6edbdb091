"""What all photos of a person share is no sign of a wrong label; what one says alone is.

Who looks young does so in all photos. So each photo is judged after its person's other photos
(leave-one-out): they say how probable each offset of that person is, held to 0 as far as people
differ little (empirical Bayes). How much people differ is chosen by the photos' own likelihood.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from imdb_wiki.audit.calibration import Calibration, Evidence, chunks, in_ranges

AGE_OFFSETS_YEARS = np.arange(-20, 21, 2)
LOG_ODDS_OFFSETS = np.arange(-6.0, 6.1, 1.0)
_AGE_SPREADS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)  # in years, that people may differ by
_GENDER_SPREADS = (0.5, 1.0, 2.0, 3.0)
# A network's uncertainty holds how people differ; once that is known, less of it is left.
_SHARPER = (1.0, 1.3, 1.7)
_CHOOSING_PHOTOS = 10_000  # on so many of them the spread is chosen


class Offsets(NamedTuple):
    """How much people's offsets spread: 0 where nobody has several photos, or none is seen."""

    age_years: float
    gender_log_odds: float


def leave_one_out(
    likely: np.ndarray, other: np.ndarray, people: np.ndarray, prior: np.ndarray, wrong_share: float
) -> np.ndarray:
    """How likely each photo's label is, after the person's other photos.

    Args:
        likely: How likely each label is under each offset of its person, (count, offsets).
        other: How likely it is as another face's, (count,): a wrong label must not move the rest.
        people: The person of each photo, (count,) whole numbers from 0.
        prior: Probability of each offset, (offsets,).
        wrong_share: Share of wrong labels.

    Returns:
        (count,).
    """

    def robust(rows: slice) -> np.ndarray:
        wrong = wrong_share * other[rows, np.newaxis]
        return np.log((1 - wrong_share) * likely[rows] + wrong + 1e-12)

    parts = chunks(len(likely))
    total = np.zeros((int(people.max()) + 1, likely.shape[1]))
    for rows in parts:
        np.add.at(total, people[rows], robust(rows))
    found = np.empty(len(likely))
    for rows in parts:
        told = total[people[rows]] - robust(rows) + np.log(prior)
        told = np.exp(told - told.max(axis=1, keepdims=True))
        found[rows] = (told * likely[rows]).sum(axis=1) / told.sum(axis=1)
    return found


def _prior(offsets: np.ndarray, spread: float) -> np.ndarray:
    curve = np.exp(-0.5 * (offsets / spread) ** 2) + 1e-12
    return curve / curve.sum()


def _several(people: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which labelled photos are of people with more than one of them, (several,) row numbers."""
    counts = np.bincount(people[known], minlength=int(people.max()) + 1)
    return np.flatnonzero(known & (counts[people] > 1))


def _chosen(
    choices: list,
    likely_of: Callable[[np.ndarray, tuple], np.ndarray],
    offsets: np.ndarray,
    other: np.ndarray,
    people: np.ndarray,
    plain: np.ndarray,
    wrong: float,
) -> tuple[np.ndarray, float]:
    """The likeliest of several spreads.

    Args:
        choices: Tuples of a spread and of what else `likely_of` takes.
        likely_of: From rows and a choice to likelihoods (rows, offsets).
        offsets: What a person's photos may share, (offsets,).
        other: As for `leave_one_out`.
        people: As for `leave_one_out`.
        plain: Likelihoods without offsets, (count,).
        wrong: Share of wrong labels.

    Returns:
        Likelihoods (count,), and the spread; the plain ones and 0 if no spread is better.
    """
    _, numbers = np.unique(people, return_inverse=True)
    some = np.flatnonzero(np.cumsum(np.bincount(numbers))[numbers] <= _CHOOSING_PHOTOS)
    some = some if len(some) else np.arange(len(numbers))

    def told(rows: np.ndarray, choice: tuple) -> np.ndarray:
        likely = np.concatenate([likely_of(rows[part], choice) for part in chunks(len(rows))])
        prior = _prior(offsets, choice[0])
        return leave_one_out(likely, other[rows], numbers[rows], prior, wrong)

    def score(likely: np.ndarray) -> float:
        return float(np.log((1 - wrong) * likely + wrong * other[some] + 1e-12).sum())

    scores = [score(told(some, choice)) for choice in choices]
    best = int(np.argmax(scores))
    if scores[best] <= score(plain[some]) + 2:  # two constants more: what chance would bring
        return plain, 0.0
    return told(np.arange(len(numbers)), choices[best]), choices[best][0]


def age_by_person(
    evidence: Evidence,
    calibration: Calibration,
    plain: np.ndarray,
    other: np.ndarray,
    people: np.ndarray,
    wrong_share: float,
) -> tuple[np.ndarray, float]:
    """How likely each age label is, after what the person's other photos say.

    Args:
        evidence: Labels and answers.
        calibration: The constants.
        plain: Likelihoods without offsets, (count,).
        other: Likelihoods as another face's, (count,).
        people: Whole numbers, (count,).
        wrong_share: Share of wrong labels.

    Returns:
        Likelihoods (count,), and by how many years people differ.
    """
    rows = _several(people, ~np.isnan(evidence.low))
    if not len(rows):
        return plain, 0.0

    def likely_of(some: np.ndarray, choice: tuple) -> np.ndarray:
        at = rows[some]
        distributions = calibration.ages(evidence.log_ages[at], choice[1])
        low, high = evidence.low[at], evidence.high[at]
        columns = [
            in_ranges(distributions, low, high, int(years)).astype("float32")
            for years in AGE_OFFSETS_YEARS
        ]
        return np.stack(columns, axis=1)

    choices = [(spread, sharper) for spread in _AGE_SPREADS for sharper in _SHARPER]
    likely = plain.copy()
    likely[rows], spread = _chosen(
        choices, likely_of, AGE_OFFSETS_YEARS, other[rows], people[rows], plain[rows], wrong_share
    )
    return likely, spread


def gender_by_person(
    evidence: Evidence,
    calibration: Calibration,
    plain: np.ndarray,
    people: np.ndarray,
    wrong_share: float,
) -> tuple[np.ndarray, float]:
    """How likely each gender label is, after the person's other photos; else as `age_by_person`."""
    rows = _several(people, ~np.isnan(evidence.gender))
    if not len(rows):
        return plain, 0.0
    genders = evidence.gender[rows]
    factor = np.exp(calibration.gender[0])

    def likely_of(some: np.ndarray, choice: tuple) -> np.ndarray:
        odds = evidence.log_odds[rows[some], np.newaxis] + LOG_ODDS_OFFSETS / factor
        return calibration.genders(odds, genders[some])

    male = genders.mean()
    other = np.where(genders == 1, male, 1 - male)
    likely = plain.copy()
    choices = [(spread,) for spread in _GENDER_SPREADS]
    likely[rows], spread = _chosen(
        choices, likely_of, LOG_ODDS_OFFSETS, other, people[rows], plain[rows], wrong_share
    )
    return likely, spread
