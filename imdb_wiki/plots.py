"""The pictures of data and training; each function returns a Figure and shows nothing by itself."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, FigureBase

from imdb_wiki.figure_style import (
    BLUE,
    FACE_INCHES,
    FACES_A_ROW,
    GENDER_COLOURS,
    GREEN,
    GREY,
    INK,
    PAGE_INCHES,
    VERMILION,
    face_count,
    legend_outside,
    numbers_beside,
    styled,
    whole_numbers,
)
from imdb_wiki.figure_style import png_bytes as png_bytes  # also `plots.png_bytes` to the notebook
from imdb_wiki.figure_style import save as save
from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS, MIN_AGE_YEARS


def read_image(path: str | PathLike) -> np.ndarray:
    """Reads an image as uint8 (height, width, 3), RGB.

    Raises:
        ValueError: The file is missing or no image.
    """
    # Not by `cv2.imread`, which crashes at a name that is no UTF-8.
    data = Path(path).read_bytes() if Path(path).is_file() else b""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise ValueError(f"not a readable image: {path}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@styled
def face_grid(
    frame: pd.DataFrame, rows: int = 3, columns: int = FACES_A_ROW, seed: int = 0
) -> Figure:
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
    columns = max(1, min(columns, len(chosen)))
    rows = max(1, -(-len(chosen) // columns))
    figure = Figure(
        figsize=(FACE_INCHES * columns, (FACE_INCHES + 0.2) * rows), layout="constrained"
    )
    draw_faces(figure, figure.subplots(rows, columns, squeeze=False), chosen["path"], captions)
    return figure


@styled
def augmented_faces(
    originals: np.ndarray, versions: np.ndarray, captions: Sequence[str] = ()
) -> Figure:
    """Shows what augmentation makes of faces: each original above some changed versions of it.

    Args:
        originals: (count, height, width, 3) uint8, RGB.
        versions: (rounds, count, height, width, 3) uint8, RGB: each original changed as often.
        captions: A line above each original, such as its age.

    Returns:
        One column an original: it on top, `rounds` changed versions below.

    Raises:
        ValueError: The versions are not versions of these originals.
    """
    originals, versions = np.asarray(originals), np.asarray(versions)
    if versions.ndim != 5 or originals.ndim != 4 or versions.shape[1] != len(originals):
        raise ValueError(f"{versions.shape} is not (rounds, *{originals.shape})")
    count = len(originals)
    side = min(FACE_INCHES, PAGE_INCHES / count)
    figure = Figure(
        figsize=(side * count + 0.3, side * (1 + len(versions)) + 0.2), layout="constrained"
    )
    grid = figure.subplots(1 + len(versions), count, squeeze=False)
    draw_faces(figure, grid, [*originals, *versions.reshape(-1, *versions.shape[2:])], captions)
    for number, axes in enumerate(grid[:, 0]):
        name = "changed" if number else "original"
        place = {"transform": axes.transAxes, "ha": "right", "va": "center", "rotation": 90}
        axes.text(-0.04, 0.5, name, size=9, **place)
    return figure


@styled
def answered_face(
    image: np.ndarray,
    lines: Sequence[str],
    age_distribution: np.ndarray | None = None,
    age_interval_years: tuple[float, float] | None = None,
    true_age_years: float | None = None,
) -> Figure:
    """Shows one face beside what the network answers and what the label says.

    Args:
        image: (height, width, 3) uint8, RGB.
        lines: What to write beside it; long ones are wrapped.
        age_distribution: (101,) the probability of each year from 0 to 100, drawn as a curve.
        age_interval_years: Its lower and upper end, shaded under the curve.
        true_age_years: The label's age, marked at the curve.

    Returns:
        The face, to its right the lines and under them the curve, if there is one.
    """
    text = "\n".join(part for line in lines for part in textwrap.wrap(line, 48))
    text_inches = 0.28 * (1 + text.count("\n"))
    figure = Figure(figsize=(8, max(3, 1.9 + text_inches)), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(3, 5))
    draw_faces(left, left.subplots(squeeze=False), [image])
    if age_distribution is None:
        words = right.subplots()
    else:
        words, curve = right.subplots(2, 1, height_ratios=(text_inches, 1.5))
        years = np.arange(MIN_AGE_YEARS, MAX_AGE_YEARS + 1)
        curve.plot(years, age_distribution, color=BLUE, label="probability")
        if age_interval_years:
            low, high = age_interval_years
            ends = np.clip([low, high], MIN_AGE_YEARS, MAX_AGE_YEARS)
            inside = np.unique([*ends, *years[(years > low) & (years < high)]])
            heights = np.interp(inside, years, age_distribution)
            curve.fill_between(
                inside,
                heights,
                color=BLUE,
                alpha=0.25,
                lw=0,
                label=f"interval {low:.0f}–{high:.0f}",
            )
        if true_age_years is not None:
            curve.axvline(
                true_age_years, color=VERMILION, ls="--", label=f"label {true_age_years:.0f}"
            )
        curve.set(xlim=(MIN_AGE_YEARS, MAX_AGE_YEARS), xlabel="age in years", yticks=[])
        curve.set_ylim(bottom=0)
        curve.spines["left"].set_visible(False)
        legend_outside(right, curve)
    words.set_axis_off()
    words.text(0, 0.5, text, va="center", size=12, linespacing=1.6)
    return figure


def draw_faces(
    figure: FigureBase,
    grid: np.ndarray,
    faces: Iterable[str | PathLike | np.ndarray],
    captions: Iterable[str] = (),
) -> None:
    """Draws faces into a grid of axes (rows, columns), from the upper left on.

    Args:
        figure: The grid's figure.
        grid: Axes (rows, columns); those left over stay empty.
        faces: Paths of images, or images (height, width, 3) uint8, RGB.
        captions: The text above each face.
    """
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, face in zip(grid.flat, faces, strict=False):
        image = face if isinstance(face, np.ndarray) else read_image(face)
        axes.imshow(image, interpolation="hanning")  # smooth, also where it is enlarged much
    for axes, caption in zip(grid.flat, captions, strict=False):
        axes.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=3)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)


@styled
def age_histogram(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the ages of each split, the genders stacked.

    Args:
        frames: Rows of `pipeline.read_split` by the split's name.

    Returns:
        One panel a split, in bins of five years.
    """
    figure = Figure(figsize=(min(PAGE_INCHES, 4 * len(frames)), 3.2), layout="constrained")
    draw_ages(figure, frames)
    return figure


def draw_ages(figure: FigureBase, frames: Mapping[str, pd.DataFrame]) -> None:
    """Draws what `age_histogram` shows into a figure or a part of one."""
    panels = figure.subplots(1, len(frames), squeeze=False)[0]
    for axes, (split, frame) in zip(panels, frames.items(), strict=True):
        axes.hist(
            [frame["age"][frame["gender"] == code] for code in range(len(GENDER_NAMES))],
            bins=np.arange(MIN_AGE_YEARS, MAX_AGE_YEARS + 1, 5),  # 100 is in the last, as 95 is
            stacked=True,
            color=list(GENDER_COLOURS.values()),
            label=GENDER_NAMES,
            rwidth=0.9,
        )
        axes.set_title(f"{split}: {face_count(frame)}")
        axes.set_xlabel(f"age in years, mean {frame['age'].mean():.1f}" if len(frame) else "age")
        axes.grid(visible=False, axis="x")
        axes.set_xlim(MIN_AGE_YEARS, MAX_AGE_YEARS)
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))
        whole_numbers(axes.yaxis)
    panels[0].set_ylabel("faces")
    legend_outside(figure, *panels)


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


def draw_rules(figure: FigureBase, rejected: Mapping[str, int], kept: int) -> None:
    """Draws what `rows_by_rule` shows into a figure or a part of one."""
    counts = {rule: count for rule, count in rejected.items() if count} | {"kept": kept}
    total = max(1, sum(counts.values()))
    axes = figure.subplots()
    colours = [GREY] * (len(counts) - 1) + [GREEN]
    axes.barh(range(len(counts)), counts.values(), color=colours, height=0.7)
    axes.set_yticks(range(len(counts)), counts)
    axes.invert_yaxis()
    numbers_beside(axes, range(len(counts)), [f"{n:,} ({n / total:.1%})" for n in counts.values()])
    axes.set(xlim=(0, max(1, *counts.values(), 1)), xticks=[])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    axes.set_title(f"what became of {sum(counts.values()):,} rows")


@styled
def training_curves(history: pd.DataFrame, median_age_mae_years: float | None = None) -> Figure:
    """Draws both heads' measures by epoch, training and validation.

    Args:
        history: One row an epoch, as `training.train` returns it or `history.csv` holds it.
        median_age_mae_years: Error of always answering the training median, as a line to beat.

    Returns:
        Three panels: age error, gender cross-entropy, gender accuracy.
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
    panels = figure.subplots(1, len(titles))
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
