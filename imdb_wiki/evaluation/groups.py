"""Scores by group: age decade, gender, race label, folder."""

import numpy as np
import pandas as pd

from imdb_wiki.datasets import DATASETS
from imdb_wiki.evaluation.metrics import score
from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS


def groups_of(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Names the group of each row, for every way of grouping that the labels allow.

    Args:
        frame: Rows of `read_split`; a column `folder` tells several prepared folders apart.

    Returns:
        `age_decade` (`20–29`), `gender` (`female`), `gender_and_decade` (`female 20–29`), and
        where there is more to tell `race` (UTKFace's label) and `folder`.
    """
    first = frame["age"] // 10 * 10
    decade = first.astype(str) + "–" + (first + 9).astype(str)
    # Zero-padded or not, text does not sort as numbers do: categories keep the order.
    names = [f"{year}–{year + 9}" for year in range(0, MAX_AGE_YEARS, 10)] + [str(MAX_AGE_YEARS)]
    decade = decade.where(first < MAX_AGE_YEARS, str(MAX_AGE_YEARS))
    gender = frame["gender"].map(dict(enumerate(GENDER_NAMES)))
    groups = {
        "age_decade": pd.Series(pd.Categorical(decade, names)),
        "gender": pd.Series(pd.Categorical(gender, GENDER_NAMES)),
        "gender_and_decade": pd.Series(
            pd.Categorical(gender + " " + decade, [f"{g} {d}" for g in GENDER_NAMES for d in names])
        ),
    }
    if "source" in frame:
        groups |= _races_of(frame["source"])
    if "folder" in frame and frame["folder"].nunique() > 1:
        groups["folder"] = pd.Series(pd.Categorical(frame["folder"]))
    return groups


def _races_of(sources: pd.Series) -> dict[str, pd.Series]:
    """The group `race`, if any photo is of a data set that has such a label."""
    names = []
    race = pd.Series(np.nan, sources.index, dtype=object)
    for dataset in DATASETS.values():
        if dataset.race_of:
            race = race.fillna(dataset.race_of(sources))
            names += dataset.race_names
    names = list(dict.fromkeys(names))  # each once
    return {"race": pd.Series(pd.Categorical(race, names))} if race.notna().any() else {}


def by_group(
    frame: pd.DataFrame,
    predictions: dict,
    train_frame: pd.DataFrame,
    interval_constants: dict | None = None,
) -> dict[str, pd.DataFrame]:
    """Scores each group apart: by age decade, gender, both, and race where it is labelled.

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
            scores = score(frame[chosen], part, train_frame, interval_constants)
            rows[key] = {k: v for k, v in scores.items() if not k.startswith("train_")}
        tables[name] = pd.DataFrame.from_dict(rows, orient="index").rename_axis(name)
    return tables
