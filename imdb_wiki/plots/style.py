"""How every picture looks: colours, sizes, legends, numbers beside bars; and how it is written."""

import io
from collections.abc import Sequence, Sized
from os import PathLike
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imdb_wiki.labels import GENDER_NAMES

# Okabe and Ito's colours, which the colour-blind tell apart: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, GREY, PALE = "#262626", "#7F7F7F", "#E4E4E4"
GENDER_COLOURS = dict(zip(GENDER_NAMES, (ORANGE, BLUE), strict=True))
TEXT_ON = dict(zip(GENDER_NAMES, (INK, "white"), strict=True))

# Together 1,000 pixels, about the width of a notebook's page: a wider figure is shown shrunk, and
# its letters with it.
PAGE_INCHES, DPI = 10, 100
LETTER_INCHES = 0.074  # of the legends' letters, about
FACES_A_ROW = 8
FACE_INCHES = PAGE_INCHES / FACES_A_ROW

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
    "figure.titlesize": 11,
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


def png_bytes(figure: Figure, dpi: int = DPI) -> bytes:
    """Renders a figure as a PNG.

    Args:
        figure: Any figure of this package.
        dpi: Pixels an inch.

    Returns:
        The content of the file. Charts get a palette of 256 colours, a third of the bytes.
    """
    rendered = io.BytesIO()
    figure.savefig(rendered, format="png", dpi=dpi, pil_kwargs={"compress_level": 0})
    drawn = Image.open(rendered)
    about = PngInfo()  # marks our figures, so that no other picture is replaced
    about.add_text("Software", drawn.info["Software"])
    picture = drawn.convert("RGB")
    if not any(np.asarray(image.get_array()).ndim == 3 for image in figure.findobj(AxesImage)):
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    picture.save(packed, "png", optimize=True, pnginfo=about)
    return packed.getvalue()


def save(figure: Figure, path: str | PathLike, dpi: int = DPI) -> None:
    """Writes a figure to a PNG file, making its folder.

    Args:
        figure: Any figure of this package.
        path: Where to.
        dpi: Pixels an inch.
    """
    from imdb_wiki.files import write_whole  # needs fcntl, which Windows lacks

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, png_bytes(figure, dpi))


def legend_outside(
    figure: Figure | SubFigure, *axes: Axes, where: Literal["lower", "upper"] = "lower"
) -> None:
    """Puts one legend for all these axes beside them, where it covers nothing.

    Args:
        figure: The axes' figure, or the part of one that they are in.
        axes: Each label is shown once.
        where: `lower` for below the axes, `upper` for above them.
    """
    entries = {}
    for part in axes:
        handles, labels = part.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    width = sum(0.65 + LETTER_INCHES * len(label) for label in entries)  # of one row, in inches
    columns = len(entries) if width < figure.bbox.width / figure.figure.dpi else 1
    place = "outside lower center" if where == "lower" else "outside upper center"
    figure.legend(entries.values(), entries.keys(), loc=place, ncols=columns)


def numbers_beside(axes: Axes, places: ArrayLike, texts: Sequence[str]) -> None:
    """Writes texts in a column to the right of the axes, one at each place of the y-axis."""
    column = axes.secondary_yaxis(1.0)
    column.set_yticks(places, texts)
    column.tick_params(length=0)
    column.spines[:].set_visible(False)


def face_count(faces: Sized) -> str:
    """Says how many faces there are: `1 face`, `1,495 faces`."""
    return "1 face" if len(faces) == 1 else f"{len(faces):,} faces"


def whole_numbers(axis: Axis) -> None:
    """Lets an axis count: no tick between two whole numbers, thousands apart."""
    axis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10), integer=True, min_n_ticks=1))
    axis.set_major_formatter("{x:,.0f}")
