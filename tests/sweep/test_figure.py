"""The picture of a sweep."""

import io

import numpy as np
import pytest
from PIL import Image

from imdb_wiki.plots.style import png_bytes
from imdb_wiki.sweep.figure import sweep_figure
from imdb_wiki.sweep.measures import MEASURES
from imdb_wiki.sweep.space import Choices, Range, Space
from imdb_wiki.sweep.trials import Trial


@pytest.mark.parametrize("name", ["val_loss", "val_gender_accuracy"])
def test_the_picture_shows_every_trial_in_every_panel(name):
    varied = {
        "LEARNING_RATE": Range(1e-4, 1e-2),
        "BATCH_SIZE": Choices((16, 32, 64)),
        "AGE_FILTERS": Choices(([8, 16], [16, 32])),
    }
    measured = [0.6, 0.5, None, 0.55, 0.7, 90.0 if name == "val_loss" else -9.0]
    rates = np.geomspace(1e-4, 1e-2, len(measured))
    tried = [{"LEARNING_RATE": rate, "BATCH_SIZE": 32, "AGE_FILTERS": [8, 16]} for rate in rates]
    trials = [
        Trial(number, values, one, 1, 1.0, "")
        for number, (values, one) in enumerate(zip(tried, measured, strict=True), start=1)
    ]
    figure = sweep_figure(trials, Space(varied, {}), MEASURES[name])
    png = Image.open(io.BytesIO(png_bytes(figure)))
    assert png.width == 1000
    first, *panels = figure.axes
    assert [axes.get_title("left") for axes in panels] == list(varied)
    assert [axes.get_xscale() for axes in panels] == ["log", "linear", "linear"]
    assert [text.get_text() for text in panels[1].get_xticklabels()] == ["16", "32", "64"]
    low, high = first.get_ylim()
    for axes in figure.axes:
        (plain, best, beyond, failed, *_) = (line.get_xydata() for line in axes.lines)
        assert [len(part) for part in (plain, best, beyond, failed)] == [4, 1, 1, 1]
        assert best[0, 1] == (0.5 if name == "val_loss" else 0.7)
        for part in (plain, best, beyond, failed):
            assert ((low < part[:, 1]) & (part[:, 1] < high)).all()
    steps = first.lines[-1].get_ydata()
    expected = [0.6, *[0.5] * 5] if name == "val_loss" else [*[0.6] * 4, 0.7, 0.7]
    assert list(steps) == expected


def test_a_picture_of_failures_alone_is_drawn():
    space = Space({"SEED": Range(0, 3)}, {})
    png_bytes(
        sweep_figure([Trial(1, {"SEED": 0}, None, None, 1.0, "x")], space, MEASURES["val_loss"])
    )
