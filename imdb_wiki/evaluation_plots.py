"""The pictures of an evaluation; each function returns a Figure and shows nothing by itself."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS, MIN_AGE_YEARS
from imdb_wiki.metrics import CS_YEARS, calibration_error, cumulative_score, reliability
from imdb_wiki.plots import BLUE, GREY, INK, VERMILION, draw_faces, styled

CURVE_YEARS = 20  # how far the cumulative curve is drawn; beyond it every network is flat


def all_figures(table: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Draws every picture of this module.

    Args:
        table: Of `evaluation.predictions_table`.
        tables: Of `metrics.by_group`.

    Returns:
        Figures by the name of their file.
    """
    simple = {name: part for name, part in tables.items() if name != "gender_and_decade"}
    return {
        "predicted_against_true": predicted_against_true(table),
        "error_by_group": error_by_group(simple),
        "cumulative_score": cumulative_curve(table),
        "reliability": reliability_diagram(table),
        "best_and_worst_faces": best_and_worst_faces(table),
        "gender_confusion": gender_confusion(table),
    }


@styled
def predicted_against_true(table: pd.DataFrame) -> Figure:
    """Draws predicted against true ages as a density.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        Counts in cells of two by two years, the diagonal, and each decade's median answer.
    """
    figure = Figure(figsize=(6.2, 5.4), layout="constrained")
    axes = figure.subplots()
    limit = (MIN_AGE_YEARS, MAX_AGE_YEARS + 2)
    bins = np.arange(limit[0], limit[1] + 1, 2)
    answers = table["predicted_age_years"].clip(*limit)
    *_, cells = axes.hist2d(
        table["age"], answers, bins=[bins, bins], cmin=1, cmap="Blues", norm="log"
    )
    ticks = LogLocator(subs=(1, 2, 5))
    bar = figure.colorbar(cells, ax=axes, label="faces", shrink=0.8, ticks=ticks, format="{x:,.0f}")
    bar.minorticks_off()
    axes.plot(limit, limit, color=INK, lw=1, label="predicted = true")
    medians = table.groupby(table["age"] // 10 * 10)["predicted_age_years"].median()
    axes.plot(
        medians.index + 5, medians, "o-", color=VERMILION, ms=5, lw=1.5, label="median by decade"
    )
    axes.set(xlim=limit, ylim=limit, aspect="equal")
    axes.set_xlabel("true age, years")
    axes.set_ylabel("predicted age, years")
    error = table["age_error_years"].abs().mean()
    axes.set_title(f"{len(table):,} faces, mean absolute error {error:.2f} years")
    axes.legend(loc="upper left")
    return figure


@styled
def error_by_group(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the age error and the gender accuracy of each group beside the constant answers.

    Args:
        tables: Of `metrics.by_group`.

    Returns:
        Two panels for each table, with 95% intervals; groups are named with their counts.
    """
    widths = [len(table) + 1.5 for table in tables.values()]
    figure = Figure(figsize=(max(11, 0.62 * sum(widths)), 6), layout="constrained")
    grid = figure.subplots(2, len(tables), squeeze=False, sharey="row", width_ratios=widths)
    measures = (
        ("age_mae_years", "median_age_mae_years", "mean absolute\nage error, years", "the median"),
        ("gender_accuracy", "majority_accuracy", "gender accuracy", "the majority"),
    )
    for row, (measure, baseline, label, constant) in zip(grid, measures, strict=True):
        for axes, (name, table) in zip(row, tables.items(), strict=True):
            ends = table[[f"{measure}_low", f"{measure}_high"]].to_numpy().T  # (2, groups)
            middle = table[measure].to_numpy()
            reach = np.nan_to_num(np.abs(ends - middle))  # a group of one person has none
            bars = axes.bar(
                table.index, middle, yerr=reach, color=BLUE, width=0.7, label="the network",
                error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2},
            )  # fmt: skip
            digits = "{:.1f}" if measure == "age_mae_years" else "{:.2f}"
            for bar in bars:  # at the foot, where no other mark is
                text, middle = digits.format(bar.get_height()), bar.get_x() + bar.get_width() / 2
                axes.annotate(
                    text, (middle, 0), (0, 3), textcoords="offset points", ha="center",
                    size=8, color="white",
                )  # fmt: skip
            axes.plot(
                table.index, table[baseline], "_", color=VERMILION, ms=16, mew=2,
                label=f"always {constant}",
            )  # fmt: skip
            counts = [f"{i}\n{n:,}" for i, n in zip(table.index, table["count"], strict=True)]
            axes.set_xticks(range(len(table)), counts, fontsize=8.5)
            axes.grid(visible=False, axis="x")
            axes.set_title("by " + name.replace("_", " "))
        row[0].set_ylabel(label)
        row[0].legend(fontsize=8.5, ncols=2, loc="lower left", bbox_to_anchor=(0.35, 1.0))
    return figure


@styled
def cumulative_curve(table: pd.DataFrame) -> Figure:
    """Draws the share of faces whose age error is at most so many years.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        The network's curve, that of always answering the median, and CS@5 marked.
    """
    figure = Figure(figsize=(5.8, 4), layout="constrained")
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
    axes.plot(CS_YEARS, at_five, "o", color=BLUE)
    axes.annotate(
        f"{at_five:.1%} within {CS_YEARS} years", (CS_YEARS, at_five), (8, -12),
        textcoords="offset points",
    )  # fmt: skip
    axes.set(xlim=(0, CURVE_YEARS), ylim=(0, 1))
    axes.set_xlabel("largest error, years")
    axes.set_ylabel("share of faces")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(f"cumulative score of {len(table):,} faces")
    axes.legend(loc="lower right")
    return figure


@styled
def reliability_diagram(table: pd.DataFrame) -> Figure:
    """Draws how often the answered gender is right against how sure the answer was.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        One point a bin, larger where there are more faces, and the diagonal of perfect calibration.
    """
    probabilities = table[["female_probability", "male_probability"]].to_numpy()
    bins = reliability(table["gender"].to_numpy(), probabilities)
    error = calibration_error(table["gender"].to_numpy(), probabilities)
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0.5, 1], [0.5, 1], color=GREY, lw=1, label="perfectly calibrated")
    sizes = 20 + 400 * np.sqrt(bins["count"] / bins["count"].sum())
    axes.scatter(bins["confidence"], bins["accuracy"], s=sizes, color=BLUE, alpha=0.8)
    for row in bins.itertuples():
        axes.annotate(
            f"{row.count:,}", (row.confidence, row.accuracy), (0, -16),
            textcoords="offset points", ha="center", size=8, color=INK,
        )  # fmt: skip
    lowest = min(0.45, float(bins["accuracy"].min()) - 0.08)
    axes.set(xlim=(0.48, 1.02), ylim=(lowest, 1.04))
    axes.set_xlabel("probability of the answered gender")
    axes.set_ylabel("share of right answers")
    axes.set_title(f"calibration error {error:.3f}; faces a bin")
    axes.legend(loc="upper left")
    return figure


@styled
def best_and_worst_faces(table: pd.DataFrame, count: int = 8) -> Figure:
    """Shows the faces whose age was answered best and worst: there the wrong labels are.

    Args:
        table: Of `evaluation.predictions_table`.
        count: Faces of each kind.

    Returns:
        Three rows: best ages, worst ages, surest wrong genders.
    """
    count = min(count, len(table))
    by_error = table.iloc[table["age_error_years"].abs().argsort(kind="stable")]
    surely_wrong = table[table["predicted_gender"] != table["gender"]]
    true_probability = np.where(
        surely_wrong["gender"] == 0,
        surely_wrong["female_probability"],
        surely_wrong["male_probability"],
    )
    surely_wrong = surely_wrong.iloc[true_probability.argsort(kind="stable")]
    rows = {
        "closest ages (true → predicted)": (by_error[:count], _age_caption),
        "farthest ages (true → predicted)": (by_error[::-1][:count], _age_caption),
        "surest wrong genders (label → predicted)": (surely_wrong[:count], _gender_caption),
    }
    figure = Figure(figsize=(1.35 * max(count, 4), 5.8), layout="constrained")
    for part, (title, (faces, caption)) in zip(
        figure.subfigures(len(rows), 1), rows.items(), strict=True
    ):
        part.suptitle(title, x=0.01, ha="left", fontsize=11)
        captions = [caption(face) for face in faces.itertuples()]
        draw_faces(part.subplots(1, max(count, 4), squeeze=False), faces["path"], captions)
    return figure


def _age_caption(face) -> str:
    return f"{face.age} → {face.predicted_age_years:.0f}"


def _gender_caption(face) -> str:
    sure = max(face.female_probability, face.male_probability)
    return f"{GENDER_NAMES[face.gender]} → {GENDER_NAMES[face.predicted_gender]}\n{sure:.0%} sure"


@styled
def gender_confusion(table: pd.DataFrame) -> Figure:
    """Draws how often each gender was answered as which.

    Args:
        table: Of `evaluation.predictions_table`.

    Returns:
        A 2×2 table: shares of the true gender, with counts.
    """
    counts = np.zeros((2, 2), dtype=int)  # (true, predicted)
    np.add.at(counts, (table["gender"], table["predicted_gender"]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.2, 3.8), layout="constrained")
    axes: Axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (true, predicted), share in np.ndenumerate(shares):
        axes.text(
            predicted, true, f"{share:.1%}\n{counts[true, predicted]:,}", ha="center", va="center",
            color="white" if share > 0.6 else INK, fontsize=12,
        )  # fmt: skip
    axes.set_xticks(range(2), GENDER_NAMES)
    axes.set_yticks(range(2), GENDER_NAMES)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"gender of {len(table):,} faces")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure
