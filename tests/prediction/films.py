"""Small films of two coloured squares that stand for faces, and what finds and answers them.

No drawing of a face would be found by the detector, and the real network's answers have no right
value: here the red person is 30 years and female, the blue one 60 years and male.
"""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

import imdb_wiki_predict
from imdb_wiki.faces.detection import Box, Detection
from imdb_wiki.faces.framing import Chip, Framing
from imdb_wiki.prediction import answering, faces
from imdb_wiki.prediction.video_output import VIDEO_COLUMNS

RED, BLUE = (220, 30, 30), (30, 30, 220)
SIZE = 320, 240
SIDE = 40  # of a square
CONSTANTS = {"coverage": 0.9, "factor": 2.0, "floor_years": 1.0}


def frame(*persons: tuple, ground: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture, RGB, with squares (colour, left, top) on one of many grounds."""
    blotches = np.random.default_rng(ground).integers(60, 160, (6, 8, 1), dtype="uint8")
    grey = cv2.resize(np.repeat(blotches, 3, axis=2), size, interpolation=cv2.INTER_CUBIC)
    for colour, left, top in persons:
        cv2.rectangle(grey, (left, top), (left + SIDE - 1, top + SIDE - 1), colour, -1)
    return grey


def film(path: Path, frames: Iterable[np.ndarray], fps: float = 25, kind: str = "mp4v") -> Path:
    """Writes a video of such pictures."""
    writer = None
    for image in frames:
        if writer is None:
            fourcc = cv2.VideoWriter.fourcc(*kind)
            writer = cv2.VideoWriter(str(path), fourcc, fps, image.shape[1::-1])
            assert writer.isOpened()
        writer.write(image[..., ::-1].copy())
    writer.release()
    return path


def walk(count: int) -> list[np.ndarray]:
    """Red walks to the right, blue to the left and below."""
    return [frame((RED, 10 + 4 * k, 30), (BLUE, 260 - 4 * k, 120)) for k in range(count)]


def read_film(path: Path) -> tuple[list[np.ndarray], float]:
    """The pictures of a video, RGB, and its frames per second."""
    capture, images = cv2.VideoCapture(str(path)), []
    fps = capture.get(cv2.CAP_PROP_FPS)
    while True:
        is_read, image = capture.read()
        if not is_read:
            return images, fps
        images.append(image[..., ::-1])


class Capture:
    """Stands for OpenCV's: pictures and the times that it says of them, in milliseconds."""

    def __init__(self, images, times=(), fps=25.0, count=0):
        self.images, self.times = iter(images), iter(times)
        self.facts = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: count}
        self.released = False

    def isOpened(self):
        return True

    def read(self):
        image = next(self.images, None)
        if isinstance(image, Exception):
            raise image
        self.facts[cv2.CAP_PROP_POS_MSEC] = next(self.times, 0.0)
        return image is not None, image

    def get(self, name):
        return self.facts.get(name, 0.0)

    def release(self):
        self.released = True


def rows_of(path: str | Path, columns: Iterable[str] = VIDEO_COLUMNS) -> list[dict[str, str]]:
    """The rows of a table of answers, which has these columns."""
    with Path(path).open(newline="") as file:
        rows = csv.DictReader(file)
        assert rows.fieldnames == list(columns)
        return list(rows)


def find_squares(image: np.ndarray) -> list[Detection]:
    """Stands for `detect_faces`."""
    found = []
    for colour in (RED, BLUE):
        rows, columns = np.nonzero((np.abs(image.astype(int) - colour) < 70).all(axis=2))
        if len(rows) > 200:
            left, right = columns.min(), columns.max() + 1
            top, bottom = rows.min(), rows.max() + 1
            chip = Chip(left, top, min(right - left, bottom - top))
            found.append(Detection(Box(*map(float, (left, top, right, bottom))), 0.99, chip))
    return sorted(found)


def answer(images: np.ndarray) -> dict[str, np.ndarray]:
    """Stands for a network: red is 30 years and female, blue 60 years and male."""
    red = images.astype(float).mean(axis=(1, 2))[:, 0] > 110
    ages = np.where(red, 30.0, 60.0)
    distribution = np.eye(101)[ages.astype(int)]
    genders = np.where(red[:, np.newaxis], (0.9, 0.1), (0.2, 0.8))
    return {"age_years": ages[:, np.newaxis], "gender": genders, "age_distribution": distribution}


PREDICTOR = faces.Predictor(answer, 32, Framing(), CONSTANTS)


def put_in(patch) -> None:
    """Puts the squares' finder and answers into the command, by `patch(module, name, value)`."""
    patch(faces, "detect_faces", find_squares)
    patch(faces, "load_predictor", lambda path, margin: PREDICTOR)
    patch(answering, "start_tensorflow", lambda: None)


if __name__ == "__main__":  # the command in a process of its own
    put_in(setattr)
    sys.exit(imdb_wiki_predict.main())
