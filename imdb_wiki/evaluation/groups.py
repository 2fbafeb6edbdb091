"""Scores by group: age decade, gender, race label, folder."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imdb_wiki.datasets import DATASETS
from imdb_wiki.evaluation.bins import bin_names, bins_of, ranges_in
from imdb_wiki.evaluation.metrics import score
from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS


def groups_of(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Names the group of each row, for every way of grouping that the labels allow.

    Args:
        frame: Rows of `read_split`; a column `folder` tells several prepared folders apart.

    Returns:
        `age_decade` (`20–29`), `gender` (`female`), `gender_and_decade` (`female 20–29`), and
        where there is more to tell `age_range` (labels that are ranges), `race` (the data set's
        label), `race_and_gender` and `folder`. A row without such a label is in no group.
    """
    # Zero-padded or not, text does not sort as numbers do: categories keep the order.
    decades = [f"{year}–{year + 9}" for year in range(0, MAX_AGE_YEARS, 10)] + [str(MAX_AGE_YEARS)]
    decade = (frame["age"] // 10).map(dict(enumerate(decades)))
    gender = frame["gender"].map(dict(enumerate(GENDER_NAMES)))
    groups = {
        "age_decade": _in_order(decade, decades),
        "gender": _in_order(gender, GENDER_NAMES),
        "gender_and_decade": _pairs(gender, GENDER_NAMES, decade, decades),
    }
    ranges = ranges_in(frame)
    if len(ranges):
        names = pd.Series(bin_names(pd.MultiIndex.from_frame(ranges[["age_low", "age_high"]])))
        of_rows = pd.Series(names.to_numpy(), ranges.index).reindex(frame.index)
        groups["age_range"] = _in_order(of_rows, bin_names(bins_of(frame)))
    race, races = _races_of(frame)
    if race.notna().any():
        groups["race"] = _in_order(race, races)
        groups["race_and_gender"] = _pairs(race, races, gender, GENDER_NAMES)
    if "folder" in frame and frame["folder"].nunique() > 1:
        groups["folder"] = pd.Series(pd.Categorical(frame["folder"]))
    return groups


def _in_order(values: pd.Series, names: Sequence[str]) -> pd.Series:
    return pd.Series(pd.Categorical(values, names))


def _pairs(
    first: pd.Series, first_names: Sequence[str], second: pd.Series, second_names: Sequence[str]
) -> pd.Series:
    """The groups of two labels together: `female 20–29`."""
    names = [f"{one} {other}" for one in first_names for other in second_names]
    return _in_order(first + " " + second, names)


def _races_of(frame: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Each row's race label, NaN where it has none, and the names in the order to show them."""
    names: list[str] = []
    race = pd.Series(np.nan, frame.index, dtype=object)
    if "race" in frame:
        race = frame["race"].astype(object).where(frame["race"].notna() & (frame["race"] != ""))
    for dataset in DATASETS.values():
        if dataset.race_of and "source" in frame:  # an older folder has no column of it
            race = race.fillna(dataset.race_of(frame["source"]))
        names += dataset.race_names
    there = {str(name) for name in race.dropna()}
    names += sorted(there - set(names))  # of own photos
    return race, [name for name in dict.fromkeys(names) if name in there]  # each once


def by_group(
    frame: pd.DataFrame,
    predictions: dict,
    train_frame: pd.DataFrame,
    interval_constants: dict | None = None,
) -> dict[str, pd.DataFrame]:
    """Scores each group apart: by age decade or range, gender, both, and race where labelled.

    Args:
        frame: Rows of `read_split` that were predicted.
        predictions: Of `evaluation.predict`, for the same rows.
        train_frame: Rows of the training split.
        interval_constants: As for `score`.

    Returns:
        A table for each name of `groups_of`: its index names the group, its columns are
        those measures of `score` that differ by group. Empty groups are left out.
    """
    tables = {}
    for name, keys in groups_of(frame).items():
        rows = {}
        for key in keys.cat.categories:
            chosen = (keys == key).to_numpy()
            if not chosen.any():
                continue
            part = {output: values[chosen] for output, values in predictions.items()}
            scores = score(frame[chosen], part, train_frame, interval_constants, frame)
            rows[key] = {k: v for k, v in scores.items() if not k.startswith("train_")}
        if rows:
            tables[name] = pd.DataFrame.from_dict(rows, orient="index").rename_axis(name)
    return tables
