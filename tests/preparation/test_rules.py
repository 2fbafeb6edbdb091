import numpy as np
import pandas as pd
import pytest

from imdb_wiki.datasets.utkface import table_of_utkface
from imdb_wiki.preparation import rules
from imdb_wiki.preparation.crop_names import leads_outside
from imdb_wiki.preparation.rules import first_broken_rule, repeated_rows, rule_names
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


@pytest.mark.parametrize(
    "path", ["/a.jpg", "\\a.jpg", "C:\\a.jpg", "c:a.jpg", "../a.jpg", "00/../../a.jpg", "a\0.jpg"]
)
def test_a_path_that_leads_outside_is_seen_among_others(path):
    paths = ["00/a.jpg", path, "b..c/..d.jpg", "a b/c.jpg"]
    assert leads_outside(pd.Series(paths, dtype=str)).tolist() == [False, True, False, False]
    assert not leads_outside(pd.Series([paths[0], paths[3]], dtype=str)).any()


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
    broken = first_broken_rule(table, settings)
    assert broken["rule"].tolist() == ["", "bad_age", *["bad_name"] * 5]
    assert broken["detail"].tolist() == ["", "105", *[""] * 5]


@pytest.mark.parametrize(
    "in_order",
    [
        # A name that says nothing, or a photo that is not asked for, is no matter of its labels.
        ("bad_name", "not_listed", "no_face", "no_gender", "bad_age", "no_label"),
        ("no_face", "low_score", "second_face"),  # the reason nearest to the detector
        ("no_gender", "bad_age"),  # in IMDB a row without both counts as one without gender
        ("bad_box", "face_not_found"),
        # What the table says, then what the file, then what the picture, then what all together.
        ("no_label", "missing_file", "unreadable_image", "face_not_found", "several_faces"),
        ("several_faces", "repeated_row", "contradicting_duplicate"),
    ],
)
def test_a_row_that_breaks_several_rules_falls_to_the_one_that_says_most(in_order):
    names = rule_names()
    assert len(set(names)) == len(names)
    assert tuple(name for name in names if name in in_order) == in_order


def test_a_new_rule_comes_after_those_before_it(monkeypatch):
    monkeypatch.setattr(rules, "_TABLE_RULES", [])

    @rules.rule("too_wise")
    def too_wise(table, settings):
        return table["age"] == 99, "nobody knows so much"

    @rules.rule("too_young")
    def too_young(table, settings):
        return table["age"] < settings.min_score, table["age"]

    assert rule_names()[:2] == ["too_wise", "too_young"]
    assert too_young(table_with(age=0.5), IMDB)[0].tolist() == [True]
    broken = first_broken_rule(pd.concat([table_with(age=age) for age in (99, 50, 0.5)]), IMDB)
    assert broken.to_numpy().tolist() == [
        *(["too_wise", "nobody knows so much"], ["", ""], ["too_young", "0.5"])
    ]


def test_each_row_gets_its_own_rule_and_detail_under_its_own_label():
    changes = [
        {"face_score": -np.inf},
        {"face_score": 0.25},
        {"second_face_score": 1.5},
        {"gender": np.nan},
        {"age": 123.0},
        {},
        {"source": ""},
        {"source": "../outside.jpg"},
        {"face_score": 0.25, "source": ""},
        {"face_score": 0.75},
    ]
    table = pd.concat([table_with(**change) for change in changes])
    table.index = range(10, 20)
    broken = first_broken_rule(table, IMDB)
    assert broken.index.tolist() == list(range(10, 20))
    assert broken["rule"].tolist() == [
        *("no_face", "low_score", "second_face", "no_gender", "bad_age", ""),
        *("missing_file", "missing_file", "low_score", "low_score"),
    ]
    assert broken["detail"].tolist() == [
        *("", "0.25", "1.5", "nan", "123", ""),
        *("the path is empty", "the path leads out of the photo folder", "0.25", "0.75"),
    ]


def test_a_table_without_rows_breaks_no_rule():
    broken = first_broken_rule(table_with().iloc[:0], IMDB)
    assert broken.columns.tolist() == ["rule", "detail"]
    assert len(broken) == 0


def test_a_repeated_row_has_the_photo_and_the_labels_of_an_earlier_one_that_is_kept():
    rows = [
        ("a.jpg", 30, 1, ""),
        ("a.jpg", 30, 1, ""),  # again
        ("a.jpg", 31, 1, ""),  # another age
        ("a.jpg", 30, 0, ""),  # another gender
        ("b.jpg", 30, 1, ""),  # another photo
        ("a.jpg", 30, 1, "low_score"),  # again, but left out already
        ("c.jpg", 30, 1, "low_score"),
        ("c.jpg", 30, 1, ""),  # the earlier one is left out: this one is the first
        ("c.jpg", 30, 1, ""),
    ]
    table = pd.DataFrame(rows, columns=["source", "age", "gender", "rule"], index=range(20, 29))
    table["face_score"] = range(9)  # is no label
    repeated = repeated_rows(table)
    assert repeated.index.tolist() == list(range(20, 29))
    assert repeated.tolist() == [False, True, *[False] * 6, True]
    assert repeated.dtype == bool
