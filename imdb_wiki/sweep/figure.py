"""The picture of a sweep: the best so far by trial, and each varied constant by itself."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from imdb_wiki.plots.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PAGE_INCHES,
    VERMILION,
    legend_outside,
    styled,
    whole_numbers,
)
from imdb_wiki.sweep.measures import Measure
from imdb_wiki.sweep.space import Choices, Range, Space, value_text
from imdb_wiki.sweep.trials import Trial, best_of

PANELS_A_ROW = 3
_ROW_INCHES = 2.7
_SHOWN_RANGES = 4  # of the better half's range: what is worse is drawn at the edge


@styled
def sweep_figure(trials: list[Trial], space: Space, measure: Measure) -> Figure:
    """Draws a sweep.

    Args:
        trials: The finished ones, at least one.
        space: What they vary.
        measure: What they are compared by.

    Returns:
        A panel as wide as the page with the trials in their order, then one for each constant.
        Failed trials, and those much worse than most, are drawn at the worse edge.
    """
    rows = -(-len(space.varied) // PANELS_A_ROW)
    figure = Figure(figsize=(PAGE_INCHES, _ROW_INCHES * (1 + rows) + 0.4), layout="constrained")
    columns = min(PANELS_A_ROW, len(space.varied))
    grid = figure.add_gridspec(1 + rows, columns)
    first = figure.add_subplot(grid[0, :])
    heights = _Heights(trials, measure)
    numbers = [float(one.number) for one in trials]
    heights.draw(first, numbers)
    _draw_best_so_far(first, trials, measure)
    first.set_title(f"{measure.title}, best epoch of each trial (validation split)")
    first.set_xlabel("trial")
    whole_numbers(first.xaxis)
    first.set_xlim(0.5, max(numbers) + 0.5)
    for place, (name, values) in enumerate(space.varied.items()):
        axes = figure.add_subplot(grid[1 + place // columns, place % columns], sharey=first)
        heights.draw(axes, _places(values, [one.values[name] for one in trials]))
        _label(axes, values)
        axes.set_title(name)
        if place % columns:
            axes.tick_params(labelleft=False)
    legend_outside(figure, first)
    return figure


class _Heights:
    """How high each trial is drawn, in all panels alike."""

    def __init__(self, trials: list[Trial], measure: Measure):
        sign = -1 if measure.is_better_higher else 1
        measured = np.array([np.nan if one.measured is None else one.measured for one in trials])
        known = np.sort(sign * measured[np.isfinite(measured)])  # the best first
        if not len(known):
            known = np.zeros(1)
        span = known[len(known) // 2] - known[0] or abs(known[0]) or 1.0
        worst = min(known[-1], known[0] + _SHOWN_RANGES * span)
        space = 0.12 * (worst - known[0] or span)
        self._limits = sign * np.array([known[0] - space, worst + space])
        self._is_failed = ~np.isfinite(measured)
        self._is_beyond = ~self._is_failed & (sign * measured > worst)
        edge = sign * (worst + 0.6 * space)
        self._heights = np.where(self._is_failed | self._is_beyond, edge, measured)
        best = best_of(trials, measure)
        self._is_best = np.array([one is best for one in trials])
        self._is_percent = measure.column.endswith("accuracy")
        self._beyond_mark = "v" if measure.is_better_higher else "^"

    def draw(self, axes: Axes, places: list[float]) -> None:
        """Draws the trials at these places of the x-axis."""
        across = np.array(places)
        plain = ~self._is_failed & ~self._is_beyond
        ring = {"ms": 11, "mfc": "none", "mec": VERMILION, "mew": 1.5}
        dots = {"ms": 5, "alpha": 0.75, "mew": 0}
        marks: list[tuple[np.ndarray, str, str, str, dict[str, Any]]] = [
            (plain, "o", BLUE, "trial", dots),
            (self._is_best, "o", VERMILION, "the best", ring),
            (self._is_beyond, self._beyond_mark, ORANGE, "much worse, not to scale", {"ms": 6}),
            (self._is_failed, "x", GREY, "failed", {"ms": 6, "mew": 1.5}),
        ]
        for chosen, mark, colour, label, look in marks:
            if chosen.any():
                axes.plot(
                    across[chosen], self._heights[chosen], mark, color=colour, label=label, **look
                )
        low, high = sorted(self._limits)
        axes.set_ylim(low, high)
        if self._is_failed.all():
            axes.set_yticks([])
        elif self._is_percent:
            axes.yaxis.set_major_formatter("{x:.1%}")


def _draw_best_so_far(axes: Axes, trials: list[Trial], measure: Measure) -> None:
    known, best = [], None
    for one in trials:
        best = best_of([one] if best is None else [best, one], measure)
        if best:
            known.append((one.number, best.measured))
    if known:
        numbers, heights = zip(*known, strict=True)
        axes.step(numbers, heights, where="post", color=INK, lw=1, label="best so far", zorder=1)


def _places(values: Range | Choices, tried: list[Any]) -> list[float]:
    if isinstance(values, Range):
        return [float(value) for value in tried]
    return [float(values.choices.index(value)) for value in tried]


def _label(axes: Axes, values: Range | Choices) -> None:
    """Lets the axis say a constant's values."""
    if isinstance(values, Choices):
        count = len(values.choices)
        wide = 24 // count
        texts = [value_text(value) for value in values.choices]
        if max(map(len, texts)) > wide:
            texts = [
                textwrap.fill(text.replace(",", ", "), max(8, wide), break_long_words=False)
                for text in texts
            ]
        axes.set_xticks(range(count), texts)
        if max(len(line) for text in texts for line in text.split("\n")) > wide:
            for label in axes.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, count - 0.5)
        return
    if values.is_log:
        axes.set_xscale("log")
        axes.set_xlim(values.low / 1.15, values.high * 1.15)
        decades = np.log10(values.high / values.low)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if decades < 2.5:
            axes.tick_params(axis="x", labelrotation=30)
        return
    if isinstance(values.low, int):
        whole_numbers(axes.xaxis)
        axes.xaxis.set_major_formatter("{x:.0f}")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    margin = 0.05 * (values.high - values.low)
    axes.set_xlim(values.low - margin, values.high + margin)
