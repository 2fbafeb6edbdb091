import numpy as np
import pandas as pd
import pytest

from imdb_wiki.datasets.utkface import table_of_utkface
from imdb_wiki.preparation.rules import first_broken_rule
from imdb_wiki.preparation.settings import Settings

IMDB = Settings(output_dir="out", dataset="imdb", min_score=1.0)


def table_with(**changes):
    row = {
        **{"source": "a.jpg", "age": 30.0, "gender": 1.0, "identity": "1"},
        **{"face_score": 3.0, "second_face_score": np.nan},
    }
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, ""),
        ({"face_score": -np.inf}, "no_face"),
        ({"face_score": np.nan}, "no_face"),
        ({"face_score": 0.999}, "low_score"),
        ({"face_score": 1.0}, ""),
        ({"second_face_score": 0.1}, "second_face"),
        ({"second_face_score": -np.inf}, ""),
        ({"gender": np.nan}, "no_gender"),
        ({"gender": 2.0}, "no_gender"),
        ({"age": -1.0}, "bad_age"),
        ({"age": 101.0}, "bad_age"),
        ({"age": np.nan}, "bad_age"),
        ({"age": 0.0}, ""),
        ({"age": 100.0}, ""),
    ],
)
def test_each_rule(changes, rule):
    assert first_broken_rule(table_with(**changes), IMDB)["rule"].tolist() == [rule]


def test_a_row_falls_to_the_first_rule_it_breaks():
    worst = {"second_face_score": 1.0, "gender": np.nan, "age": np.nan}
    rules = [
        first_broken_rule(table_with(face_score=score, **worst), IMDB)["rule"][0]
        for score in (-np.inf, 0.5, 2.0)
    ]
    assert rules == ["no_face", "low_score", "second_face"]
    del worst["second_face_score"]
    assert first_broken_rule(table_with(**worst), IMDB)["rule"][0] == "no_gender"


def test_the_detail_is_the_value_that_broke_the_rule():
    broken = first_broken_rule(table_with(age=-3.0), IMDB)
    assert broken["detail"].tolist() == ["-3"]


def test_utkface_is_not_asked_for_scores_it_does_not_have():
    table = table_of_utkface(
        [
            "26_0_1_20170112213500903.jpg.chip.jpg",
            "105_1_0_20170112213500903.jpg.chip.jpg",
            "61_1_20170109142408075.jpg.chip.jpg",  # the race is missing
            "39__1_20170116174525125.jpg.chip.jpg",
            "1025_0_1_2017.jpg",  # not 25 years
            "5_1_0_3_2017.jpg",
            "x26_0_1_2017.jpg",
        ]
    )
    settings = Settings(output_dir="out", dataset="utkface", photo_dir="UTKFace")
    rules = first_broken_rule(table, settings)["rule"].tolist()
    assert rules == ["", "bad_age", *["bad_name"] * 5]
