"""Checks whether an export predicts as the model that it was made of."""

from typing import NamedTuple

import numpy as np

RELATIVE_TOLERANCE = 1e-3  # of a float export's every answer; rounding alone makes about 1e-5
# Smaller values are compared as if they had this size: a millionth of a probability is noise.
RELATIVE_FLOORS = {"age_years": 1.0, "gender": 1e-3, "age_distribution": 1e-3}
# How much worse than the model a quantized export may be: in the mean absolute error of the age,
# and in the gender accuracy, in percentage points. On few faces so small a difference may be
# chance: the export is refused only if the whole 95% interval of the difference is above it.
AGE_TOLERANCE_YEARS = 0.15
GENDER_TOLERANCE_POINTS = 0.5
INTERVAL_DEVIATIONS = 1.96  # standard errors to either end of a 95% interval
# How far an export's answers may be from the model's, as a mean over the faces. No label is needed
# for that, so few faces are enough to find a broken export.
AGE_CHANGE_YEARS = 3.0
GENDER_CHANGE_POINTS = 10.0


class Check(NamedTuple):
    """How far an export's answers are from the model's, and whether that is near enough."""

    passed: bool
    text: str  # the measured difference, in one line


def float_check(wanted: dict, given: dict) -> Check:
    """Checks a float export: every answer must be within `RELATIVE_TOLERANCE` of the model's.

    Args:
        wanted: The model's answers, each (count, n), by name.
        given: The export's.

    Returns:
        Whether it passes, and the largest relative difference.
    """
    worst = {}
    for name, values in given.items():
        scale = np.maximum(np.abs(wanted[name]), RELATIVE_FLOORS[name])
        worst[name] = float(np.max(np.abs(values - wanted[name]) / scale))
    name = max(worst, key=lambda name: np.nan_to_num(worst[name], nan=np.inf))
    passed = worst[name] <= RELATIVE_TOLERANCE  # never where it is not a number
    text = f"{name} differs by up to {worst[name]:.1e} of itself (at most {RELATIVE_TOLERANCE:g})"
    return Check(passed, text)


def quantized_check(wanted: dict, given: dict, age_years: np.ndarray, gender: np.ndarray) -> Check:
    """Checks a quantized export: it must be about as accurate as the model, or better.

    It is refused if it is worse by more than the tolerance at both ends of the 95% interval of the
    difference, or if it is worse and its answers are far from the model's. The interval is that of
    the mean of the differences face by face.

    Args:
        wanted: The model's answers, each (count, n), by name.
        given: The export's.
        age_years: True ages, (count,).
        gender: True labels, 0 female, 1 male, (count,).

    Returns:
        Whether it passes, and both measures of both.
    """
    ages = [answers["age_years"][:, 0].astype("float64") for answers in (wanted, given)]
    errors = [np.abs(answer - age_years) for answer in ages]  # years, (count,)
    genders = [answers["gender"].astype("float64") for answers in (wanted, given)]
    right = [100.0 * (answer.argmax(axis=1) == gender) for answer in genders]  # 0 or 100, (count,)
    loss, margin = _mean_and_margin(errors[1] - errors[0])
    points, points_margin = _mean_and_margin(right[0] - right[1])
    age_change = np.abs(ages[1] - ages[0]).mean()
    points_change = 100 * np.abs(genders[1] - genders[0]).mean()
    passed = (
        all(np.isfinite(values).all() for values in given.values())
        and not _too_much(loss, margin, AGE_TOLERANCE_YEARS, age_change / AGE_CHANGE_YEARS)
        and not _too_much(
            points, points_margin, GENDER_TOLERANCE_POINTS, points_change / GENDER_CHANGE_POINTS
        )
    )
    text = (
        f"age error {errors[1].mean():.2f} years, {loss:+.2f} ± {margin:.2f} against the float "
        f"model (at most {AGE_TOLERANCE_YEARS} more), gender accuracy {right[1].mean():.1f} %, "
        f"{-points:+.1f} ± {points_margin:.1f} points (at most {GENDER_TOLERANCE_POINTS} fewer), "
        f"on {len(gender):,} crops; a face's age moves by {age_change:.2f} years (at most "
        f"{AGE_CHANGE_YEARS:g}), its probability by {points_change:.1f} points (at most "
        f"{GENDER_CHANGE_POINTS:g})"
    )
    return Check(bool(passed), text)


def _too_much(loss: float, margin: float, tolerance: float, share_of_change: float) -> bool:
    return loss > 0 and (loss - margin > tolerance or share_of_change > 1)


def _mean_and_margin(differences: np.ndarray) -> tuple[float, float]:
    """The mean of differences (count,), and half the width of its 95% interval."""
    count = len(differences)
    if count < 2:  # one face says nothing about others
        return float(differences.mean()), np.inf
    standard_error = differences.std(ddof=1) / np.sqrt(count)
    return float(differences.mean()), float(INTERVAL_DEVIATIONS * standard_error)
