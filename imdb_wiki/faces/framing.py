"""How faces must be cut out for a model: read from the `.json` beside it, never assumed."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from imdb_wiki.images.pixels import square as squared

# What a `.json` may say, and what each word means here. Anything else is refused: a face that is
# cut in another way than in training still gets an age, but a wrong one.
BOXES = ("chip",)  # the square of `Chip`
PADDINGS = {"edge": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}
COLOUR_ORDERS = {"RGB": slice(None), "BGR": slice(None, None, -1)}
RESAMPLINGS = {"area": squared}


class Chip(NamedTuple):
    """The square that a face chip shows, in a photo's pixels.

    It may be rotated, and reach beyond the photo.
    """

    left: float  # its upper left corner, before the rotation around it
    top: float
    side: float
    turn_radians: float = 0.0  # of its upper edge, clockwise in the photo


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
