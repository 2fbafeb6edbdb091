"""Looks at a figure as its reader does: what is written where, what covers what."""

from itertools import combinations
from unittest import mock

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def rendered(figure: Figure) -> np.ndarray:
    """The figure's pixels, uint8 (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """What is written, with its box in pixels; not what matplotlib holds but does not draw."""
    return _look(figure)[1]


def _look(figure: Figure) -> tuple[np.ndarray, list[tuple[str, Bbox]]]:
    drawn = []
    plain_draw = Text.draw

    def draw(text, renderer, *arguments, **options):
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        return plain_draw(text, renderer, *arguments, **options)

    with mock.patch.object(Text, "draw", draw):
        pixels = rendered(figure)
    return pixels, [(text.get_text(), text.get_window_extent()) for text in drawn]


def assert_readable(figure: Figure) -> np.ndarray:
    """Texts lie inside of the figure, cover neither each other nor a face; nor do legends.

    Returns:
        What `rendered` returns.
    """
    pixels, texts = _look(figure)
    assert texts
    width, height = figure.bbox.size
    for text, box in texts:
        inside = box.x0 >= -0.5 and box.y0 >= -0.5 and box.x1 <= width + 0.5
        assert inside and box.y1 <= height + 0.5, f"{text!r} is cut"
    for (text, box), (other, other_box) in combinations(texts, 2):
        assert not _overlap(box, other_box), f"{text!r} and {other!r} overlap"
    panels = [axes for axes in figure.findobj(Axes) if axes.axison]
    faces = [i for axes in figure.findobj(Axes) for i in axes.images if i.get_array().ndim == 3]
    for text, box in texts:
        for face in faces:
            assert not _overlap(box, face.get_window_extent()), f"{text!r} covers a face"
    for legend in figure.findobj(Legend):
        for axes in panels:
            assert not _overlap(legend.get_window_extent(), axes.get_window_extent()), "a legend"
    return pixels


def contrast_with_white(colour: np.ndarray) -> float:
    """Contrast of an RGB colour, 0–255, with white; 3 is what WCAG asks of a graphic's parts."""
    share = np.asarray(colour, "float64") / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return 1.05 / (float(linear @ (0.2126, 0.7152, 0.0722)) + 0.05)


def _overlap(first: Bbox, second: Bbox) -> bool:
    """Whether boxes share more than their outermost pixels, which hold no ink."""
    common = Bbox.intersection(first, second)
    return common is not None and common.width > 1 and common.height > 1
