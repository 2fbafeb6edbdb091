"""Ages and genders as people write them: `34`, `20-29`, `60+`, `f`, `male`."""

import argparse
import re

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.labels import FEMALE, GENDER_NAMES, MALE, MAX_AGE_YEARS, MIN_AGE_YEARS

GENDER_WORDS = {
    **dict.fromkeys(("female", "f", "woman", "women", "girl", "girls", "females"), FEMALE),
    **dict.fromkeys(("male", "m", "man", "men", "boy", "boys", "males"), MALE),
}
_UNKNOWN = {"", "?", "-", "na", "n/a", "nan", "none", "null", "unknown", "u"}
_NUMBER = r"(\d{1,3})(?:\.(\d+))?"
_ONE = re.compile(_NUMBER)
_RANGE = re.compile(rf"[(\[]?\s*{_NUMBER}\s*(?:-|–|—|,\s|to|_)\s*{_NUMBER}\s*[)\]]?")
_IN_BRACKETS = re.compile(rf"[(\[]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[)\]]")
_BARE_COMMA = re.compile(r"(\d+)\s*,(\d+)")
_OPEN_ABOVE = re.compile(rf"(?:more than|over|above|>=?)?\s*{_NUMBER}\s*(?:\+|and (?:over|older))?")
_OPEN_BELOW = re.compile(rf"(?:under|below|younger than|<)\s*{_NUMBER}")
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# What a spreadsheet makes of 3-9 and 10-19: 03-Sep, 9-Mar, Oct-19, 2003-09-03, 09/03/2003.
_DATE = re.compile(
    rf"\d{{1,4}}[-. /](?:{_MONTH})[a-z]*(?:[-. /]\d{{2,4}})?|(?:{_MONTH})[a-z]*[-. /]\d{{1,4}}"
    r"|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}"
)
_IS_DATE = (
    "is a date: a spreadsheet makes dates of ranges such as 3-9 or 10-19. Enter the ages again in "
    "a column that is formatted as text"
)


def ages_of_texts(texts: pd.Series) -> pd.DataFrame:
    """Reads ages.

    A whole or fractional number is an age, in completed years: 34.7 is 34. `20-29`, `20 to 29` and
    `(20, 29)` are ranges, both ends included. `60+`, `more than 60` and `under 3` reach to the ends
    of the range of ages. Empty cells and words such as `unknown` are no label.

    Args:
        texts: `(rows,)`, indexed by their lines in the file.

    Returns:
        `age` in years (NaN where it is a range or unknown), the ends `age_low` and `age_high` (NaN
        where unknown), and `age_problem`, the text where it is none of these, else "".

    Raises:
        InputError: A text is a date: a spreadsheet has changed the ranges. Or it may be a range as
            well as a decimal number.
    """
    numbers, different = pd.factorize(texts.str.strip().str.lower(), use_na_sentinel=False)
    read = [age_of_text(text) for text in different]
    for number, (text, ends) in enumerate(zip(different, read, strict=True)):
        is_date = ends is None and _DATE.fullmatch(text)
        if problem := _IS_DATE if is_date else unclear_age(text):
            row = int((numbers == number).argmax())
            raise InputError(
                f"line {texts.index[row]}: the age {texts.iloc[row].strip()!r} {problem}"
            )
    low, high = (
        np.array([np.nan if ends is None else ends[end] for ends in read]) for end in (0, 1)
    )
    low, high = low[numbers], high[numbers]
    known_problem = np.array(
        ["" if ends is not None else text for text, ends in zip(different, read, strict=True)],
        dtype=object,
    )
    return pd.DataFrame(
        {
            "age": np.where(low == high, low, np.nan),
            "age_low": low,
            "age_high": high,
            "age_problem": known_problem[numbers],
        },
        index=texts.index,
    )


def age_of_text(text: str) -> tuple[float, float] | None:
    """The ends in years of a text in lower case; NaN for no label, None for what is no age."""
    if text in _UNKNOWN:
        return np.nan, np.nan
    if one := _ONE.fullmatch(text):
        return float(one[1]), float(one[1])
    if found := _RANGE.fullmatch(text) or _IN_BRACKETS.fullmatch(text):
        return float(found[1]), float(found[3])
    if found := _OPEN_BELOW.fullmatch(text):
        return float(MIN_AGE_YEARS), float(found[1]) - 1
    if found := _OPEN_ABOVE.fullmatch(text):
        return float(found[1]), float(MAX_AGE_YEARS)
    return None


def unclear_age(text: str) -> str:
    """Says of `2,5` that it may be a number or a range; "" for every other text."""
    if found := _BARE_COMMA.fullmatch(text):
        number, ends = ".".join(found.groups()), "-".join(found.groups())
        return f"may be a number or a range: write {number} or {ends}"
    return ""


def genders_of_texts(texts: pd.Series, codes: dict[str, int]) -> pd.DataFrame:
    """Reads genders, as words or by the codes that were given for them; never guessed.

    Args:
        texts: `(rows,)`.
        codes: what other texts mean, such as `{"0": 0, "1": 1}`.

    Returns:
        `gender` (0 female, 1 male, NaN unknown), and `gender_problem`, the text where it is none of
        these, else "".

    Raises:
        InputError: All labels are numbers, and it was not said which is which.
    """
    plain = texts.str.strip().str.lower()
    known = GENDER_WORDS | {word.lower(): gender for word, gender in codes.items()}
    labels = plain[~plain.isin(_UNKNOWN - set(known))]
    unread = sorted(set(labels) - set(known))
    if unread and len(unread) <= 3 and all(text.isdecimal() for text in unread):
        raise InputError(
            f"the genders are numbers ({', '.join(unread)}), whose meaning differs between data "
            "sets: say it with --gender_codes, such as --gender_codes 0=female,1=male"
        )
    gender = plain.map(known).astype(float)
    problem = plain.where(gender.isna() & ~plain.isin(_UNKNOWN), "")
    return pd.DataFrame({"gender": gender, "gender_problem": problem}, index=texts.index)


def gender_codes(text: str) -> str:
    """An option's kind: what the texts of a gender column mean, such as `0=female,1=male`."""
    try:
        read_gender_codes(text)
    except ValueError as error:  # of which argparse would not say the text
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def read_gender_codes(text: str | None) -> dict[str, int]:
    """Reads what `--gender_codes` says.

    Raises:
        ValueError: It is no such text.
    """
    codes = {}
    for part in text.split(",") if text else []:
        code, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not code or name not in GENDER_NAMES:
            raise ValueError(f"{part!r} is not CODE=female or CODE=male")
        codes[code] = GENDER_NAMES.index(name)
    return codes
