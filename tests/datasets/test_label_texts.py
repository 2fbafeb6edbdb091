"""Ages and genders as people write them, and what is refused rather than guessed."""

import math
import re

import pandas as pd
import pytest

from imdb_wiki.datasets.label_texts import ages_of_texts, genders_of_texts, read_gender_codes
from imdb_wiki.errors import InputError


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("34", 34, 34),
        (" 34.7 ", 34, 34),  # completed years
        ("0", 0, 0),
        ("20-29", 20, 29),
        ("20–29", 20, 29),
        ("20 to 29", 20, 29),
        ("(25, 32)", 25, 32),  # Adience
        ("(25,32)", 25, 32),
        ("[25 , 32]", 25, 32),
        ("25, 32", 25, 32),
        ("more than 70", 70, 100),  # FairFace
        ("60+", 60, 100),
        (">60", 60, 100),
        ("60 and older", 60, 100),
        ("under 3", 0, 2),
        ("<3", 0, 2),
        ("29-20", 29, 20),  # read as it stands: the rule bad_age rejects it
        ("120", 120, 120),
    ],
)
def test_an_age_is_a_number_or_a_range(text, low, high):
    row = ages_of_texts(pd.Series(["1", text])).iloc[1]
    assert (row["age_low"], row["age_high"], row["age_problem"]) == (low, high, "")
    assert row["age"] == low if low == high else math.isnan(row["age"])


@pytest.mark.parametrize("text", ["", " ", "?", "NaN", "None", "unknown", "n/a"])
def test_no_age_is_no_problem(text):
    row = ages_of_texts(pd.Series([text])).iloc[0]
    assert row[["age", "age_low", "age_high"]].isna().all() and row["age_problem"] == ""


@pytest.mark.parametrize("text", ["old", "-5", "thirty", "1990", "3-9-12 years", "20%"])
def test_what_is_no_age_is_named(text):
    row = ages_of_texts(pd.Series([text])).iloc[0]
    assert math.isnan(row["age_low"]) and row["age_problem"] == text


@pytest.mark.parametrize(
    "text", ["03-Sep", "Oct-19", "9-Mar", "2003-09-03", "09/03/2003", "3.9.2003"]
)
def test_a_spreadsheets_date_is_refused_with_its_line(text):
    with pytest.raises(InputError, match=r"line 4: the age '.+' is a date: a spreadsheet makes"):
        ages_of_texts(pd.Series(["20-29", "34", text, text], index=[2, 3, 4, 5]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2,5", "write 2.5 or 2-5"),
        ("34,7", "write 34.7 or 34-7"),
        ("25,32", "write 25.32 or 25-32"),
        (" 25 ,32 ", "write 25.32 or 25-32"),
        ("34,75342", "write 34.75342 or 34-75342"),
    ],
)
def test_a_bare_comma_is_refused_with_its_line(text, said):
    expected = f"line 3: the age {text.strip()!r} may be a number or a range: {said}"
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        ages_of_texts(pd.Series(["34", text, text], index=[2, 3, 7]))


def test_genders_are_words_or_what_the_codes_say():
    texts = pd.Series(["Female", "m", "WOMAN", "boy", "", "unknown"])
    read = genders_of_texts(texts, {})
    assert read["gender"].fillna(-1).tolist() == [0, 1, 0, 1, -1, -1]
    assert (read["gender_problem"] == "").all()
    read = genders_of_texts(
        pd.Series(["0", "1", "w"]), read_gender_codes("0=male, 1=female,W=female")
    )
    assert read["gender"].tolist() == [1, 0, 0]


@pytest.mark.parametrize("texts", [["0", "1"], ["1", "2", ""], ["0", "0"]])
def test_numbers_are_not_guessed(texts):
    with pytest.raises(InputError, match="--gender_codes 0=female,1=male"):
        genders_of_texts(pd.Series(texts), {})


def test_what_is_no_gender_is_named():
    read = genders_of_texts(pd.Series(["female", "femal", "34"]), {})
    assert read["gender_problem"].tolist() == ["", "femal", "34"]


@pytest.mark.parametrize("text", ["0", "0=f", "=female", "0=female,1", "0:female"])
def test_codes_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="is not CODE=female or CODE=male"):
        read_gender_codes(text)
