"""The paper and the pencils: strokes in head units through a pose, curves, colours, light.

Head units: the origin lies between the ears, the chin at y = +1 and the crown at y = -1. The canvas
turns and places these points, so that no part of a face knows its pose.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike

CANVAS_PX = 400  # twice the 200 px a network sees: averaging areas then smooths the edges
_HEAD_PX = 0.27 * CANVAS_PX  # one head unit: chin to crown is 0.54 of the side, as in the original


class Canvas:
    """A BGR picture of `CANVAS_PX` that is drawn on in head units, once it has a `pose`."""

    def __init__(self, image: np.ndarray) -> None:
        """Draws on `image` itself: `(CANVAS_PX, CANVAS_PX, 3)` uint8."""
        self.image = image

    def pose(self, tilt: float, yaw: float, pitch: float, scale: float, centre: np.ndarray) -> None:
        """Holds the next head: angles in radians, `centre` `(2,)` in shares of the side."""
        self._turn = np.array([np.sin(yaw), np.sin(pitch)])
        self._unit_px = scale * _HEAD_PX
        cos, sin = self._unit_px * np.cos(tilt), self._unit_px * np.sin(tilt)
        self._axes = np.array([[cos, sin], [-sin, cos]])
        self._centre_px = np.asarray(centre) * CANVAS_PX

    def paint(
        self,
        shapes: np.ndarray,
        colour: np.ndarray,
        opacity: float = 1.0,
        softness: float = 0.0,
        width: float = 0.0,
    ) -> None:
        """Fills polygons, or draws lines where a `width` is given.

        Args:
            shapes: `(corners, 2)`, or `(shapes, corners, 2)` for several at once.
            colour: `(3,)` BGR; what exceeds 0–255 is cut.
            opacity: from 0, nothing, to 1, covering.
            softness: how far the edge is blurred, in head units.
            width: of the line, in head units.
        """
        if opacity <= 0 or not len(shapes):
            return
        pixels = self._place(np.reshape(shapes, (-1, *np.shape(shapes)[-2:])))
        colour = np.minimum(np.maximum(colour, 0), 255)
        line_px = max(1, round(width * self._unit_px)) if width else 0
        if opacity >= 1 and not softness:
            _ink(self.image, pixels, colour.tolist(), line_px)
            return
        # Only the strokes' surroundings are blended: the whole canvas would take ten times as long.
        blur_px = int(softness * self._unit_px) | 1  # odd, as stackBlur wants it
        pad_px = blur_px + line_px + 2
        left, top = np.maximum(pixels.min((0, 1)) - pad_px, 0).astype(int)
        right, bottom = np.minimum(pixels.max((0, 1)) + pad_px, CANVAS_PX).astype(int)
        if left >= right or top >= bottom:
            return
        region, pixels = self.image[top:bottom, left:right], pixels - (left, top)
        if softness:
            mask = np.zeros(region.shape[:2], np.uint8)
            _ink(mask, pixels, 255, line_px)
            share = cv2.stackBlur(mask, (blur_px, blur_px)) * np.float32(opacity / 255)
            region[:] = mix(region, colour.astype(np.float32), share[..., None])
        else:
            covered = region.copy()
            _ink(covered, pixels, colour.tolist(), line_px)
            region[:] = cv2.addWeighted(covered, opacity, region, 1 - opacity, 0)

    def _place(self, points):
        """Head units (…, 2) → pixels (…, 2); what lies nearer to the viewer turns farther."""
        x, y = points[..., 0], points[..., 1]
        depth = 0.7 * np.sqrt(np.maximum(1 - (x / 0.85) ** 2 - (y / 1.05) ** 2, 0))
        return (points + depth[..., None] * self._turn) @ self._axes + self._centre_px


def _ink(image, pixels, colour, line_px):
    corners = list(np.round(pixels * 16).astype(np.int32))  # fixed point, 4 fractional bits
    if line_px:
        cv2.polylines(image, corners, False, colour, line_px, cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(image, corners, colour, cv2.LINE_AA, 4)


def draw_background(rng: np.random.Generator) -> np.ndarray:
    """Two colours that run into each other and a few shapes: `(CANVAS_PX, CANVAS_PX, 3)` uint8."""
    small = 64  # drawn small and enlarged, it is out of focus
    axis, slope = np.linspace(-1, 1, small), rng.normal(0, 0.6, 2)
    share = np.clip(0.5 + slope[0] * axis[:, None] + slope[1] * axis, 0, 1)
    image = mix(muted(rng), muted(rng), share[..., None]).astype(np.uint8)
    for _ in range(rng.integers(0, 6)):
        corner, size = rng.integers(0, small, 2), rng.integers(4, 28, 2)
        if rng.random() < 0.5:
            cv2.rectangle(image, corner.tolist(), (corner + size).tolist(), muted(rng).tolist(), -1)
        else:
            cv2.circle(image, corner.tolist(), int(size[0]), muted(rng).tolist(), -1)
    blur_px = int(rng.choice([3, 5, 7, 9]))
    image = cv2.blur(image, (blur_px, blur_px))
    return cv2.resize(image, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_CUBIC)


def develop(image: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    """Gives a canvas' picture its size, light, colour cast, blur and noise.

    Args:
        image: `(CANVAS_PX, CANVAS_PX, 3)` uint8.
        rng: source of all choices.
        side: of the result, in pixels.

    Returns:
        `(side, side, 3)` uint8.
    """
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), 0.1 + rng.uniform(0.001, 0.005) * side)
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    slope = rng.normal(0, 0.1, 2).astype(np.float32)
    light = 1 + slope[0] * axis[:, None] + slope[1] * axis
    brightness = rng.uniform(0.8, 1.15) * rng.normal(1, 0.025, 3)  # of each channel
    noise = np.float32(rng.uniform(0.5, 4)) * rng.standard_normal((side, side), np.float32)
    # Channel by channel is faster than interleaved; `add` rounds, and cuts at 0 and 255.
    lit = [
        cv2.multiply(channel, light * factor, dtype=cv2.CV_32F)
        for channel, factor in zip(cv2.split(image), brightness.astype(np.float32), strict=True)
    ]
    return cv2.merge([cv2.add(channel, noise, dtype=cv2.CV_8U) for channel in lit])


def palette(*rgb_hexes: str) -> np.ndarray:
    """Colours as everybody writes them → `(colours, 3)` in OpenCV's order, BGR."""
    return np.array([list(bytes.fromhex(rgb_hex))[::-1] for rgb_hex in rgb_hexes], float)


def muted(rng: np.random.Generator) -> np.ndarray:
    """Any colour but a glaring one."""
    colour = rng.uniform(25, 235, 3)
    return mix(colour, colour.mean(), rng.uniform(0.3, 0.9))


def mix(first: np.ndarray, second: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """`first` where `share`, of the second, is 0, and `second` where it is 1."""
    return first + share * (second - first)


def oval(x: float, y: float, radius_x: float, radius_y: float, corners: int = 28) -> np.ndarray:
    """An upright ellipse, `(corners, 2)`."""
    angles = np.linspace(0, 2 * np.pi, corners)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)


def mirrored(points: ArrayLike) -> np.ndarray:
    """A shape of one side and its mirror image: `(corners, 2)` → `(2, corners, 2)`."""
    return np.stack([points, np.multiply(points, (-1, 1))])


def symmetric(*half: tuple[float, float]) -> np.ndarray:
    """A smooth line through these points and, before them, their mirror images in reverse."""
    points = np.array(half, float)
    mirror_images = points[:0:-1] if points[0, 0] == 0 else points[::-1]  # the middle comes once
    return smooth(np.concatenate([mirror_images * (-1, 1), points]))


# Catmull-Rom's weights of four neighbouring points, at seven steps from the second to the third.
_STEPS = np.linspace(0, 1, 7)[:, None] ** np.arange(4)
_WEIGHTS = _STEPS @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2


def smooth(points: ArrayLike) -> np.ndarray:
    """A curve through the points: `(points, 2)` → `(7 * (points - 1), 2)`."""
    points = np.asarray(points)
    padded = np.concatenate([points[:1], points, points[-1:]])
    return np.concatenate([_WEIGHTS @ padded[k : k + 4] for k in range(len(points) - 1)])
