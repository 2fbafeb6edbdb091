"""Which of several faces in a photo is the labelled one, and its chip."""

from typing import NamedTuple

import numpy as np

from imdb_wiki.faces.detection import Box, Detection, detect_faces
from imdb_wiki.faces.framing import Chip, Framing

# The labelled face is the one whose middle is nearest to the labelled box's, or to the photo's. It
# is not clear which one that is if another is as large as half of it, by the side, and not farther
# away by more than half of its side.
_AS_LARGE, _AS_NEAR = 0.5, 0.5

# What `labelled_chip` says instead of a chip; rules of these names leave the photos out.
FACE_NOT_FOUND, SEVERAL_FACES = "face_not_found", "several_faces"


class NoChipError(Exception):
    """A photo has no chip of its labelled face: `rule` is why, `detail` says more."""

    def __init__(self, rule: str, detail: str):
        """Takes the name of the rule and what `rejects.csv` says beside it."""
        super().__init__(f"{rule}: {detail}")
        self.rule, self.detail = rule, detail


class _Candidate(NamedTuple):
    """A face that may be the labelled one."""

    distance: float  # of its middle from where the labelled one should be, in pixels
    side: float  # the longer one of its box
    detection: Detection


def labelled_chip(image: np.ndarray, box: Box | None = None) -> Chip:
    """Finds the chip of the face that a photo's labels are about.

    Args:
        image: (height, width, 3) uint8, RGB.
        box: Where the labels say that it is, in pixels; None: in the photo's middle.

    Returns:
        Where it is.

    Raises:
        NoChipError: There is no face, none near the labelled box, or it is not clear which.
        InputError: The detector is not installed.
    """
    height, width = image.shape[:2]
    place = box or Box(0, 0, width, height)
    faces = sorted(_candidate(found, place) for found in detect_faces(image))
    if box is not None:
        reach = max(box.right - box.left, box.bottom - box.top)
        faces = [face for face in faces if face.distance <= reach / 2]
    if not faces:
        raise NoChipError(FACE_NOT_FOUND, "none near the labelled box" if box else "none")
    first, *others = faces
    rivals = [
        other
        for other in others
        if other.side >= _AS_LARGE * first.side
        and other.distance - first.distance <= _AS_NEAR * first.side
    ]
    if rivals:
        raise NoChipError(SEVERAL_FACES, f"{len(faces)}, and it is not clear which is labelled")
    return first.detection.chip


def _candidate(found: Detection, place: Box) -> _Candidate:
    middle, wanted = (_middle(box) for box in (found.box, place))
    sides = found.box.right - found.box.left, found.box.bottom - found.box.top
    return _Candidate(abs(middle - wanted), max(sides), found)


def _middle(box: Box) -> complex:
    return complex(box.left + box.right, box.top + box.bottom) / 2


def labelled_face(image: np.ndarray, size: int, box: Box | None = None) -> np.ndarray:
    """Cuts the labelled face out of a photo, as the networks of this project see faces in use.

    Args:
        image: (height, width, 3) uint8, BGR.
        size: Side of the crop in pixels.
        box: As for `labelled_chip`.

    Returns:
        (size, size, 3) uint8, BGR.

    Raises:
        NoChipError, InputError: As `labelled_chip`.
    """
    chip = labelled_chip(np.ascontiguousarray(image[..., ::-1]), box)
    return Framing().crop(image, chip, size)
