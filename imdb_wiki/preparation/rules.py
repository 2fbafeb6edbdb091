"""The named rules: which rows are left out, and which rule is the first that applies.

A new rule that needs no image is one more function below, in its place in the order.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from imdb_wiki.faces.choosing import FACE_NOT_FOUND, SEVERAL_FACES
from imdb_wiki.labels import FEMALE, MALE, MAX_AGE_YEARS, MIN_AGE_YEARS, with_age_ranges
from imdb_wiki.preparation.crop_names import leads_outside
from imdb_wiki.preparation.crops import MISSING_FILE, UNREADABLE_IMAGE
from imdb_wiki.preparation.settings import Settings

REPEATED_ROW, CONTRADICTING_DUPLICATE = "repeated_row", "contradicting_duplicate"

# A rule's function gets the rows of a `Table` and the settings. It returns which rows are left out,
# `(rows,)`, and the detail that `rejects.csv` gives of them: a text, or `(rows,)` numbers or texts.
TableRule = Callable[[pd.DataFrame, Settings], tuple[pd.Series, pd.Series | str]]
_TABLE_RULES: list[tuple[str, TableRule]] = []


def rule(name: str) -> Callable[[TableRule], TableRule]:
    """Makes a function a rule of this name, after those before it; several may share a name."""

    def add(function: TableRule) -> TableRule:
        _TABLE_RULES.append((name, function))
        return function

    return add


def rule_names() -> list[str]:
    """All rules in the order in which they are applied: the first that applies rejects a row."""
    of_images = (MISSING_FILE, UNREADABLE_IMAGE, FACE_NOT_FOUND, SEVERAL_FACES)
    of_duplicates = (REPEATED_ROW, CONTRADICTING_DUPLICATE)
    return list(dict.fromkeys([*dict(_TABLE_RULES), *of_images, *of_duplicates]))


@rule("bad_name")
def _bad_name(table: pd.DataFrame, settings: Settings):
    return table.get("bad_name", pd.Series(False, table.index)), ""


@rule("not_listed")
def _not_listed(table: pd.DataFrame, settings: Settings):
    """A published split (`--split_file` of all photos) says which ones there are."""
    return table.get("official_split", pd.Series("train", table.index)) == "", ""


@rule("no_face")
def _no_face(table: pd.DataFrame, settings: Settings):
    score = table["face_score"]
    return settings.source.has_face_scores & (score.isna() | (score == -np.inf)), ""


@rule("low_score")
def _low_score(table: pd.DataFrame, settings: Settings):
    return table["face_score"] < settings.min_score, table["face_score"]


@rule("second_face")
def _second_face(table: pd.DataFrame, settings: Settings):
    score = table["second_face_score"]
    return score > -np.inf, score  # False for NaN: no second face


@rule("no_gender")
def _no_gender(table: pd.DataFrame, settings: Settings):
    is_gender, is_missing = table["gender"].isin([FEMALE, MALE]), table["gender"].isna()
    return ~is_gender & ~(is_missing & settings.source.may_lack_labels), table["gender"]


@rule("no_gender")
def _unreadable_gender(table: pd.DataFrame, settings: Settings):
    problem = table.get("gender_problem", pd.Series("", table.index))
    return problem != "", problem


@rule("bad_age")
def _unreadable_age(table: pd.DataFrame, settings: Settings):
    problem = table.get("age_problem", pd.Series("", table.index))
    return problem != "", problem


@rule("bad_age")
def _bad_age(table: pd.DataFrame, settings: Settings):
    ends = with_age_ranges(table)
    low, high = ends["age_low"], ends["age_high"]
    is_missing = low.isna() & high.isna()
    is_age = (low >= MIN_AGE_YEARS) & (low <= high) & (high <= MAX_AGE_YEARS)  # False for NaN
    detail = table["age"]
    if "age_low" in table:
        ends = zip(low, high, strict=True)
        texts = [f"{a:g}" if a == b else f"{a:g}-{b:g}" for a, b in ends]
        detail = pd.Series(texts, table.index, dtype=object)
    return ~is_age & ~(is_missing & settings.source.may_lack_labels), detail


@rule("bad_box")
def _bad_box(table: pd.DataFrame, settings: Settings):
    problem = table.get("box_problem", pd.Series("", table.index))
    return (problem != "") & (settings.faces == "detect"), problem


@rule("no_label")
def _no_label(table: pd.DataFrame, settings: Settings):
    no_age = with_age_ranges(table)["age_low"].isna()
    return no_age & table["gender"].isna(), "neither age nor gender"


@rule(MISSING_FILE)
def _no_path(table: pd.DataFrame, settings: Settings):
    return table["source"] == "", "the path is empty"


@rule(MISSING_FILE)
def _path_outside(table: pd.DataFrame, settings: Settings):
    return leads_outside(table["source"]), "the path leads out of the photo folder"


def first_broken_rule(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Applies the rules that need no image, to all rows at once.

    Args:
        table: the rows of a `Table`.
        settings: the preparation's.

    Returns:
        One row for each row of the table: `rule`, the first rule that rejects it ("" if it is
        kept), and `detail`, the value that made the rule apply.
    """
    names, details = [], []
    asked = np.empty((len(_TABLE_RULES), len(table)), dtype=bool)  # (rules, rows)
    for number, (name, function) in enumerate(_TABLE_RULES):
        asked[number], detail = function(table, settings)
        names.append(name)
        details.append(detail)
    first = np.where(asked.any(axis=0), asked.argmax(axis=0), len(names))  # (rows,)
    rule = np.array([*names, ""], dtype=object)[first]
    detail = np.full(len(table), "", dtype=object)
    for number, values in enumerate(details):
        rows = first == number
        if isinstance(values, str):
            detail[rows] = values
            continue
        codes, different = pd.factorize(values[rows], use_na_sentinel=False)
        texts = [value if isinstance(value, str) else f"{value:g}" for value in different]
        detail[rows] = np.array(texts, dtype=object)[codes]
    return pd.DataFrame({"rule": rule, "detail": detail}, index=table.index, dtype=str)


def repeated_rows(table: pd.DataFrame) -> pd.Series:
    """Finds rows that repeat an earlier row: same photo, same labels.

    Of the rows with the same `source`, age and gender the first is kept. Rows with the same photo
    but other labels are not found here: they are identical files, and the rule
    `contradicting_duplicate` rejects them.

    Returns:
        `(rows,)` whether the row repeats an earlier one.
    """
    passed = table["rule"] == ""
    labels = ["source", "gender", "age_low", "age_high"]
    return passed & with_age_ranges(table[passed]).duplicated(labels).reindex(
        table.index, fill_value=False
    )
