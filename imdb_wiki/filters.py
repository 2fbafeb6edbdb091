"""The named rules: which rows are left out, and which rule is the first that applies."""

import numpy as np
import pandas as pd

from imdb_wiki.labels import FEMALE, MALE, MAX_AGE_YEARS, MIN_AGE_YEARS

# In the order in which they are applied; a row is rejected by the first rule that applies to it.
TABLE_RULES = ("bad_name", "no_face", "low_score", "second_face", "no_gender", "bad_age")
IMAGE_RULES = ("missing_file", "unreadable_image")
DUPLICATE_RULES = ("repeated_row", "contradicting_duplicate")
RULES = (*TABLE_RULES, *IMAGE_RULES, *DUPLICATE_RULES)


def first_broken_rule(table: pd.DataFrame, min_score: float) -> pd.DataFrame:
    """Applies the rules that need no image, to all rows at once.

    Rules about scores are used only if the data set has scores (UTKFace has none).

    Args:
        table: as `imdb_wiki.sources` makes it.
        min_score: the lowest face score that is kept.

    Returns:
        One row for each row of the table: `rule`, the first rule that rejects it ("" if it is
        kept), and `detail`, the value that made the rule apply.
    """
    never = pd.Series(False, index=table.index)
    scored = never if "bad_name" in table else ~never
    score, second_score = table["face_score"], table["second_face_score"]
    broken = {
        "bad_name": table.get("bad_name", never),
        "no_face": scored & (score.isna() | (score == -np.inf)),
        "low_score": score < min_score,
        "second_face": second_score > -np.inf,  # False for NaN: no second face
        "no_gender": ~table["gender"].isin([FEMALE, MALE]),
        "bad_age": ~table["age"].between(MIN_AGE_YEARS, MAX_AGE_YEARS),  # NaN is not between
    }
    details = {
        "low_score": score,
        "second_face": second_score,
        "no_gender": table["gender"],
        "bad_age": table["age"],
    }
    asked = np.stack([broken[name].to_numpy(bool) for name in TABLE_RULES])  # (rules, rows)
    first = np.where(asked.any(axis=0), asked.argmax(axis=0), len(TABLE_RULES))  # (rows,)
    rule = np.array([*TABLE_RULES, ""], dtype=object)[first]
    detail = np.full(len(table), "", dtype=object)
    for name, values in details.items():
        rows = rule == name
        codes, different = pd.factorize(values[rows], use_na_sentinel=False)
        detail[rows] = np.array([f"{value:g}" for value in different], dtype=object)[codes]
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
    return passed & table[passed].duplicated(["source", "age", "gender"]).reindex(
        table.index, fill_value=False
    )
