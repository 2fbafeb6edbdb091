"""The pictures of data and training; each function returns a Figure and shows nothing by itself."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS, MIN_AGE_YEARS

# Okabe and Ito's colours, which the colour-blind tell apart: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, GREY, PALE = "#262626", "#7F7F7F", "#E4E4E4"
GENDER_COLOURS = dict(zip(GENDER_NAMES, (ORANGE, BLUE), strict=True))
TEXT_ON = dict(zip(GENDER_NAMES, (INK, "white"), strict=True))

STYLE = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "font.size": 10,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "savefig.facecolor": "white",
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
styled = matplotlib.rc_context(STYLE)  # as a decorator it leaves matplotlib's settings alone


def save(figure: Figure, path: str | PathLike, dpi: int = 120) -> None:
    """Writes a figure to a file, making its folder.

    Args:
        figure: Any figure of this module.
        path: Where to; the ending chooses the format.
        dpi: Pixels an inch.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)


def read_image(path: str | PathLike) -> np.ndarray:
    """Reads an image as uint8 (height, width, 3), RGB.

    Raises:
        ValueError: The file is missing or no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"not a readable image: {path}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@styled
def face_grid(frame: pd.DataFrame, rows: int = 3, columns: int = 8, seed: int = 0) -> Figure:
    """Shows faces drawn at random, with their labels.

    Args:
        frame: Rows of `pipeline.read_split`.
        rows: Rows of faces.
        columns: Faces a row.
        seed: Seed of the draw.

    Returns:
        The figure; fewer faces if the frame has fewer.
    """
    chosen = frame.sample(min(rows * columns, len(frame)), random_state=seed)
    captions = [
        f"{age} · {GENDER_NAMES[gender]}"
        for age, gender in zip(chosen["age"], chosen["gender"], strict=True)
    ]
    figure = Figure(figsize=(1.3 * columns, 1.55 * rows), layout="constrained")
    draw_faces(figure.subplots(rows, columns, squeeze=False), chosen["path"], captions)
    return figure


def draw_faces(grid: np.ndarray, paths, captions) -> None:
    """Draws images into a grid of axes (rows, columns), each under its caption."""
    for axes in grid.flat:
        axes.axis("off")
    for axes, path, caption in zip(grid.flat, paths, captions, strict=False):
        axes.imshow(read_image(path))
        axes.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=3)


@styled
def age_histogram(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the ages of each split, the genders stacked.

    Args:
        frames: Rows of `pipeline.read_split` by the split's name.

    Returns:
        One panel a split, in bins of five years.
    """
    figure = Figure(figsize=(4 * len(frames), 3.2), layout="constrained")
    panels = figure.subplots(1, len(frames), squeeze=False)[0]
    bins = np.arange(MIN_AGE_YEARS, MAX_AGE_YEARS + 10, 5)
    for axes, (split, frame) in zip(panels, frames.items(), strict=True):
        axes.hist(
            [frame["age"][frame["gender"] == code] for code in range(len(GENDER_NAMES))],
            bins=bins,
            stacked=True,
            color=list(GENDER_COLOURS.values()),
            label=GENDER_NAMES,
            rwidth=0.9,
        )
        axes.set_title(f"{split}: {len(frame):,} faces, mean {frame['age'].mean():.1f} years")
        axes.set_xlabel("age in years")
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_formatter("{x:,.0f}")
    panels[0].set_ylabel("faces")
    panels[-1].legend(loc="upper right")
    return figure


@styled
def gender_balance(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws each split's share of the genders.

    Args:
        frames: Rows of `pipeline.read_split` by the split's name.

    Returns:
        One bar a split, with counts.
    """
    figure = Figure(figsize=(7, 0.8 + 0.45 * len(frames)), layout="constrained")
    axes = figure.subplots()
    for split, frame in frames.items():
        left = 0.0
        for code, name in enumerate(GENDER_NAMES):
            count = int((frame["gender"] == code).sum())
            share = count / len(frame)
            bar = axes.barh(split, share, left=left, color=GENDER_COLOURS[name], height=0.7)
            text = f"{name} {count:,} ({share:.0%})"
            axes.bar_label(bar, [text], label_type="center", size=9, color=TEXT_ON[name])
            left += share
    axes.invert_yaxis()  # train on top
    axes.set_axis_off()
    for row, split in enumerate(frames):
        axes.text(-0.01, row, split, ha="right", va="center")
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
    rejected = {rule: count for rule, count in rejected.items() if count}
    names = [*rejected, "kept"]
    counts = [*rejected.values(), kept]
    figure = Figure(figsize=(7, 0.9 + 0.33 * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, counts, color=[GREY] * len(rejected) + [GREEN], height=0.7)
    total = sum(counts)
    axes.bar_label(bars, [f"{n:,} ({n / total:.1%})" for n in counts], padding=4, size=9)
    axes.invert_yaxis()
    axes.margins(x=0.18)  # room for the numbers
    axes.set_xlabel("rows")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_title(f"what became of {total:,} rows")
    axes.grid(visible=False, axis="y")
    return figure


@styled
def training_curves(history: pd.DataFrame, median_age_mae_years: float | None = None) -> Figure:
    """Draws both heads' measures by epoch, training and validation.

    Args:
        history: One row an epoch, as `training.train` returns it or `history.csv` holds it.
        median_age_mae_years: Error of always answering the training median, as a line to beat.

    Returns:
        Three panels: age error, gender cross-entropy, gender accuracy.
    """
    epochs = np.asarray(history["epoch"]) + 1  # people count from 1
    best = int(np.argmin(history["val_loss"]))
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    panels = {
        "age_years_mae": "age: mean absolute error, years",
        "gender_cross_entropy": "gender: cross-entropy",
        "gender_accuracy": "gender: accuracy",
    }
    for axes, (name, title) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axes.plot(epochs, history[name], color=GREY, marker=".", label="training")
        axes.plot(epochs, history[f"val_{name}"], color=BLUE, marker="o", ms=4, label="validation")
        axes.plot(
            epochs[best], history[f"val_{name}"].iloc[best], "o", ms=10, mfc="none", mec=VERMILION,
            label="best epoch",
        )  # fmt: skip
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if name == "age_years_mae" and median_age_mae_years is not None:
            axes.axhline(median_age_mae_years, color=INK, ls="--", lw=1, label="always the median")
        if name == "age_years_mae":
            axes.set_ylim(bottom=0)
            axes.legend()
    return figure
