"""Two drawn diagrams: the layers of a network, and the process from the raw data to the numbers."""

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from imdb_wiki.plots.style import BLUE, GREEN, GREY, INK, PAGE_INCHES, styled

# Fill and edge by kind of layer: what learns is coloured, what only reshapes stays grey.
_KINDS = {
    "Conv2D": ("#CFE3F2", BLUE),
    "BatchNormalization": ("#E9F2F9", "#8FBBD9"),
    "MaxPooling2D": ("#FBE7C2", "#E69F00"),
    "Dense": ("#CDEBE1", GREEN),
}
_OTHER_KIND = ("#F3F3F3", "#B5B5B5")
# In units of one row of the network's diagram: a box's height, the gap between two columns, the
# width of a letter of a layer's name and of the text to its right.
_LAYER_HEIGHT, _GAP, _LETTER, _REST = 0.72, 1.0, 0.165, 6.56
_SIDE = 0.3  # how far beside the boxes a shortcut runs

# What happens in each step: where its code is in imdb_wiki/, what it does, what it hands on.
_PREPARATION = (
    (
        "datasets/",
        "imdb.mat and photos\n→ one table: age, gender,\nperson, face score",
        "one row a photo",
    ),
    ("preparation/rules.py", "named rules, in order,\neach one counted", "rejects.csv"),
    (
        "preparation/crops.py",
        "colour, square, one size;\na bad image stops nothing",
        "crop/train/female/…jpg",
    ),
    (
        "preparation/splits.py",
        "train, validation, test:\nno person and no picture\nin two of them",
        "train, val, test.csv",
    ),
)
_NOTEBOOK = (
    ("pipeline.py", "decode in parallel,\nshuffle by file, batch", "uint8 images, labels"),
    ("networks/", "two branches:\nage in years, gender", "an untrained model"),
    ("training/", "augment, fit both heads,\nkeep the best epoch", "model.keras, history.csv"),
    (
        "evaluation/",
        "scores on people never seen,\nbeside constant answers",
        "metrics.json, figures",
    ),
)


@styled
def process_diagram() -> Figure:
    """Draws the process: the preparation's four steps, then the notebook's four.

    Returns:
        Two rows of steps, each with the place of its code, what it does and what it leaves behind.
    """
    figure = Figure(figsize=(PAGE_INCHES, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.1, 12.1)
    axes.set_ylim(5.4, 0)  # downwards
    rows = (
        ("imdb_wiki_preparation.py", "once", _PREPARATION, 0.1, BLUE, "#F1F7FB"),
        ("imdb_wiki_gpu.ipynb", "each experiment", _NOTEBOOK, 3.0, GREEN, "#F0F9F6"),
    )
    for title, when, steps, top, colour, fill in rows:
        _box(axes, (0, top), (12, 2.3), fill, fill)
        centred = {"va": "center", "color": colour}
        axes.text(0.25, top + 0.3, title, fontsize=11, fontweight="bold", **centred)
        axes.text(11.75, top + 0.3, when, fontsize=10, ha="right", va="center", color=GREY)
        for number, (place, what, leaves) in enumerate(steps):
            left = 0.25 + 2.95 * number
            _box(axes, (left, top + 0.58), (2.65, 1.5), "white", colour)
            centred = {"ha": "center", "va": "center"}
            middle = left + 1.325
            axes.text(middle, top + 0.8, place, fontweight="bold", fontsize=9.5, **centred)
            axes.text(middle, top + 1.3, what, fontsize=9.5, **centred)
            axes.text(middle, top + 1.87, leaves, style="italic", size=9, color=GREY, **centred)
            if number:
                _arrow(axes, [(left - 0.3, top + 1.33), (left, top + 1.33)], colour)
    # From the last box down, along the gap, and in at the right of the second title.
    _arrow(axes, [(10.425, 2.18), (10.425, 2.7), (2.78, 2.7), (2.78, 3.58)], GREY)
    return figure


@styled
def network_diagram(model: keras.Model) -> Figure:
    """Draws a network layer by layer: names, output shapes, parameters.

    Keras' `plot_model` would need Graphviz, a program that pip does not install.

    Args:
        model: A functional model.

    Returns:
        One box a layer from top to bottom, side by side where the network branches.
    """
    parents = layer_parents(model)
    layer_width = _LETTER * max(map(len, parents)) + _REST
    x, y = _places(parents, layer_width + _GAP)
    edges = [(source, name) for name, sources in parents.items() for source in sources]
    shortcuts = [(a, b) for a, b in edges if x[a] == x[b] and y[b] - y[a] > 1]
    lanes = {  # a shortcut around another one runs farther out
        (a, b): sum(y[a] <= y[c] and y[d] <= y[b] for c, d in shortcuts) for a, b in shortcuts
    }
    reach = layer_width / 2 + _SIDE * (1 + max(lanes.values(), default=0))
    width = (max(x.values()) - min(x.values())) + 2 * reach
    height = max(y.values()) + 3.4
    figure = Figure(figsize=(0.5 * width, 0.34 * height), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(min(x.values()) - reach, max(x.values()) + reach)
    axes.set_ylim(max(y.values()) + 0.6, -2.8)  # downwards
    for source, name in edges:
        side = layer_width / 2 + _SIDE * lanes.get((source, name), 0)
        _connect(axes, (x[source], y[source]), (x[name], y[name]), layer_width, side)
    for name in parents:
        _draw_layer(axes, model.get_layer(name), x[name], y[name], layer_width)
    middle = (max(x.values()) + min(x.values())) / 2
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    axes.text(middle, -2.35, model.name, ha="center", va="center", fontsize=15, fontweight="bold")
    counts = f"{model.count_params():,} parameters, {trainable:,} of them trainable"
    legend = "a box: name, kernel or activation, output (height × width × channels), parameters"
    grey = {"ha": "center", "va": "center", "color": GREY}
    axes.text(middle, -1.6, counts, fontsize=10.5, **grey)
    axes.text(middle, -0.95, legend, fontsize=9, **grey)
    return figure


def layer_parents(model: keras.Model) -> dict[str, list[str]]:
    """Reads which layers each layer takes its input from.

    Args:
        model: A functional model.

    Returns:
        Names of the parents by the layer's name, every parent before its children.
    """

    def sources(node):
        if isinstance(node, dict):
            if node.get("class_name") == "__keras_tensor__":
                yield node["config"]["keras_history"][0]
            else:
                for value in node.values():
                    yield from sources(value)
        elif isinstance(node, list | tuple):
            for value in node:
                yield from sources(value)

    layers = model.get_config()["layers"]
    waiting = {layer["name"]: list(sources(layer["inbound_nodes"])) for layer in layers}
    ordered = {}
    while waiting:
        ready = [name for name, above in waiting.items() if all(a in ordered for a in above)]
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


def _places(
    parents: dict[str, list[str]], column: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Places layers: downwards by their distance from the input, sideways by their outputs."""
    depth, children = {}, {name: [] for name in parents}
    for name, above in parents.items():
        depth[name] = 1 + max((depth[a] for a in above), default=-1)
        for a in above:
            children[a].append(name)
    ends = {}  # the outputs that a layer leads to
    outputs = sorted(name for name in parents if not children[name])  # age left of gender
    for name in reversed(parents):
        below = [ends[child] for child in children[name]]
        ends[name] = set().union(*below) if below else {outputs.index(name)}
    x = {name: column * float(np.mean(list(ends[name]))) for name in parents}
    taken = set()
    for name in parents:  # side branches that lead to the same output are drawn side by side
        while (x[name], depth[name]) in taken:
            x[name] += column
        taken.add((x[name], depth[name]))
    return x, {name: float(d) for name, d in depth.items()}


def _connect(
    axes: Axes,
    above: tuple[float, float],
    below: tuple[float, float],
    layer_width: float,
    side: float,
) -> None:
    start = (above[0], above[1] + _LAYER_HEIGHT / 2)
    end = (below[0], below[1] - _LAYER_HEIGHT / 2)
    corners = []
    if above[0] != below[0]:  # to another column: sideways in the gap above the lower box
        gap = end[1] - (1 - _LAYER_HEIGHT) / 2
        corners = [(above[0], gap), (below[0], gap)]
    elif below[1] - above[1] > 1:  # past the boxes between
        edge = above[0] - layer_width / 2
        start, end = (edge, above[1]), (edge, below[1])
        corners = [(above[0] - side, above[1]), (above[0] - side, below[1])]
    _arrow(axes, [start, *corners, end], GREY, width=0.9, head=7)


def _draw_layer(axes: Axes, layer: keras.layers.Layer, x: float, y: float, width: float) -> None:
    left, top = x - width / 2, y - _LAYER_HEIGHT / 2
    right = left + width
    fill, edge = _KINDS.get(type(layer).__name__, _OTHER_KIND)
    _box(axes, (left, top), (width, _LAYER_HEIGHT), fill, edge)
    text = {"va": "center", "fontsize": 9, "color": INK}
    axes.text(left + 0.25, y, layer.name, fontweight="bold", **text)
    axes.text(right - 5.1, y, _detail(layer), ha="center", **{**text, "color": GREY})
    axes.text(right - 2.9, y, _shape(layer), ha="center", **text)
    if layer.count_params():
        axes.text(right - 0.25, y, f"{layer.count_params():,}", ha="right", **text)


def _detail(layer: keras.layers.Layer) -> str:
    config = layer.get_config()
    for name in ("kernel_size", "pool_size"):
        if name in config:
            return " × ".join(map(str, config[name])) + _activation(config)
    if "rate" in config:
        return f"{config['rate']:.0%}"
    return _activation(config).removeprefix(", ")


def _activation(config: dict) -> str:
    names = {"relu": ", ReLU", "linear": ""}
    activation = config.get("activation", "linear")
    return names.get(activation, f", {activation}")


def _shape(layer: keras.layers.Layer) -> str:
    shape = layer.output.shape[1:]
    return " × ".join(f"{size:,}" if size else "any" for size in shape)


def _box(axes: Axes, corner, size, fill: str, edge: str) -> None:
    rounded = "round,pad=0,rounding_size=0.12"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=rounded, facecolor=fill, edgecolor=edge))


def _arrow(axes: Axes, points, colour: str, width: float = 1.4, head: float = 12) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": head, "capstyle": "butt", "joinstyle": "round"}
    axes.add_patch(FancyArrowPatch(path=Path(points), color=colour, lw=width, **style))
