"""Writes a video with the answers drawn in, at the speed of the video that was read.

MPEG-4 in a `.mp4`: the one kind that opencv-python's FFmpeg writes quickly. It has no sound.
"""

import contextlib
import errno
import os
import struct
from pathlib import Path

import cv2
import numpy as np

from imdb_wiki.files import part_of
from imdb_wiki.prediction.annotation import DRAWN_PHOTO, draw_faces, label_of
from imdb_wiki.prediction.video import Seen

MOST_FPS = 120.0  # of what is written; of faster videos, frames are left out
_MOST_DENOMINATOR = 65_535  # of a frame's duration in MPEG-4


def labels_of(seen: list[Seen]) -> list[tuple[str, ...]]:
    """The lines of each label: those of a photo's face, with the track's number before them."""
    lines = [label_of(one.face) for one in seen]
    return [
        (f"{one.track}: {first}", *others)  # a network for one task has one line
        for one, (first, *others) in zip(seen, lines, strict=True)
    ]


def drawn(image: np.ndarray, seen: list[Seen]) -> np.ndarray:
    """Draws a frame's faces; arguments and answer as of `draw_faces`."""
    return draw_faces(image, [one.face for one in seen], labels_of(seen))


class DrawnVideo:
    """A video file that gets its name when it is complete."""

    def __init__(self, path: Path, fps: float):
        """Writes nothing yet.

        Args:
            path: Its name, ending in `.mp4`; of `DrawnPhotos.free_path`.
            fps: Frames per second of the video that was read.
        """
        self.path = path
        fps = min(fps, MOST_FPS)
        self._fps = round(fps, 3 if fps * 1000 <= _MOST_DENOMINATOR else 2)
        self._partial = Path(f"{part_of(path)}.mp4")  # OpenCV takes the format from the name
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._size = (0, 0)

    def add(self, image: np.ndarray, second: float) -> None:
        """Writes a frame, as often as it takes to keep the time.

        Args:
            image: (height, width, 3) uint8, RGB; a last odd row or column is left out, as the
                format has none.
            second: The frame's time.

        Raises:
            OSError: It cannot be written; the error names the file.
        """
        writer = self._writer = self._writer or self._opened(image)
        width, height = self._size
        if (image.shape[1] & ~1, image.shape[0] & ~1) != self._size:  # a video may change its size
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        frame = cv2.cvtColor(image[:height, :width], cv2.COLOR_RGB2BGR)
        # Frames that come unevenly are repeated or left out; all others are written once each.
        while self._written <= round(second * self._fps):
            writer.write(frame)
            self._written += 1

    def _opened(self, image: np.ndarray) -> cv2.VideoWriter:
        self._size = image.shape[1] & ~1, image.shape[0] & ~1
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.open("wb").close()  # raises an error that says why it cannot be
        writer = cv2.VideoWriter(
            os.path.abspath(self._partial),  # noqa: PTH100 - FFmpeg takes `a:b` for a protocol
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*"mp4v"),
            self._fps,
            self._size,
        )
        if not writer.isOpened():
            self._fail(f"no video of {self._size[0]} × {self._size[1]} pixels can be written")
        return writer

    def close(self) -> None:
        """Gives the file its name; without a frame there is none.

        Raises:
            OSError: It is not whole, e.g. on a full disk; nothing of it is left.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # The writer keeps its errors to itself.
        capture = cv2.VideoCapture(os.path.abspath(self._partial), cv2.CAP_FFMPEG)  # noqa: PTH100
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
        capture.release()
        if count != self._written:
            self._fail("it could not be written to its end: is the disk full?")
        mark = b"".join(DRAWN_PHOTO.marks)
        try:
            with self._partial.open("ab") as file:  # a box that players pass over
                file.write(struct.pack(">I4s", 8 + len(mark), b"free") + mark)
            self._partial.replace(self.path)
        except OSError as error:
            self._fail(error.strerror or str(error))

    def _fail(self, why: str) -> None:
        with contextlib.suppress(OSError):
            self._partial.unlink()
        raise OSError(errno.EIO, why, str(self.path))
