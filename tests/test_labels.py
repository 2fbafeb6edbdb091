import datetime

import numpy as np
import pytest

from imdb_wiki.labels import AGES_YEARS, FEMALE, GENDER_NAMES, MALE, age_in_years
from tests.preparation.originals import serial_day


def test_genders_are_encoded_as_in_the_data_set():
    assert (FEMALE, MALE) == (0, 1)
    assert GENDER_NAMES[FEMALE] == "female"
    assert GENDER_NAMES[MALE] == "male"


@pytest.mark.parametrize(
    ("born", "taken", "age_years"),
    [
        ((1980, 6, 30), 2010, 30),
        ((1980, 7, 1), 2010, 30),  # a birthday on 1 July is completed
        ((1980, 7, 2), 2010, 29),
        ((1980, 12, 31), 1981, 0),
        ((1980, 1, 1), 1980, 0),
        ((1980, 7, 2), 1980, -1),
        ((1904, 2, 29), 2004, 100),
        ((11, 3, 1), 2008, 1997),  # the earliest in wiki.mat
        ((1, 1, 1), 1, 0),
    ],
)
def test_age_is_completed_years_on_1_july(born, taken, age_years):
    ages = age_in_years(np.array([serial_day(*born)]), np.array([taken], dtype=np.uint16))
    assert ages == [age_years]


def test_serial_day_is_matlabs():
    # datenum(2000, 1, 1) is 730486 in MATLAB's own documentation.
    assert age_in_years(np.array([730_486]), np.array([2001])) == [1]
    assert serial_day(2000, 1, 1) == 730_486


def test_age_agrees_with_the_calendar_day_by_day():
    days = [datetime.date(1899, 12, 1) + datetime.timedelta(days=n) for n in range(0, 40_000, 7)]
    serials = np.array([day.toordinal() + 366 for day in days], dtype=np.int32)
    taken = np.full(len(days), 2010, dtype=np.uint16)
    expected = [2010 - day.year - ((day.month, day.day) > (7, 1)) for day in days]
    assert age_in_years(serials, taken).tolist() == expected


def test_small_unsigned_years_do_not_wrap():
    ages = age_in_years(np.array([serial_day(2014, 1, 1)]), np.array([2010], dtype=np.uint16))
    assert ages == [-4]


@pytest.mark.parametrize("serial", [0, 1, 366, -5, np.nan, np.inf, -np.inf, 1e300, 3_652_426])
def test_what_is_no_date_has_no_age(serial):
    assert np.isnan(age_in_years(np.array([serial]), np.array([2010.0])))[0]


@pytest.mark.parametrize("year", [np.nan, np.inf, 0, -1, 2010.5, 10_000, 1e18])
def test_what_is_no_year_has_no_age(year):
    assert np.isnan(age_in_years(np.array([serial_day(1980, 1, 1)]), np.array([year])))[0]


def test_a_fraction_of_a_serial_day_is_a_time_of_that_day():
    evening_of_1_july = serial_day(1980, 7, 1) + 0.9
    assert age_in_years(np.array([evening_of_1_july]), np.array([2010])) == [30]


def test_ages_are_the_whole_years_from_0_to_100():
    assert AGES_YEARS.tolist() == list(range(101))


@pytest.mark.parametrize(("year", "age_years"), [(1, -9998), (9998, -1), (9999, 0)])
def test_the_last_day_and_years_of_the_calendar_have_an_age(year, age_years):
    assert serial_day(9999, 12, 31) == 3_652_425
    assert age_in_years(np.array([serial_day(9999, 7, 1)]), np.array([year])) == [age_years]
    assert age_in_years(np.array([3_652_425]), np.array([year])) == [age_years - 1]


def test_a_day_that_unsigned_numbers_of_two_bytes_hold_has_an_age():
    assert age_in_years(np.array([65_535], dtype=np.uint16), np.array([200])) == [21]  # 5 June 179
