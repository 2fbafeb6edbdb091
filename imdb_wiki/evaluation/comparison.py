"""Two networks' answers for the same faces, compared face by face."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from imdb_wiki.evaluation.metrics import bootstrap_interval, people_of
from imdb_wiki.labels import age_errors_years, with_age_ranges

MEASURES = {  # name: title, how the numbers are written, how the difference is
    "age_error_years": ("age error", "{:.2f} years", "{:+.2f}"),
    "gender_accuracy": ("gender right", "{:.1%}", "{:+.1%}"),
}


class Change(NamedTuple):
    """How a measure of the same faces has changed, with the 95% interval of the difference."""

    before: float
    after: float
    low: float
    high: float


def changes(frame: pd.DataFrame, before: dict, after: dict) -> dict[str, Change]:
    """Compares two networks' answers face by face.

    Args:
        frame: Rows of `read_split`.
        before: Of `predict`, for these rows.
        after: Of another network.

    Returns:
        `age_error_years` (from a range, the distance) and `gender_accuracy`, where there are labels
        and both networks answer.
    """
    frame = with_age_ranges(frame)
    people = people_of(frame)
    found = {}
    has_age, has_gender = frame["age_low"].notna().to_numpy(), frame["gender"].notna().to_numpy()
    low, high = frame["age_low"].to_numpy(), frame["age_high"].to_numpy()

    def age_errors(answers: dict) -> np.ndarray:
        return age_errors_years(answers["age_years"], low, high)[has_age]

    def hits(answers: dict) -> np.ndarray:
        return (answers["gender"].argmax(axis=1) == frame["gender"].to_numpy())[has_gender]

    for name, output, measure, has in (
        ("age_error_years", "age_years", age_errors, has_age),
        ("gender_accuracy", "gender", hits, has_gender),
    ):
        if has.any() and output in before and output in after:
            values = [measure(answers).astype("float64") for answers in (before, after)]
            low_end, high_end = bootstrap_interval(values[1] - values[0], people[has])
            means = [float(value.mean()) for value in values]
            found[name] = Change(means[0], means[1], low_end, high_end)
    return found


def change_table(found: dict[str, Change], before: str, after: str) -> pd.DataFrame:
    """Changes as a person reads them: a row a measure.

    Args:
        found: Of `changes`.
        before: What the first network is called.
        after: What the second one is called.
    """
    rows = {}
    for name, change in found.items():
        title, form, difference = MEASURES[name]
        ends = " to ".join(difference.format(end) for end in (change.low, change.high))
        rows[title] = {
            before: form.format(change.before),
            after: form.format(change.after),
            "difference": difference.format(change.after - change.before),
            "its 95% interval": ends,
        }
    return pd.DataFrame.from_dict(rows, orient="index")
