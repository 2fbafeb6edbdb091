"""Reads videos and cameras frame by frame, each frame with its time.

OpenCV turns frames upright by the video's own rotation mark, and FFmpeg inside of it reads nearly
every format. Sound is not read.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from imdb_wiki import MAX_IMAGE_PIXELS
from imdb_wiki.errors import InputError

# Which files are videos. Other names are taken for photos.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv"),
)
USUAL_FPS = 25.0  # where a video does not say how many frames a second has
# Of what is written of a camera: it says a rate that it does not keep.
CAMERA_FPS = 15.0
_MOST_GAP_SECONDS = 60.0  # between two frames; more is a damaged clock
# Seconds by which a video may end before its length: its sound may be longer than its pictures.
_MISSING_SECONDS = 0.5


class UnreadableVideoError(InputError):
    """A video or a camera gives no frame; the message says why."""


class Frame(NamedTuple):
    """One picture of a video."""

    second: float  # from the first frame
    image: np.ndarray  # (height, width, 3) uint8, RGB, upright


def is_video(path: Path) -> bool:
    """Whether a path is named as videos are."""
    return path.suffix.lower() in VIDEO_SUFFIXES


class Footage:
    """A video or a camera that gives frames; close it afterwards."""

    def __init__(self, name: str, capture: cv2.VideoCapture, is_camera: bool = False):
        """Reads the first frame.

        Args:
            name: As it was given.
            capture: It is open.
            is_camera: Whether the frames' time is the time of day.

        Raises:
            UnreadableVideoError: There is no frame.
        """
        self.name = name
        self._capture, self._is_camera = capture, is_camera
        self._begun_seconds = time.monotonic()
        self._last = self._read()
        if self._last is None:
            capture.release()
            what = "the camera gives no picture" if is_camera else "no picture can be read from it"
            raise UnreadableVideoError(what)
        self._raw_second = self._last.second
        said = capture.get(cv2.CAP_PROP_FPS)
        is_known = 0.1 <= said <= 1000
        self.fps = CAMERA_FPS if is_camera else said if is_known else USUAL_FPS
        count = 0 if is_camera else capture.get(cv2.CAP_PROP_FRAME_COUNT)
        # By what the file says, which may be wrong; None if it does not say it.
        self.count = int(count) if is_known and 1 <= count < 1e9 else None
        self.height, self.width = self._last.image.shape[:2]
        self.frames_read, self.seconds = 0, 0.0  # of what `frames` gave
        self.error = ""  # why it ended early; "" if it did not

    def __enter__(self):
        """Gives itself: leaving closes it."""
        return self

    def __exit__(self, *_):
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Closes the file or the camera."""
        self._capture.release()

    def frames(
        self,
        most_frames: int | None = None,
        most_seconds: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Frame]:
        """Gives frame after frame, with times that grow.

        Args:
            most_frames: After so many it ends; None for all.
            most_seconds: Frames from this time on are left out; None for none.
            stopped: Asked before each frame whether to end.
        """
        if self._is_camera:  # its first picture was taken long ago
            self._last = self._read()
            self._begun_seconds = time.monotonic()
            self._raw_second = 0.0
        frame: Frame | None = self._last._replace(second=0.0) if self._last else None
        self._last = None
        while frame is not None:
            if most_seconds is not None and frame.second >= most_seconds:
                return
            self.frames_read += 1
            self.seconds = frame.second + 1 / self.fps
            yield frame
            if self.frames_read == most_frames or stopped():
                return
            frame = self._next(frame.second)
        if self._is_camera:
            self.error = f"the camera ended after {self.seconds:.1f} seconds"
        elif self.count and self.count / self.fps - self.seconds > _MISSING_SECONDS:
            length = self.count / self.fps
            self.error = f"it ends after {self.seconds:.1f} of {length:.1f} seconds: cut or damaged"

    def frames_expected(
        self, most_frames: int | None = None, most_seconds: float | None = None
    ) -> int | None:
        """How many frames `frames` will give, by what the file says; None if that is not known."""
        limits = [self.count, most_frames]
        if most_seconds is not None and not self._is_camera:
            limits.append(int(np.ceil(most_seconds * self.fps)))
        known = [limit for limit in limits if limit]
        return min(known) if known else None

    def _next(self, second_before: float) -> Frame | None:
        frame = self._read()
        if frame is None:
            return None
        gap, self._raw_second = frame.second - self._raw_second, frame.second
        if not 0 < gap <= _MOST_GAP_SECONDS:  # some formats have no times
            gap = 1 / self.fps
        return frame._replace(second=second_before + gap)

    def _read(self) -> Frame | None:
        """The next frame, with the time that the file or the clock says."""
        try:
            is_read, image = self._capture.read()
        except cv2.error:
            return None
        if not is_read or image is None or image.size == 0:
            return None
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        second = time.monotonic() - self._begun_seconds if self._is_camera else milliseconds / 1000
        return Frame(second, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def open_video(path: Path, name: str | None = None) -> Footage:
    """Opens a video.

    Args:
        path: A file in any format that FFmpeg reads.
        name: As it was given; None for the path.

    Raises:
        UnreadableVideoError: It cannot be read; the message says why, without the name.
    """
    try:
        if path.is_dir():
            raise UnreadableVideoError("a folder, not a video")
        if path.is_file():  # of a pipe, every byte is needed
            with path.open("rb") as file:
                if not file.read(1):
                    raise UnreadableVideoError("the file is empty")
        path.stat()
    except FileNotFoundError:
        raise UnreadableVideoError("no such file") from None
    except OSError as error:
        raise UnreadableVideoError(error.strerror or str(error)) from None
    whole_path = os.path.abspath(path)  # noqa: PTH100 - FFmpeg takes `a:b` for a protocol
    try:
        whole_path.encode()
    except UnicodeEncodeError:
        raise UnreadableVideoError("the name is not UTF-8, which FFmpeg needs: rename it") from None
    capture = cv2.VideoCapture(whole_path, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise UnreadableVideoError("not a video, or cut before its end")
    sides = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if sides[0] * sides[1] > MAX_IMAGE_PIXELS:
        raise UnreadableVideoError(
            f"frames of {sides[0]:.0f} × {sides[1]:.0f} pixels are too large"
        )
    return Footage(str(path) if name is None else name, capture)


def camera_name(number: int) -> str:
    """What a camera is called in all answers."""
    return f"camera {number}"


def open_camera(number: int) -> Footage:
    """Opens a camera.

    Args:
        number: From 0, as the system counts them.

    Raises:
        UnreadableVideoError: There is none, or it gives no picture.
    """
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise UnreadableVideoError("there is no such camera, or another program uses it")
    return Footage(camera_name(number), capture, is_camera=True)
