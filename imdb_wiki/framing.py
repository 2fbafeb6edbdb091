"""How faces must be cut out for a model: read from the `.json` beside it, never assumed."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from imdb_wiki import crops
from imdb_wiki.detection import Chip
from imdb_wiki.errors import InputError
from imdb_wiki.json_files import parse_json
from imdb_wiki.own_files import Kind

# What a `.json` may say, and what each word means here. Anything else is refused: a face that is
# cut in another way than in training still gets an age, but a wrong one.
BOXES = ("chip",)  # the square of `detection.Chip`
PADDINGS = {"edge": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}
COLOUR_ORDERS = {"RGB": slice(None), "BGR": slice(None, None, -1)}
RESAMPLINGS = {"area": crops.square}
CARD_KIND = Kind("model's .json", (b'"framing"',))
MOST_CARD_BYTES = 10_000_000  # the shipped one has 1,433
MOST_FACTOR = 1000  # of an age interval's standard deviations; more reach from 0 to 100 years
MOST_MARGIN = 2  # no training data shows more than five faces' width


@dataclass(frozen=True)
class Framing:
    """What the crops for a model show; its words are those of the tables above."""

    box: str = "chip"
    margin: float = 0.0  # of the box's side, added on each side
    padding: str = "edge"
    colour_order: str = "RGB"
    resampling: str = "area"

    def crop(self, image: np.ndarray, chip: Chip, size: int) -> np.ndarray:
        """Cuts a face out of a photo as the training data was cut.

        Args:
            image: (height, width, 3) uint8, RGB.
            chip: Where the face is.
            size: Side of the crop in pixels.

        Returns:
            (size, size, 3) uint8, in the model's colour order.
        """
        direction = np.exp(1j * chip.turn_radians)  # of the chip's upper edge, as x + iy
        corner = complex(chip.left, chip.top) - self.margin * chip.side * (1 + 1j) * direction
        side = chip.side * (1 + 2 * self.margin)
        # Rotated at the photo's own scale, or at the crop's if that is finer. If the result is too
        # large, it is scaled down as in training.
        pixels = max(size, round(side))
        square = _turned(image, corner, side * direction, pixels, PADDINGS[self.padding])
        return self.fit(square, size)

    def fit(self, face: np.ndarray, size: int) -> np.ndarray:
        """Scales an image that is a crop, (height, width, 3) uint8, RGB, to the model's size."""
        fitted = RESAMPLINGS[self.resampling](face, size)
        return fitted[..., COLOUR_ORDERS[self.colour_order]]


def _turned(
    image: np.ndarray, corner: complex, edge: complex, pixels: int, padding: int
) -> np.ndarray:
    """Cuts a rotated square out of a photo, as (pixels, pixels, 3).

    Args:
        image: (height, width, 3).
        corner: Its upper left corner, x + iy in pixels.
        edge: From there along its upper edge to the next corner.
        pixels: Side of the result.
        padding: OpenCV's way to fill what lies outside of the photo.
    """
    # Only the part that is needed: OpenCV warps no image of more than 32,767 pixels a side.
    corners = corner + edge * np.array([0, 1, 1 + 1j, 1j])
    height, width = image.shape[:2]
    reach = 3  # pixels beyond the square that cubic interpolation uses
    left, right = _within(corners.real.min() - reach, corners.real.max() + reach, width)
    top, bottom = _within(corners.imag.min() - reach, corners.imag.max() + reach, height)
    step = edge / pixels
    # OpenCV counts from the middle of the first pixel, hence the halves.
    first = corner - complex(left, top) + step * (0.5 + 0.5j) - (0.5 + 0.5j)
    return cv2.warpAffine(
        image[top:bottom, left:right],
        np.array([[step.real, -step.imag, first.real], [step.imag, step.real, first.imag]]),
        (pixels, pixels),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=padding,
    )


def _within(first: float, last: float, length: int) -> tuple[int, int]:
    """Start and end of a range of pixels, cut to those of the photo; at least one pixel."""
    start = int(np.clip(np.floor(first), 0, length - 1))
    return start, int(np.clip(np.ceil(last), start + 1, length))


@dataclass(frozen=True)
class ModelCard:
    """What a model's `.json` says."""

    framing: Framing
    image_size: int | None = None  # side of the square input in pixels
    age_interval: dict | None = None  # constants of `intervals.age_interval`
    data: dict | None = None  # the whole file


def find_card(model_path: Path) -> Path | None:
    """The `.json` beside a model: of the same stem, or of the model that an export was made of.

    For `compact-int8.tflite` that is `compact-int8.json`, or else `compact.json`. Only such an
    export takes another file's: for another model, faces may have to be cut in another way.
    """
    stems = [model_path.stem]
    if model_path.suffix.lower() in (".tflite", ".onnx"):
        stems.append(model_path.stem.removesuffix("-int8"))  # as `export.default_output` names it
    paths = (model_path.with_name(f"{stem}.json") for stem in stems)
    return next((path for path in paths if path.is_file()), None)


def read_card(path: Path) -> ModelCard:
    """Reads a model's `.json`.

    Raises:
        InputError: It is not JSON, lacks something, or has a value that is not known here.
    """
    try:
        if path.stat().st_size > MOST_CARD_BYTES:
            raise ValueError(f"it has more than {MOST_CARD_BYTES:,} bytes")
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{path} is not readable JSON: {error}") from error
    framing = data.get("framing") if isinstance(data, dict) else None
    if not isinstance(framing, dict):
        raise InputError(f"{path} has no framing: it does not say how faces are cut")
    if data.get("value_range", [0, 255]) != [0, 255]:
        raise InputError(f"{path}: value_range is {data['value_range']}, only [0, 255] is known")
    words = {"colour_order": data.get("colour_order")}
    words |= {name: framing.get(name) for name in ("box", "padding", "resampling")}
    known = {
        "box": BOXES,
        "padding": PADDINGS,
        "colour_order": COLOUR_ORDERS,
        "resampling": RESAMPLINGS,
    }
    for name, word in words.items():
        if not isinstance(word, str) or word not in known[name]:
            options = ", ".join(known[name])
            raise InputError(f"{path}: {name} is {word!r}, known is {options}")
    margin = framing.get("margin")
    if not _is_number(margin) or not 0 <= margin <= MOST_MARGIN:
        raise InputError(f"{path}: margin is {margin!r}, not a number from 0 to {MOST_MARGIN}")
    interval = data.get("age_interval")
    if interval is not None:
        needed = ("coverage", "factor", "floor_years")
        numbers = [interval.get(name) for name in needed] if isinstance(interval, dict) else [None]
        if not all(_is_number(value) and 0 <= value <= MOST_FACTOR for value in numbers):
            raise InputError(
                f"{path}: age_interval lacks one of {', '.join(needed)}, or one is not a number "
                f"from 0 to {MOST_FACTOR}"
            )
    return ModelCard(Framing(margin=float(margin), **words), data.get("image_size"), interval, data)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
