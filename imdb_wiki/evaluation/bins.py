"""How good ages are where labels are ranges: whether an answer is in the range, or beside it.

Exact and one-off accuracy are the measures of Adience (Levi and Hassner,
https://doi.org/10.1109/CVPRW.2015.7301352) and of FairFace (https://arxiv.org/abs/1908.04913).
"""

import numpy as np
import pandas as pd

from imdb_wiki.labels import age_errors_years, with_age_ranges


def ranges_in(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of `read_split` whose age is a range."""
    if "age_low" not in frame:
        return frame[:0]
    return frame[frame["age_low"] < frame["age_high"]]


def bin_names(bins: pd.MultiIndex) -> list[str]:
    """Names of ranges by their first and last year: `20–29`."""
    return [f"{low:.0f}–{high:.0f}" for low, high in bins]


def bins_of(*frames: pd.DataFrame) -> pd.MultiIndex:
    """The ranges that occur in rows of `read_split`, by their first and last year, youngest first.

    Each data set has its own: pool only rows of one.
    """
    rows = pd.concat([ranges_in(with_age_ranges(frame)) for frame in frames])
    return pd.MultiIndex.from_frame(rows[["age_low", "age_high"]].drop_duplicates()).sort_values()


def nearest_bins(age_years: np.ndarray, bins: pd.MultiIndex) -> np.ndarray:
    """Which ranges an answer is in; between two ranges, the nearest.

    Args:
        age_years: Answers, (count,); they are rounded, as labels are whole years.
        bins: The ranges, of `bins_of`.

    Returns:
        (count, bins), whether; more than one where ranges overlap or are equally near.
    """
    low, high = (bins.get_level_values(end).to_numpy() for end in (0, 1))
    answers = np.rint(np.asarray(age_years, "float64"))[:, np.newaxis]
    distances = np.maximum(np.maximum(low - answers, answers - high), 0)  # (count, bins)
    return distances == distances.min(axis=1, keepdims=True)


def bin_table(
    frame: pd.DataFrame,
    age_years: np.ndarray,
    train_frame: pd.DataFrame,
    whole_frame: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compares answers with the labels that are ranges, folder by folder.

    Args:
        frame: Rows of `read_split`.
        age_years: An answer for each, (count,).
        train_frame: Rows of the training split; its most frequent range is the constant answer.
        whole_frame: All rows of the split, where `frame` is a group of them; else `frame` is all.

    Returns:
        A row for each label that is a range, by the frame's index: `exact` (the answer is in the
        range), `one_off` (in it or in a neighbour), `error_years` (how far the answer is from the
        range), and the same for the constant answer, `constant_exact` and `constant_one_off`.
    """
    answers = pd.Series(np.asarray(age_years, "float64"), frame.index)
    rows = ranges_in(frame)
    tables = []
    for folder in dict.fromkeys(rows.get("folder", pd.Series("", rows.index))):
        here, trained, whole = (
            part[part["folder"] == folder] if "folder" in part else part
            for part in (rows, train_frame, frame if whole_frame is None else whole_frame)
        )
        # Of the whole split: among the ranges of one group every answer would be in one of those.
        bins = bins_of(whole, trained)
        labels = bins.get_indexer(pd.MultiIndex.from_frame(here[["age_low", "age_high"]]))
        answered = answers[here.index].to_numpy()
        nearest = np.pad(nearest_bins(answered, bins), [(0, 0), (1, 1)])
        of_row = np.arange(len(here))
        exact = nearest[of_row, labels + 1]
        counts = ranges_in(trained)[["age_low", "age_high"]].value_counts()
        constant = bins.get_loc(counts.index[0]) if len(counts) else np.nan
        low, high = here["age_low"].to_numpy(), here["age_high"].to_numpy()
        tables.append(
            pd.DataFrame(
                {
                    "exact": exact,
                    "one_off": exact | nearest[of_row, labels] | nearest[of_row, labels + 2],
                    "error_years": age_errors_years(answered, low, high),
                    "constant_exact": labels == constant,
                    "constant_one_off": np.abs(labels - constant) <= 1,
                },
                here.index,
            )
        )
    return pd.concat(tables).loc[rows.index] if tables else pd.DataFrame(index=rows.index)
