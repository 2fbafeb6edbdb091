"""The labels, said once: gender encoding, age range and the age formula."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# The data set's own encoding (0 female, 1 male); it is a label of the data, nothing more.
FEMALE, MALE = 0, 1
GENDER_NAMES = ("female", "male")  # index = encoding, and the names of the class folders
UNLABELLED = "unlabelled"  # the class folder of faces without a gender label

MIN_AGE_YEARS, MAX_AGE_YEARS = 0, 100
AGES_YEARS = np.arange(MIN_AGE_YEARS, MAX_AGE_YEARS + 1)  # (101,)

SPLIT_NAMES = ("train", "val", "test")

# What a network may be for, and its output for that; one of them, or both.
TASK_OUTPUTS = {"age": "age_years", "gender": "gender"}
TASKS = tuple(TASK_OUTPUTS)

# MATLAB's serial day 1 is 1 January of year 0, a leap year; the calendar of Python and NumPy that
# has dates starts one year later: https://mathworks.com/help/matlab/ref/datenum.html
_FIRST_SERIAL_DAY = 367  # 1 January of year 1
_LAST_SERIAL_DAY = 3_652_425  # 31 December 9999
_EPOCH_SERIAL_DAY = 719_529  # 1 January 1970, where NumPy counts from


def age_in_years(birth_serial_day: np.ndarray, year_taken: np.ndarray) -> np.ndarray:
    """Completed years on 1 July of the year a photo was taken.

    The photo's day is unknown, so the middle of its year is taken, as the data set's authors
    propose (https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/); who has the birthday on 1 July
    has completed the year.

    Args:
        birth_serial_day: `(rows,)` MATLAB serial days; fractions are times of that day.
        year_taken: `(rows,)` years of any numeric type (the original's are uint16 and would wrap).

    Returns:
        `(rows,)` float64 ages in years, negative for photos before birth, NaN where the serial
        day is no date of the years 1 to 9999 or the year is not a whole number of that range.
    """
    serial = np.floor(np.asarray(birth_serial_day, dtype=np.float64))
    taken = np.asarray(year_taken, dtype=np.float64)
    is_date = (serial >= _FIRST_SERIAL_DAY) & (serial <= _LAST_SERIAL_DAY)
    is_year = (taken >= 1) & (taken <= 9999) & (np.floor(taken) == taken)

    epoch_days = np.where(is_date, serial, _EPOCH_SERIAL_DAY).astype(np.int64) - _EPOCH_SERIAL_DAY
    birth = epoch_days.astype("datetime64[D]")
    birth_year = birth.astype("datetime64[Y]")
    first_of_july = birth_year.astype("datetime64[M]") + np.timedelta64(6, "M")
    born_after_july_1 = birth > first_of_july.astype("datetime64[D]")
    ages = taken - (birth_year.astype(np.int64) + 1970) - born_after_july_1
    return np.where(is_date & is_year, ages, np.nan)


def with_age_ranges(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The rows with `age_low` and `age_high`, the ends of a range; without them both are `age`."""
    return rows if "age_low" in rows else rows.assign(age_low=rows["age"], age_high=rows["age"])


def age_errors_years(answered_years, first_year, last_year):
    """Distances of answers from labels, which may be ranges: inside of a range there is none.

    Args:
        answered_years: (count,), an array or a column.
        first_year: (count,), the ranges' first years; an exact age is both ends.
        last_year: (count,).

    Returns:
        Years, (count,); NaN where there is no label.
    """
    return abs(answered_years - answered_years.clip(first_year, last_year))


def known_ages(rows: "pd.DataFrame") -> "pd.Series":
    """Each known age in years, and the middle of each range; without the unknown ones."""
    return with_age_ranges(rows)[["age_low", "age_high"]].dropna().mean(axis=1)
