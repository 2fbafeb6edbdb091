"""The picture of errors by group: one row a group, so that any name and any number of them fits."""

import os.path
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from imdb_wiki.plots.style import (
    BLUE,
    INK,
    PAGE_INCHES,
    PALE,
    VERMILION,
    legend_outside,
    numbers_beside,
    styled,
)

ROW_INCHES = 0.2
LABEL_LETTERS = 40  # longer ones, of folders, go on in the next line
_CONSTANT_ANSWERS = "always the median or the most frequent label"
_PANELS = {  # measure: the constant answer's, how numbers are written, title
    "age_mae_years": ("median_age_mae_years", "{:.1f}", "mean age error, years"),
    "age_bin_accuracy": ("majority_bin_accuracy", "{:.0%}", "age in its range"),
    "gender_accuracy": ("majority_accuracy", "{:.0%}", "gender accuracy"),
}


@styled
def error_by_group(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws age errors, hits of age ranges and gender accuracy of each group, beside constants'.

    Args:
        tables: Of `groups.by_group`.

    Returns:
        One row a group, with its count; a panel for each measure that there is, with 95% intervals
        where a group has one.
    """
    headings, labels, places = {}, [], []
    down = 0.0  # in rows, from the top
    for name, table in tables.items():
        headings["by " + name.replace("_", " ")] = down
        for group, count in zip(_without_shared_path(table.index), table["count"], strict=True):
            lines = textwrap.wrap(f"{group}  ({count:,})", LABEL_LETTERS)
            half = max(1.0, 0.8 * len(lines)) / 2
            down += half
            places.append(down + 0.5)
            labels.append("\n".join(lines))
            down += half
        down += 1.5
    table, places = pd.concat(tables.values()), np.array(places)
    measures = [measure for measure in _PANELS if measure in table]
    figure = Figure(figsize=(PAGE_INCHES, 1.2 + ROW_INCHES * down), layout="constrained")
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        baseline, digits, title = _PANELS[measure]
        _draw_measure(axes, table, places, measure, baseline, digits)
        axes.set_title(title)
        if "%" in digits:
            axes.set_xlim(-0.02, 1.02)
            axes.xaxis.set_major_formatter("{x:.0%}")
        else:
            highest = axes.get_xlim()[1]
            axes.set_xlim(-0.02 * highest, 1.02 * highest)  # so that no mark is cut
        axes.tick_params(labelleft=False)
    left = panels[0]
    left.tick_params(labelleft=True)
    left.set_yticks(places, labels)
    for heading, place in headings.items():
        left.text(
            -0.02, place, heading, ha="right", va="center", fontweight="bold",
            transform=left.get_yaxis_transform(),
        )  # fmt: skip
    left.set_ylim(down - 0.9, -0.8)  # downwards
    legend_outside(figure, *panels, where="upper")
    return figure


def _draw_measure(
    axes: Axes, table: pd.DataFrame, places: np.ndarray, measure: str, baseline: str, digits: str
) -> None:
    has = table[measure].notna().to_numpy()  # a group may lack labels for a measure
    table, places = table[has], places[has]
    middle = table[measure].to_numpy("float64")
    ends = table[[f"{measure}_low", f"{measure}_high"]].to_numpy("float64").T  # (2, groups)
    known = ends[1] > ends[0]  # not where both are NaN, for one person, or no face differs
    reach = np.clip([middle - ends[0], ends[1] - middle], 0, None)[:, known]
    mark = {"fmt": "o", "ms": 5, "color": BLUE, "mec": BLUE}
    axes.plot(
        table[baseline], places, "|", color=VERMILION, ms=11, mew=2.5,
        label=_CONSTANT_ANSWERS,
    )  # fmt: skip
    axes.errorbar(
        middle[known], places[known], xerr=reach, ecolor=INK, elinewidth=1, capsize=2,
        label="the network, 95% interval", **mark,
    )  # fmt: skip
    if not known.all():
        axes.errorbar(
            middle[~known], places[~known], mfc="white", **mark,
            label="no interval: one person or all equal",
        )  # fmt: skip
    numbers_beside(axes, places, [digits.format(value) for value in middle])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.spines["left"].set_color(PALE)


def _without_shared_path(names: Iterable[str]) -> list[str]:
    """Names of groups; those of folders without the path that all of them share."""
    paths = [Path(name) for name in names]
    if len({path.is_absolute() for path in paths}) == 1:
        shared = os.path.commonpath([path.parent for path in paths])
        paths = [path.relative_to(shared) for path in paths]
    return [str(path) for path in paths]
