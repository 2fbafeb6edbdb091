"""Figures of an audit: contact sheets of faces, and how the probabilities are spread."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from imdb_wiki.plots.faces import draw_faces, label_texts
from imdb_wiki.plots.style import (
    BLUE,
    FACE_INCHES,
    FACES_A_ROW,
    GREY,
    PAGE_INCHES,
    VERMILION,
    legend_outside,
    styled,
    whole_numbers,
)

_SHEET_ROWS = 5
_CAPTION_INCHES = 0.5
_LEAST = 1e-4  # probabilities below are drawn at it: the axis is logarithmic


@styled
def contact_sheet(table: pd.DataFrame, title: str) -> Figure:
    """Shows faces with their label, what the network says, and how probably the label is wrong.

    Args:
        table: Rows of `report.suspects_table`; the first forty are shown.
        title: Above all.
    """
    shown = table.head(_SHEET_ROWS * FACES_A_ROW)
    rows = max(1, -(-len(shown) // FACES_A_ROW))
    figure = Figure(
        figsize=(PAGE_INCHES, (FACE_INCHES + _CAPTION_INCHES) * rows + 0.4), layout="constrained"
    )
    figure.suptitle(title, x=0.01, ha="left")
    captions = [
        "\n".join(lines)
        for lines in zip(label_texts(shown), _answer_texts(shown), _wrong_texts(shown), strict=True)
    ]
    grid = figure.subplots(rows, FACES_A_ROW, squeeze=False)
    draw_faces(figure, grid, shown["path"], captions)
    return figure


def _answer_texts(table: pd.DataFrame) -> list[str]:
    texts = [""] * len(table)
    if "predicted_age_years" in table:
        texts = [f"net {years:.0f}" for years in table["predicted_age_years"]]
    if "male_probability" in table:
        male = table["male_probability"]
        names = [f"{'m' if p >= 0.5 else 'f'} {max(p, 1 - p):.0%}" for p in male]
        texts = [" · ".join(filter(None, pair)) for pair in zip(texts, names, strict=True)]
    return texts


def _wrong_texts(table: pd.DataFrame) -> list[str]:
    return [f"wrong {p:.1%}" if p < 0.995 else f"wrong {p:.2%}" for p in table["wrong_probability"]]


@styled
def probability_figure(wrong: np.ndarray, share: float, low: float, high: float) -> Figure:
    """Shows how many faces are wrong with which probability.

    Args:
        wrong: Probabilities, (count,), without NaN.
        share: The estimated share of wrong labels, with its interval.
        low: Its lower end.
        high: Its upper end.

    Returns:
        Left how many faces have about which probability, right how many have at least it.
    """
    figure = Figure(figsize=(PAGE_INCHES, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    drawn = np.clip(wrong, _LEAST, 1)
    edges = np.geomspace(_LEAST, 1, 41)
    left.hist(drawn, edges, color=BLUE)
    left.set(xscale="log", xlabel="probability that the label is wrong", ylabel="faces")
    left.set_title("How sure is it?")
    whole_numbers(left.yaxis)
    right.plot(np.sort(drawn)[::-1], np.arange(1, len(drawn) + 1), color=BLUE)
    right.axhspan(
        max(low * len(drawn), 0.5), max(high * len(drawn), 0.5), color=VERMILION, alpha=0.2, lw=0
    )
    right.axhline(
        max(share * len(drawn), 0.5),
        color=VERMILION,
        label=f"estimated wrong: {share:.1%} ({low:.1%}–{high:.1%})",
    )
    for limit in (0.5, 0.9):
        right.axvline(limit, color=GREY, ls=":", lw=1)
    right.set(xscale="log", yscale="log", xlabel="probability, or more", ylabel="faces")
    right.set_title("How many are there?")
    legend_outside(figure, right)
    return figure
