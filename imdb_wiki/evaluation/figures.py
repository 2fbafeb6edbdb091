"""The pictures of an evaluation; each function returns a Figure and shows nothing by itself."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.stats import binomtest

from imdb_wiki.evaluation.bins import bin_names, bins_of, nearest_bins, ranges_in
from imdb_wiki.evaluation.error_figure import error_by_group
from imdb_wiki.evaluation.metrics import (
    CALIBRATION_BINS,
    CS_YEARS,
    calibration_error,
    cumulative_score,
    reliability,
)
from imdb_wiki.labels import (
    GENDER_NAMES,
    MAX_AGE_YEARS,
    MIN_AGE_YEARS,
    age_errors_years,
    with_age_ranges,
)
from imdb_wiki.plots.faces import age_text, draw_faces
from imdb_wiki.plots.style import (
    BLUE,
    FACE_INCHES,
    FACES_A_ROW,
    GREY,
    INK,
    VERMILION,
    face_count,
    legend_outside,
    styled,
    whole_numbers,
)

CURVE_YEARS = 20  # how far the cumulative curve is drawn; beyond it every network is flat
MEDIAN_FACES = 5  # a decade of fewer gets no median: it would be one of these faces
# From one face to many. One face stands out from white, unlike in matplotlib's own "Blues".
COUNT_COLOURS = LinearSegmentedColormap.from_list("counts", ["#5A9BCB", "#0B4F8A", "#0A0F2C"])


FIGURE_NAMES = (  # of their files, in the order in which they are shown
    *("predicted_against_true", "age_ranges", "error_by_group", "cumulative_score"),
    *("reliability", "best_and_worst_faces", "gender_confusion"),
)


def all_figures(table: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Draws every picture of an evaluation for which there are labels and answers.

    Args:
        table: Of `evaluation.predictions_table`.
        tables: Of `groups.by_group`.

    Returns:
        Figures by the name of their file.
    """
    has_ages = "predicted_age_years" in table and table["age"].notna().any()
    has_ranges = "predicted_age_years" in table and len(ranges_in(table)) > 0
    has_genders = "predicted_gender" in table and table["gender"].notna().any()
    figures = {
        "error_by_group": error_by_group(tables),
        "best_and_worst_faces": best_and_worst_faces(table),
    }
    if has_ages:
        figures["predicted_against_true"] = predicted_against_true(table)
        figures["cumulative_score"] = cumulative_curve(table)
    if has_ranges:
        figures["age_ranges"] = answered_ranges(table)
    if has_genders:
        figures["reliability"] = reliability_diagram(table)
        figures["gender_confusion"] = gender_confusion(table)
    return {name: figures[name] for name in FIGURE_NAMES if name in figures}


@styled
def predicted_against_true(table: pd.DataFrame) -> Figure:
    """Draws predicted against true ages as a density.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        Counts in cells of two by two years, the diagonal, and the median answer of each decade
        that has some faces.
    """
    table = table[table["age"].notna()]
    figure = Figure(figsize=(6.4, 5.8), layout="compressed")
    axes = figure.subplots()
    limit = (MIN_AGE_YEARS, MAX_AGE_YEARS + 2)
    bins = np.arange(limit[0], limit[1] + 1, 2)
    answers = table["predicted_age_years"].clip(*limit)
    counts, *_ = np.histogram2d(table["age"], answers, bins=[bins, bins])
    cells = axes.pcolormesh(
        bins, bins, np.ma.masked_equal(counts.T, 0), cmap=COUNT_COLOURS,
        norm=LogNorm(1, max(2, counts.max())),
    )  # fmt: skip
    ticks = LogLocator(subs=(1, 2, 5))
    bar = figure.colorbar(cells, ax=axes, label="faces", shrink=0.8, ticks=ticks, format="{x:,.0f}")
    bar.minorticks_off()
    axes.plot(limit, limit, color=GREY, lw=1, label="predicted = true")
    decades = table.groupby(table["age"] // 10)[["age", "predicted_age_years"]]
    centres = decades.agg(age=("age", "mean"), answer=("predicted_age_years", "median"))
    centres = centres[decades.size() >= MEDIAN_FACES]
    if len(centres):
        label = f"median by decade (of {MEDIAN_FACES} faces or more)"
        axes.plot(centres["age"], centres["answer"], "o-", color=VERMILION, ms=5, label=label)
    axes.set(xlim=limit, ylim=limit, aspect="equal")
    axes.set_xlabel("true age, years")
    axes.set_ylabel("predicted age, years")
    error = table["age_error_years"].abs().mean()
    axes.set_title(f"{face_count(table)}, mean absolute error {error:.2f} years")
    legend_outside(figure, axes)
    return figure


@styled
def answered_ranges(table: pd.DataFrame) -> Figure:
    """Draws which ranges of ages were answered as which.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        A table of the ranges of all labels: shares of each labelled range, with its count.
    """
    rows = ranges_in(table)
    bins = bins_of(rows)
    labels = bins.get_indexer(pd.MultiIndex.from_frame(rows[["age_low", "age_high"]]))
    answers = nearest_bins(rows["predicted_age_years"].to_numpy(), bins).argmax(axis=1)
    counts = np.zeros((len(bins), len(bins)), dtype=int)  # (labelled, answered)
    np.add.at(counts, (labels, answers), 1)
    totals = counts.sum(axis=1)
    shares = counts / totals[:, np.newaxis]
    side = 1.6 + 0.55 * len(bins)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (label, answer), share in np.ndenumerate(shares):
        if counts[label, answer]:
            colour = "white" if share > 0.6 else INK
            axes.text(answer, label, f"{share:.0%}", ha="center", va="center", color=colour, size=9)
    names = bin_names(bins)
    axes.set_xticks(range(len(bins)), names, rotation=45)
    labelled = zip(names, totals, strict=True)
    axes.set_yticks(range(len(bins)), [f"{name}  ({count:,})" for name, count in labelled])
    axes.set(xlabel="range of the predicted age, years", ylabel="labelled range, years (faces)")
    axes.set_title(f"age ranges of {face_count(rows)}")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


@styled
def cumulative_curve(table: pd.DataFrame) -> Figure:
    """Draws the share of faces whose age error is at most so many years.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        The network's curve, that of always answering the median, and CS@5 marked.
    """
    table = table[table["age"].notna()]
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    years = np.arange(0, CURVE_YEARS + 0.5, 0.5)
    lines = {
        "the network": (table["predicted_age_years"], BLUE, "-"),
        "always these faces' median": (table["age"].median(), VERMILION, "--"),
    }
    for label, (answers, colour, style) in lines.items():
        shares = [cumulative_score(table["age"], answers, limit) for limit in years]
        axes.plot(years, shares, style, color=colour, label=label)
    at_five = cumulative_score(table["age"], table["predicted_age_years"])
    axes.plot([CS_YEARS, CS_YEARS, 0], [0, at_five, at_five], ":", color=GREY)
    axes.plot(CS_YEARS, at_five, "o", color=BLUE, clip_on=False)
    axes.set(xlim=(0, CURVE_YEARS), ylim=(0, 1.02))
    axes.set_xlabel("largest error, years")
    axes.set_ylabel("share of faces")
    axes.set_xticks(range(0, CURVE_YEARS + 1, 5))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(f"{at_five:.1%} of {face_count(table)} within {CS_YEARS} years")
    legend_outside(figure, axes)
    return figure


@styled
def reliability_diagram(table: pd.DataFrame) -> Figure:
    """Draws how often gender answers are right against how sure they were.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        The share of right answers in bins of the answered probability, each with a 95% interval
        (Wilson's, for a share of so many faces); below, how many faces are in each bin.
    """
    table = table[table["gender"].notna()]
    probabilities = table[["female_probability", "male_probability"]].to_numpy()
    genders = table["gender"].to_numpy(int)
    bins = reliability(genders, probabilities)
    error = calibration_error(genders, probabilities)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0.5, 1], [0.5, 1], color=GREY, lw=1, label="perfectly calibrated")
    ends = np.array(
        [
            binomtest(round(share * count), count).proportion_ci(method="wilson")
            for share, count in zip(bins["accuracy"], bins["count"], strict=True)
        ]
    ).T  # (2, bins)
    reach = np.abs(ends - bins["accuracy"].to_numpy())
    upper.errorbar(
        bins["confidence"], bins["accuracy"], yerr=reach, fmt="o", color=BLUE, ecolor=INK,
        elinewidth=1, label="these faces, 95% interval",
    )  # fmt: skip
    upper.set_ylim(min(0.48, float(ends.min()) - 0.02), 1.02)
    upper.yaxis.set_major_formatter("{x:.0%}")
    upper.set_ylabel("share of right answers")
    upper.set_title(f"gender of {face_count(table)}: calibration error {error:.3f}")
    width = 0.5 / CALIBRATION_BINS
    bars = lower.bar(0.5 + width * (bins.index + 0.5), bins["count"], width=0.8 * width, color=GREY)
    lower.bar_label(bars, fmt="{:,.0f}", size=9, padding=2)
    lower.set(xlim=(0.49, 1.01), ylim=(0, 1.35 * bins["count"].max()))  # room for the numbers
    lower.grid(visible=False, axis="x")
    whole_numbers(lower.yaxis)
    lower.yaxis.get_major_locator().set_params(nbins=3)
    lower.xaxis.set_major_formatter("{x:.0%}")
    lower.set_xlabel("probability of the answered gender")
    lower.set_ylabel("faces")
    legend_outside(figure, upper)
    return figure


@styled
def best_and_worst_faces(table: pd.DataFrame, count: int = FACES_A_ROW) -> Figure:
    """Shows the faces with the smallest and the largest age errors; wrong labels are among these.

    Args:
        table: Of `evaluation.predictions_table`.
        count: Faces of each kind.

    Returns:
        Three rows: best ages, worst ages, surest wrong genders, of those that are labelled and
        predicted. Of an age that is a range, the error is the distance from it.
    """
    count = min(count, len(table))
    rows = {}
    if "predicted_age_years" in table:
        by_error = _by_age_error(table)
        rows["closest ages (label → predicted)"] = (by_error[:count], _age_caption, 1)
        rows["farthest ages (label → predicted)"] = (by_error[::-1][:count], _age_caption, 1)
    if "predicted_gender" in table:
        wrong = _by_sureness_of_wrong_gender(table)[:count]
        rows["surest wrong genders (label → predicted)"] = (wrong, _gender_caption, 2)
    columns = max(count, 4)  # else the rows' titles do not fit
    heights = [
        0.25 + (FACE_INCHES + 0.2 * lines if len(faces) else 0) for faces, _, lines in rows.values()
    ]
    figure = Figure(figsize=(FACE_INCHES * columns, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)
    for part, (title, (faces, caption, _)) in zip(parts.flat, rows.items(), strict=True):
        part.suptitle(title if len(faces) else f"{title}: none", x=0.01, ha="left")
        if faces.empty:
            continue
        captions = [caption(face) for face in faces.itertuples()]
        draw_faces(figure, part.subplots(1, columns, squeeze=False), faces["path"], captions)
    return figure


def _by_age_error(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with an age or a range, those with the smallest errors first."""
    table = with_age_ranges(table)
    table = table[table["age_low"].notna()]
    answers = table["predicted_age_years"]
    errors = age_errors_years(answers, table["age_low"], table["age_high"])
    return table.iloc[errors.argsort(kind="stable")]


def _by_sureness_of_wrong_gender(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a gender that was answered wrongly, the surest answers first."""
    wrong = table[table["gender"].notna() & (table["predicted_gender"] != table["gender"])]
    true_probability = np.where(
        wrong["gender"] == 0, wrong["female_probability"], wrong["male_probability"]
    )
    return wrong.iloc[true_probability.argsort(kind="stable")]


def _age_caption(face) -> str:
    return f"{age_text(face.age_low, face.age_high)} → {face.predicted_age_years:.0f}"


def _gender_caption(face) -> str:
    sure = max(face.female_probability, face.male_probability)
    label, answer = (GENDER_NAMES[int(code)] for code in (face.gender, face.predicted_gender))
    return f"{label} → {answer}\n{sure:.0%} sure"


@styled
def gender_confusion(table: pd.DataFrame) -> Figure:
    """Draws how often each gender was answered as which.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        A 2×2 table: shares of the true gender, with counts.
    """
    table = table[table["gender"].notna()]
    counts = np.zeros((2, 2), dtype=int)  # (true, predicted)
    np.add.at(counts, (table["gender"].astype(int), table["predicted_gender"]), 1)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals[:, np.newaxis], 1)
    figure = Figure(figsize=(4.4, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (true, predicted), share in np.ndenumerate(shares):
        text = f"{share:.1%}\n{counts[true, predicted]:,}" if totals[true] else "–\n0"
        axes.text(
            predicted, true, text, ha="center", va="center",
            color="white" if share > 0.6 else INK, fontsize=12,
        )  # fmt: skip
    axes.set_xticks(range(2), GENDER_NAMES)
    axes.set_yticks(range(2), GENDER_NAMES)
    axes.set(xlabel="predicted", ylabel="label")
    axes.set_title(f"gender of {face_count(table)}")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure
