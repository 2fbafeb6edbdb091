"""Figures of a training."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imdb_wiki.plots.style import (
    BLUE,
    GREY,
    INK,
    PAGE_INCHES,
    VERMILION,
    legend_outside,
    styled,
    whole_numbers,
)


@styled
def training_curves(history: pd.DataFrame, median_age_mae_years: float | None = None) -> Figure:
    """Draws the heads' measures by epoch, training and validation.

    Args:
        history: One row an epoch, as `training.train` returns it or `history.csv` holds it.
        median_age_mae_years: Error of always answering the training median, as a line to beat.

    Returns:
        Three panels: age error, gender cross-entropy, gender accuracy; of a network for one task,
        its own.
    """
    epochs = np.arange(1, len(history) + 1)  # people count from 1
    losses = history["val_loss"].to_numpy("float64")
    few = len(epochs) <= 40  # points that can be told apart
    figure = Figure(figsize=(PAGE_INCHES, 3.4), layout="constrained")
    titles = {
        "age_years_mae": "age: mean absolute error, years",
        "gender_cross_entropy": "gender: cross-entropy",
        "gender_accuracy": "gender: accuracy",
    }
    titles = {name: title for name, title in titles.items() if name in history}
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        marks = {"marker": "o", "ms": 4} if few else {}
        axes.plot(epochs, history[name], color=GREY, label="training", **marks)
        axes.plot(epochs, history[f"val_{name}"], color=BLUE, label="validation", **marks)
        if np.isfinite(losses).any():
            best = int(np.nanargmin(losses))
            axes.plot(
                epochs[best], history[f"val_{name}"].iloc[best], "o", ms=10, mfc="none",
                mec=VERMILION, label="best epoch (lowest val_loss)",
            )  # fmt: skip
        if name == "age_years_mae" and median_age_mae_years is not None:
            axes.axhline(median_age_mae_years, color=INK, ls="--", lw=1, label="always the median")
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_xlim(0.5, len(epochs) + 0.5)
        whole_numbers(axes.xaxis)
        low, high = axes.get_ylim()
        if name == "gender_accuracy":  # a coin is right in half of all cases
            axes.set_ylim(min(0.5, low), 1.02)
            axes.yaxis.set_major_formatter("{x:.0%}")
        else:
            axes.set_ylim(0, 1.05 * high)
    legend_outside(figure, *panels)
    return figure
