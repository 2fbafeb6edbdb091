"""Figures of faces; each function returns a Figure and shows nothing by itself."""

import textwrap
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from imdb_wiki.labels import AGES_YEARS, GENDER_NAMES, MAX_AGE_YEARS, MIN_AGE_YEARS, with_age_ranges
from imdb_wiki.plots.style import (
    BLUE,
    FACE_INCHES,
    FACES_A_ROW,
    PAGE_INCHES,
    VERMILION,
    legend_outside,
    styled,
)


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


def age_text(low_years: float, high_years: float) -> str:
    """An age or a range of ages as a caption: `25` or `20–29`."""
    return f"{low_years:.0f}" if low_years == high_years else f"{low_years:.0f}–{high_years:.0f}"


def label_texts(frame: pd.DataFrame) -> list[str]:
    """What is known of each face as a caption: `34 · female`, `20–29`, `male`."""
    labels = with_age_ranges(frame)[["age_low", "age_high", "gender"]]
    texts = []
    for low, high, gender in labels.itertuples(index=False):
        age = "" if pd.isna(low) else age_text(low, high)
        texts.append(" · ".join(filter(None, [age, _gender_text(gender)])))
    return texts


def _gender_text(gender: float) -> str:
    return "" if pd.isna(gender) else GENDER_NAMES[int(gender)]


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
    captions = label_texts(chosen)
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
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(3, 5))[0]
    draw_faces(left, left.subplots(squeeze=False), [image])
    if age_distribution is None:
        words = right.subplots()
    else:
        words, curve = right.subplots(2, 1, height_ratios=(text_inches, 1.5))
        years = AGES_YEARS
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
    figure: Figure | SubFigure,
    grid: np.ndarray,
    faces: Iterable[str | PathLike | np.ndarray],
    captions: Iterable[str] = (),
) -> None:
    """Draws faces into a grid of axes (rows, columns), from the upper left on.

    Args:
        figure: The grid's figure.
        grid: Axes (rows, columns); those left over stay empty.
        faces: Paths of images, or images (height, width, 3) uint8, RGB. In the place of one that
            is missing or broken stands "image missing", as on the review's page.
        captions: The text above each face.
    """
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, face in zip(grid.flat, faces, strict=False):
        try:
            image = face if isinstance(face, np.ndarray) else read_image(face)
        except ValueError:  # a picture says less without it, and is no reason to stop
            centre = {"ha": "center", "va": "center", "transform": axes.transAxes}
            axes.text(0.5, 0.5, "image missing", size=9, **centre)
            continue
        axes.imshow(image, interpolation="hanning")  # smooth, also where it is enlarged much
    for axes, caption in zip(grid.flat, captions, strict=False):
        # Its place is given, lest Matplotlib lay out hidden ticks: a quarter of its time.
        axes.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=3, y=1)
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):
        layout.set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
