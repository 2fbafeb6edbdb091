"""Checks whether an export predicts as the model that it was made of."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imdb_wiki.labels import age_errors_years

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


def quantized_check(wanted: dict, given: dict, age_years: ArrayLike, gender: ArrayLike) -> Check:
    """Checks a quantized export: it must be about as accurate as the model, or better.

    It is refused if it is worse by more than the tolerance at both ends of the 95% interval of the
    difference, or if it is worse and its answers are far from the model's. The interval is that of
    the mean of the differences face by face. Where an age is a range, the error is the distance
    from it.

    Args:
        wanted: The model's answers, each (count, n), by name.
        given: The export's.
        age_years: True ages, (count,), or ranges, (count, 2), first and last year; NaN: unknown.
        gender: True labels, 0 female, 1 male, (count,); NaN: unknown.

    Returns:
        Whether it passes, and the measures of both; without any label it does not.
    """
    checks = []
    genders = np.asarray(gender, "float64")
    ends = np.asarray(age_years, "float64").reshape(len(genders), -1)  # (count, 1 or 2)
    rows = pd.DataFrame({"age_low": ends[:, 0], "age_high": ends[:, -1], "gender": genders})
    aged, gendered = rows[rows["age_low"].notna()], rows[rows["gender"].notna()]
    if "age_years" in wanted and len(aged):
        checks.append(_age_check(wanted, given, aged))
    if "gender" in wanted and len(gendered):
        checks.append(_gender_check(wanted, given, gendered))
    if not checks:
        return Check(False, "no crop has a label to check it by")
    finite = all(np.isfinite(values).all() for values in given.values())
    text = ", ".join(check.text for check in checks)
    return Check(finite and all(check.passed for check in checks), text)


def _age_check(wanted: dict, given: dict, rows: pd.DataFrame) -> Check:
    """Compares the age errors; `rows` have an age or a range."""
    ages = [answers["age_years"][rows.index, 0].astype("float64") for answers in (wanted, given)]
    low, high = rows["age_low"].to_numpy(), rows["age_high"].to_numpy()
    errors = [age_errors_years(answer, low, high) for answer in ages]  # years, (count,)
    loss, margin = _mean_and_margin(errors[1] - errors[0])
    change = np.abs(ages[1] - ages[0]).mean()
    text = (
        f"age error {errors[1].mean():.2f} years, {loss:+.2f} ± {margin:.2f} against the float "
        f"model (at most {AGE_TOLERANCE_YEARS} more; a face's age moves by {change:.2f} years, at "
        f"most {AGE_CHANGE_YEARS:g}) on {len(rows):,} crops"
    )
    return Check(not _too_much(loss, margin, AGE_TOLERANCE_YEARS, change / AGE_CHANGE_YEARS), text)


def _gender_check(wanted: dict, given: dict, rows: pd.DataFrame) -> Check:
    """Compares how often the gender is right; `rows` have one."""
    genders = [answers["gender"][rows.index].astype("float64") for answers in (wanted, given)]
    right = [100.0 * (answer.argmax(axis=1) == rows["gender"].to_numpy()) for answer in genders]
    loss, margin = _mean_and_margin(right[0] - right[1])  # percentage points
    change = 100 * np.abs(genders[1] - genders[0]).mean()
    text = (
        f"gender accuracy {right[1].mean():.1f} %, {-loss:+.1f} ± {margin:.1f} points (at most "
        f"{GENDER_TOLERANCE_POINTS} fewer; a face's probability moves by {change:.1f} points, at "
        f"most {GENDER_CHANGE_POINTS:g}) on {len(rows):,} crops"
    )
    share = change / GENDER_CHANGE_POINTS
    return Check(not _too_much(loss, margin, GENDER_TOLERANCE_POINTS, share), text)


def _too_much(loss: float, margin: float, tolerance: float, share_of_change: float) -> bool:
    return loss > 0 and (loss - margin > tolerance or share_of_change > 1)


def _mean_and_margin(differences: np.ndarray) -> tuple[float, float]:
    """The mean of differences (count,), and half the width of its 95% interval."""
    count = len(differences)
    if count < 2:  # one face says nothing about others
        return float(differences.mean()), np.inf
    standard_error = differences.std(ddof=1) / np.sqrt(count)
    return float(differences.mean()), float(INTERVAL_DEVIATIONS * standard_error)
