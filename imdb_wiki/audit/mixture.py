"""How probably each label is wrong: a mixture of right labels and of labels of other faces.

A label is right, or it belongs to another face (age and gender together), or its age alone is
another face's, or its gender alone is the other one. Right labels follow the network's calibrated
answers; labels of other faces the distribution of all labels here. How many there are of each kind
is estimated by expectation maximization (Dempster et al., 1977,
https://doi.org/10.1111/j.2517-6161.1977.tb01600.x). That predictions of faces not learnt from tell
wrong labels is confident learning's idea (Northcutt et al., https://arxiv.org/abs/1911.00068).
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from imdb_wiki.audit.calibration import Calibration, Evidence, bells, chunks, fitted, in_ranges
from imdb_wiki.audit.people import Offsets, age_by_person, gender_by_person
from imdb_wiki.labels import AGES_YEARS, GENDER_NAMES

KINDS = ("right", "other_face", "age_only", "gender_only")
CALIBRATION_FACES = 3_000  # more say the same constants, in more time
_FIRST_ROUNDS = 3  # of calibrating and counting in turn, until the constants fit roughly
_MOST_ROUNDS = 40  # after these, if the shares do not settle
_SETTLED = 1e-3  # no share moves by more from a round to the next
_BOOTSTRAP_SAMPLES = 200  # the ends of a 95% interval then vary by about a tenth of its width
_START = (0.9, 0.08, 0.01, 0.01)


class Likelihoods(NamedTuple):
    """How likely each face's label is, each (count,); 1 where it is unknown."""

    age: np.ndarray  # under the network's answer
    gender: np.ndarray
    other_age: np.ndarray  # as another face's
    other: np.ndarray  # age and gender together as another face's


@dataclasses.dataclass(frozen=True)
class Found:
    """What an audit found.

    Attributes:
        log_odds: Of being wrong if each of `KINDS` has one label at least, (count,); they rank. NaN
            where there is no label.
        wrong: Probability that the label is wrong, (count,).
        wrong_age: That its age is, (count,); NaN where unknown.
        wrong_gender: That its gender is, (count,); NaN where unknown.
        shares: Estimated share of each of `KINDS`, (4,).
        wrong_share: Estimated share of wrong labels among those that there are. An exchanged label
            that is right by chance is not wrong.
        interval: 95% bootstrap interval of that share, over people.
        calibration: The constants.
        offsets: What people's photos share.
    """

    log_odds: np.ndarray
    wrong: np.ndarray
    wrong_age: np.ndarray
    wrong_gender: np.ndarray
    shares: np.ndarray
    wrong_share: float
    interval: tuple[float, float]
    calibration: Calibration
    offsets: Offsets


def all_labels(evidence: Evidence) -> np.ndarray:
    """The distribution of all labels here, a little smoothed, (101, 2); it sums to 1.

    A range counts for each of its years alike, a label without gender for both, by their shares.
    """
    table = np.zeros((len(AGES_YEARS) + 1, len(GENDER_NAMES)))
    known_gender = ~np.isnan(evidence.gender)
    male = evidence.gender[known_gender].mean() if known_gender.any() else 0.5
    weights = np.where(known_gender, evidence.gender, male)
    known = ~np.isnan(evidence.low)
    low, high = (ends[known].astype(int) for ends in (evidence.low, evidence.high))
    for gender, share in enumerate((1 - weights[known], weights[known])):
        each = share / (high - low + 1)
        np.add.at(table[:, gender], low, each)
        np.add.at(table[:, gender], high + 1, -each)
    table = np.cumsum(table, axis=0)[:-1]
    table = bells(2.0).T @ table
    genders = np.array([1 - male, male])
    even = np.broadcast_to(genders / len(AGES_YEARS), table.shape)
    total = table.sum()
    return 0.95 * table / total + 0.05 * even if total else np.array(even)


def likelihoods(evidence: Evidence, calibration: Calibration, labels: np.ndarray) -> Likelihoods:
    """How likely each label is under the calibrated answers, and as another face's.

    Args:
        evidence: Labels and answers.
        calibration: The constants.
        labels: Of `all_labels`.
    """
    age = np.ones(len(evidence))
    for rows in chunks(len(evidence)):
        part = evidence.log_ages[rows], evidence.low[rows], evidence.high[rows]
        age[rows] = calibration.in_labels(*part)
    gender = calibration.genders(evidence.log_odds, evidence.gender)
    return Likelihoods(age, gender, *_as_anothers(evidence, labels))


def _as_anothers(evidence: Evidence, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shares = labels.sum(axis=0)  # of the genders
    by_gender = np.stack([in_ranges(labels[:, g], evidence.low, evidence.high) for g in (0, 1)])
    unknown_age = np.isnan(evidence.low)
    by_gender[:, unknown_age] = shares[:, np.newaxis]
    known = ~np.isnan(evidence.gender)
    of = np.where(known, evidence.gender, 0).astype(int)
    rows = np.arange(len(evidence))
    together = np.where(known, by_gender[of, rows], by_gender.sum(axis=0))
    alone = np.where(known, by_gender[of, rows] / shares[of], by_gender.sum(axis=0))
    alone[unknown_age] = 1.0
    return alone, together


def _by_kind(evidence: Evidence, likely: Likelihoods) -> np.ndarray:
    """How likely each label is as one of `KINDS`, (count, 4); an unknown label counts for none."""
    has_gender = ~np.isnan(evidence.gender)
    return np.stack(
        [
            likely.age * likely.gender,
            likely.other,
            likely.other_age * likely.gender,
            likely.age * np.where(has_gender, 1 - likely.gender, 1.0),
        ],
        axis=1,
    )


def _wrong_by_kind(evidence: Evidence, likely: Likelihoods) -> np.ndarray:
    """How probably a label of each of `KINDS` is wrong, (count, 4).

    Another face's label may be right by chance: as probably as the answers make it, which it tells
    nothing about. A label that is unknown is not wrong.
    """
    has_gender = ~np.isnan(evidence.gender)
    nothing = np.zeros(len(evidence))
    # `age` and `gender` are 1 where they are unknown.
    return np.stack(
        [nothing, 1 - likely.age * likely.gender, 1 - likely.age, has_gender.astype(float)], axis=1
    )


def _posterior(by_kind: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """How probably each label is of each kind, of the shape of `by_kind`."""
    weighted = by_kind * shares
    return weighted / weighted.sum(axis=1, keepdims=True)


def shares_of(
    by_kind: np.ndarray, start: np.ndarray, counts: np.ndarray | None = None
) -> np.ndarray:
    """The shares of the kinds that make the labels likeliest.

    Args:
        by_kind: How likely each label is as each kind, (count, kinds).
        start: Shares to begin with, (kinds,); one of 0 stays 0.
        counts: How often each label counts, (count,); once if None.

    Returns:
        (kinds,); they sum to 1.
    """
    shares = np.asarray(start, "float64") / np.sum(start)
    counts = np.ones(len(by_kind)) if counts is None else counts
    for _ in range(500):
        new = counts @ _posterior(by_kind, shares) / counts.sum()
        if np.abs(new - shares).max() < 1e-5:
            return new
        shares = new
    return shares


def _believed_shares(by_kind: np.ndarray) -> np.ndarray:
    """Shares, where errors of the age alone or of the gender alone count only if they must.

    Each kind more must make the labels likelier by more than chance would (Schwarz's criterion).
    """
    best, best_cost = np.array([1.0, 0, 0, 0]), np.inf
    for age_only in (0, 1):
        for gender_only in (0, 1):
            start = np.array(_START) * (1, 1, age_only, gender_only)
            shares = shares_of(by_kind, start)
            cost = -2 * np.log(by_kind @ shares).sum()
            cost += (age_only + gender_only) * np.log(len(by_kind))
            if cost < best_cost:
                best, best_cost = shares, cost
    return best


def calibrated(
    evidence: Evidence, labels: np.ndarray, seed: int = 0
) -> tuple[Calibration, np.ndarray]:
    """Fits constants and shares in turn, on some thousand faces drawn at random.

    Returns:
        The calibration, and the shares of `KINDS` among those faces.
    """
    drawn = np.random.default_rng(seed).permutation(len(evidence))[:CALIBRATION_FACES]
    evidence = evidence.of(np.sort(drawn))
    calibration, shares = Calibration(), np.array([0.95, 0.05, 0, 0])
    for turn in range(_MOST_ROUNDS):
        by_kind, before = _by_kind(evidence, likelihoods(evidence, calibration, labels)), shares
        # Until the constants fit, an error of the age alone explains what they do not.
        is_first = turn < _FIRST_ROUNDS
        shares = shares_of(by_kind, shares) if is_first else _believed_shares(by_kind)
        right, _, age_only, gender_only = _posterior(by_kind, shares).T
        calibration = fitted(
            evidence, calibration, right + gender_only, right + age_only, gender_only
        )
        shares = np.maximum(shares, 1e-4 * (shares > 0))
        # An error of the gender alone flattens the genders until it is counted as one.
        if turn > _FIRST_ROUNDS and np.abs(shares - before).max() < _SETTLED:
            break
    return calibration, shares


def audit(evidence: Evidence, people: np.ndarray, seed: int = 0) -> Found:
    """Says of each label how probably it is wrong.

    Args:
        evidence: Labels, and answers of a network that has not learnt from these faces.
        people: The person in each image, (count,), as of `people_of`.
        seed: Of what is drawn: faces to calibrate on, bootstrap samples.
    """
    labels = all_labels(evidence)
    calibration, shares = calibrated(evidence, labels, seed)
    likely = likelihoods(evidence, calibration, labels)
    wrong_share = 1 - float(shares[0])
    _, numbers = np.unique(people, return_inverse=True)
    age, years = age_by_person(
        evidence, calibration, likely.age, likely.other_age, numbers, wrong_share
    )
    gender, odds = gender_by_person(evidence, calibration, likely.gender, numbers, wrong_share)
    likely = likely._replace(age=age, gender=gender)
    by_kind, wrong_by_kind = _by_kind(evidence, likely), _wrong_by_kind(evidence, likely)
    shares = _believed_shares(by_kind)
    has_age, has_gender = ~np.isnan(evidence.low), ~np.isnan(evidence.gender)
    labelled = has_age | has_gender
    posterior = _posterior(by_kind, shares)
    _, other, age_only, gender_only = posterior.T
    wrong = (posterior * wrong_by_kind).sum(axis=1)
    # For the order alone, each kind has one label at least: what contradicts plainly stands in
    # front, however rare its kind is.
    ranking = by_kind * np.maximum(shares, 1 / max(1, labelled.sum()))
    with np.errstate(divide="ignore"):
        log_odds = np.log((ranking * wrong_by_kind).sum(axis=1))
        log_odds -= np.log((ranking * (1 - wrong_by_kind)).sum(axis=1))
    return Found(
        np.where(labelled, log_odds, np.nan),
        np.where(labelled, wrong, np.nan),
        np.where(has_age, (other + age_only) * (1 - likely.age), np.nan),
        np.where(has_gender, other * (1 - likely.gender) + gender_only, np.nan),
        shares,
        float(wrong[labelled].mean()) if labelled.any() else 0.0,
        _interval(by_kind[labelled], wrong_by_kind[labelled], shares, numbers[labelled], seed),
        calibration,
        Offsets(years, odds),
    )


def _interval(
    by_kind: np.ndarray,
    wrong_by_kind: np.ndarray,
    shares: np.ndarray,
    people: np.ndarray,
    seed: int,
) -> tuple[float, float]:
    """95% interval of the share of wrong labels, from samples of people with all their images."""
    if not len(people):
        return 0.0, 0.0
    rng, count = np.random.default_rng(seed), int(people.max()) + 1
    start = np.maximum(shares, 1e-3 * (shares > 0))
    start[1] = max(start[1], 1e-3)
    found = []
    for _ in range(_BOOTSTRAP_SAMPLES):
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        times = times[people].astype("float64")
        sample = _posterior(by_kind, shares_of(by_kind, start, times))
        found.append(times @ (sample * wrong_by_kind).sum(axis=1) / times.sum())
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
