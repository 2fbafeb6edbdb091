"""Answers a video or a camera: who is seen from when to when, and what each frame shows.

Faces are not searched for in every frame: the detector takes far longer than all the rest. They are
searched for some times a second, and after each cut; each face that is found is predicted, all of a
frame in one batch. In the frames between, boxes move evenly from where they were to where they are.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace

from imdb_wiki.faces.detection import Box
from imdb_wiki.prediction.faces import Face, Predictor, predict_faces
from imdb_wiki.prediction.footage import Footage, Frame
from imdb_wiki.prediction.limits import PIXELS_AT_ONCE
from imdb_wiki.prediction.tracks import CutFinder, Follower, TrackAnswer


@dataclass(frozen=True)
class VideoResult:
    """The persons of one video, or why it could not be read."""

    name: str
    tracks: list[TrackAnswer] = field(default_factory=list)
    error: str = ""  # why it could not be read, or why it ended early; "" if neither
    height: int | None = None  # in pixels, upright; None if it could not be read
    width: int | None = None
    seconds: float = 0.0  # how much of it was read
    frames: int = 0


@dataclass(frozen=True)
class Seen:
    """A face as a frame shows it."""

    track: int  # its number in the video
    face: Face  # where it is in this frame, with the mean answer so far


class Watching:
    """One video on its way through the detector and the model."""

    def __init__(self, footage: Footage, model: Predictor, searches_per_second: float):
        """Begins.

        Args:
            footage: Where its frames come from.
            model: What `load_predictor` returns.
            searches_per_second: How often faces are searched for, at most in every frame.
        """
        self._footage, self._model, self._rate = footage, model, searches_per_second
        self._follower = Follower(model.age_interval)
        self._seen: dict[int, Face] = {}  # in the last search
        self._searched_second = 0.0  # the time of its frame

    def frames(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, list[Seen]]]:
        """Follows the faces.

        Args:
            frames: Of `Footage.frames`.

        Yields:
            Each frame in order, some frames later, with the faces that it shows.

        Raises:
            InputError: As `predict_faces`.
        """
        cuts, waiting, last_slot = CutFinder(), [], -1
        for frame in frames:
            is_cut = cuts.is_cut(frame.image)
            if is_cut:
                yield from ((one, _listed(self._seen)) for one in waiting)
                waiting = []
                self._follower.cut()
                self._seen = {}
            # By the clock: a video of 60 frames a second needs no more searches than one of 25. The
            # hundredth helps times that are rounded down.
            slot = int(frame.second * self._rate + 0.01)
            room = PIXELS_AT_ONCE // (frame.image.shape[0] * frame.image.shape[1])
            if not is_cut and slot == last_slot and len(waiting) < room:
                waiting.append(frame)
                continue
            last_slot = slot
            before, second_before = self._seen, self._searched_second
            self._seen, self._searched_second = self._search(frame), frame.second
            for one in waiting:
                share = (one.second - second_before) / (frame.second - second_before)
                yield one, _listed(self._moved(before, share))
            waiting = []
            yield frame, _listed(self._seen)
        yield from ((one, _listed(self._seen)) for one in waiting)

    def _search(self, frame: Frame) -> dict[int, Face]:
        """The persons that a frame shows, by number."""
        faces = predict_faces([frame.image], self._model)
        tracks = self._follower.update(faces, frame.second)
        return {t.number: self._follower.face_of(t) for t in tracks if t.number}

    def _moved(self, before: dict[int, Face], share: float) -> dict[int, Face]:
        """The faces of the search before, where they are a share of the way to this search."""
        return {
            number: replace(face, box=_mixed(face.box, self._seen[number].box, share))
            if number in self._seen
            else face
            for number, face in before.items()
        }

    def result(self) -> VideoResult:
        """What is known by now."""
        return VideoResult(
            name=self._footage.name,
            tracks=self._follower.answers(),
            error=self._footage.error,
            height=self._footage.height,
            width=self._footage.width,
            seconds=self._footage.seconds,
            frames=self._footage.frames_read,
        )


def _listed(faces: dict[int, Face]) -> list[Seen]:
    return [Seen(number, face) for number, face in sorted(faces.items())]


def _mixed(one: Box, other: Box, share: float) -> Box:
    """The box that is a share of the way from one to the other."""
    return Box(*((1 - share) * a + share * b for a, b in zip(one, other, strict=True)))


@contextlib.contextmanager
def ctrl_c_asks() -> Generator[Callable[[], bool]]:
    """Lets the first Ctrl-C only ask to end, so that nothing is left half done.

    The second one ends at once. A thread other than the main one gets no Ctrl-C, nor does a process
    that was told to ignore it, as by `nohup`.

    Yields:
        Whether it was asked.

    Raises:
        KeyboardInterrupt: Afterwards, if it was asked.
    """
    asked = threading.Event()

    def ask(number, stack):
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before is signal.SIG_IGN:
        yield asked.is_set
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
    if asked.is_set():
        raise KeyboardInterrupt
