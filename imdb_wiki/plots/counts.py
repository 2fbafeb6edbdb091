"""Figures of counts: ages, genders, and what became of the rows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS, MIN_AGE_YEARS, with_age_ranges
from imdb_wiki.plots.style import (
    GENDER_COLOURS,
    GREEN,
    GREY,
    PAGE_INCHES,
    face_count,
    legend_outside,
    numbers_beside,
    styled,
    whole_numbers,
)


@styled
def age_histogram(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the ages of each split, the genders stacked.

    Args:
        frames: Rows of `pipeline.read_split` by the split's name.

    Returns:
        One panel a split, in bins of five years. The share of a face whose age is a range is spread
        evenly over it; faces without an age are left out.
    """
    figure = Figure(figsize=(min(PAGE_INCHES, 4 * len(frames)), 3.2), layout="constrained")
    draw_ages(figure, frames)
    return figure


def draw_ages(figure: Figure | SubFigure, frames: Mapping[str, pd.DataFrame]) -> None:
    """Draws what `age_histogram` shows into a figure or a part of one."""
    panels = figure.subplots(1, len(frames), squeeze=False)[0]
    for axes, (split, frame) in zip(panels, frames.items(), strict=True):
        ages = _years_of(frame)
        genders = [ages[ages["gender"] == code] for code in range(len(GENDER_NAMES))]
        unlabelled = ages[ages["gender"].isna()]
        parts = [*genders, unlabelled] if len(unlabelled) else genders
        axes.hist(
            [part["year"] for part in parts],
            weights=[part["share"] for part in parts],
            bins=np.arange(MIN_AGE_YEARS, MAX_AGE_YEARS + 1, 5),  # 100 is in the last, as 95 is
            stacked=True,
            color=[*GENDER_COLOURS.values(), GREY][: len(parts)],
            label=[*GENDER_NAMES, "no gender label"][: len(parts)],
            rwidth=0.9,
        )
        axes.set_title(f"{split}: {face_count(frame)}")
        mean = np.average(ages["year"], weights=ages["share"]) if len(ages) else np.nan
        axes.set_xlabel(f"age in years, mean {mean:.1f}" if len(ages) else "age")
        axes.grid(visible=False, axis="x")
        axes.set_xlim(MIN_AGE_YEARS, MAX_AGE_YEARS)
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))
        whole_numbers(axes.yaxis)
    panels[0].set_ylabel("faces")
    legend_outside(figure, *panels)


def _years_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The years of each known age, with `gender` and the face's `share` in the year."""
    rows = with_age_ranges(frame)[["age_low", "age_high", "gender"]].dropna(subset="age_low")
    count = (rows["age_high"] - rows["age_low"] + 1).astype(int)
    rows = rows.assign(share=1 / count).loc[rows.index.repeat(count)]
    return rows.assign(year=rows["age_low"] + rows.groupby(level=0).cumcount())


@styled
def gender_balance(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws each split's share of the genders.

    Args:
        frames: Rows of `pipeline.read_split` by the split's name.

    Returns:
        One bar a split, between the counts.
    """
    figure = Figure(figsize=(8, 0.6 + 0.4 * len(frames)), layout="constrained")
    axes = figure.subplots()
    labels = []
    for row, frame in enumerate(frames.values()):
        counts = np.array([(frame["gender"] == code).sum() for code in range(len(GENDER_NAMES))])
        shares = counts / max(1, counts.sum())
        axes.barh(row, shares, left=[0, shares[0]], color=GENDER_COLOURS.values(), height=0.7)
        parts = zip(GENDER_NAMES, counts, shares, strict=True)
        labels.append([f"{name} {count:,} ({share:.1%})" for name, count, share in parts])
    female, male = zip(*labels, strict=True)
    places = range(len(frames))
    axes.set_yticks(places, [f"{n}:  {text}" for n, text in zip(frames, female, strict=True)])
    axes.set(xlim=(0, 1), xticks=[])
    axes.invert_yaxis()  # train on top
    numbers_beside(axes, places, male)
    axes.axvline(0.5, color="white", lw=1)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title("gender in each split")
    return figure


@styled
def rows_by_rule(rejected: Mapping[str, int], kept: int) -> Figure:
    """Draws how many rows each rule rejected, and how many are kept.

    Args:
        rejected: Rows by the name of the rule, as in `report.json` or counted in `rejects.csv`;
            rules without any are left out.
        kept: Rows in all splits together.

    Returns:
        One bar a rule and one for what is kept.
    """
    rows = 1 + sum(count > 0 for count in rejected.values())
    figure = Figure(figsize=(8, 0.5 + 0.3 * rows), layout="constrained")
    draw_rules(figure, rejected, kept)
    return figure


def draw_rules(figure: Figure | SubFigure, rejected: Mapping[str, int], kept: int) -> None:
    """Draws what `rows_by_rule` shows into a figure or a part of one."""
    counts = {rule: count for rule, count in rejected.items() if count} | {"kept": kept}
    total = max(1, sum(counts.values()))
    axes = figure.subplots()
    colours = [GREY] * (len(counts) - 1) + [GREEN]
    axes.barh(range(len(counts)), list(counts.values()), color=colours, height=0.7)
    axes.set_yticks(range(len(counts)), counts)
    axes.invert_yaxis()
    numbers_beside(axes, range(len(counts)), [f"{n:,} ({n / total:.1%})" for n in counts.values()])
    axes.set(xlim=(0, max(1, *counts.values(), 1)), xticks=[])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    axes.set_title(f"what became of {sum(counts.values()):,} rows")
