"""Follows faces from frame to frame, and gives each person one answer: the mean over the frames.

A face belongs to the track whose box it overlaps most, where the track was heading or, counted
half, where it was last; all faces of a frame are assigned together (Hungarian method). After a cut
in the film nothing is followed on: what stands in the same place may be somebody else.

No package does it here. Of those looked at, norfair needs a NumPy below 2, and filterpy, which has
had no release since 2018; `trackers` and `supervision` bring PyAV and a second OpenCV; none knows
of cuts, or of frames that come at uneven times. SciPy's assignment and some boxes are enough.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from imdb_wiki.faces.detection import Box
from imdb_wiki.labels import GENDER_NAMES
from imdb_wiki.models.intervals import age_interval
from imdb_wiki.prediction.faces import Face

LEAST_OVERLAP = 0.2  # of two boxes of one face, as intersection over union
KEPT_SECONDS = 1.0  # that a face may be out of sight and is still the same track
MOST_FORESIGHT_SECONDS = 0.5  # that a lost face is expected to go on as it moved
# Times that a face must be found to be taken for a person, or in every search since the video
# began: what the detector takes for a face in a single frame is none.
LEAST_FINDS = 3

# A picture of so many pixels (width, height) tells a cut: it shows the scene, and little noise.
CUT_SIZE = (32, 18)
# Correlation of two such pictures below which there is a cut between them. Of 200 pairs of WIKI's
# photos, 99% have less than 0.58; a camera that turns by 2% of the picture's width from frame to
# frame leaves 0.85 and more, a flash 0.93.
CUT_CORRELATION = 0.65
_FLAT = 2.0  # standard deviation in grey levels: a picture with less shows nothing


@dataclass(frozen=True)
class TrackAnswer:
    """What is said of one person in a video."""

    track: int  # number in the video, from 1
    first_second: float  # from the beginning of the video
    last_second: float
    frames: int  # in which the face was found; the answer is the mean over them
    best_second: float  # when the face was largest and surest
    face: Face  # box and score of that moment, and the mean answer


class Track:
    """One face, followed."""

    def __init__(self, face: Face, second: float):
        """Begins with the face that was found first.

        Args:
            face: Of `predict_faces`.
            second: When, from the beginning of the video.
        """
        self.number = 0  # from 1, as soon as it counts
        self.first_second = self.last_second = self.best_second = second
        self.finds, self.missed = 0, 0  # searches that found it; searches since the last of them
        self.best = face
        self.speed = np.zeros(4)  # of the box's edges, in pixels per second
        self._sums: dict[str, np.ndarray] = {}  # over the frames, of `_answers_of`
        self._add(face)

    def find(self, face: Face, second: float) -> None:
        """Goes on with a face that was found later."""
        moved = np.subtract(face.box, self.box) / max(second - self.last_second, 1e-3)
        self.speed = moved if self.finds == 1 else (self.speed + moved) / 2
        self.last_second, self.missed = second, 0
        if _worth(face) > _worth(self.best):
            self.best, self.best_second = face, second
        self._add(face)

    def _add(self, face: Face) -> None:
        self.box = face.box
        self.finds += 1
        for name, values in _answers_of(face).items():
            self._sums[name] = self._sums.get(name, np.zeros(len(values))) + values

    def expected_box(self, second: float) -> Box:
        """Where the face would be by now, had it moved on as before."""
        ahead = min(second - self.last_second, MOST_FORESIGHT_SECONDS)
        return Box(*(self.box + ahead * self.speed).tolist())

    def answer(self, constants: dict | None) -> Face:
        """The mean answer so far, in the box of the best frame.

        Args:
            constants: The model's, of `intervals.age_interval`; None for no interval. They are
                applied to the mean distribution.
        """
        means = {name: total / self.finds for name, total in self._sums.items()}
        answer = replace(self.best, age_low_years=None, age_high_years=None)
        if "age_years" in means:
            answer = replace(answer, age_years=float(means["age_years"][0]))
        if "gender" in means:
            likelier = int(means["gender"].argmax())
            probability = float(means["gender"][likelier])
            name = GENDER_NAMES[likelier]
            answer = replace(answer, gender=name, gender_probability=probability)
        if "age_distribution" in means:
            distribution = means["age_distribution"]
            answer = replace(answer, age_distribution=distribution)
            if constants:
                ends = age_interval(means["age_years"], distribution[np.newaxis], constants)
                low, high = (float(end[0]) for end in ends)
                answer = replace(answer, age_low_years=low, age_high_years=high)
        return answer


def _answers_of(face: Face) -> dict[str, np.ndarray]:
    """What the model answers for a face, as numbers whose mean can be taken."""
    answers = {}
    if face.age_years is not None:
        answers["age_years"] = np.array([face.age_years])
    if face.gender is not None and face.gender_probability is not None:
        answers["gender"] = np.full(2, 1 - face.gender_probability)
        answers["gender"][GENDER_NAMES.index(face.gender)] = face.gender_probability
    if face.age_distribution is not None:
        answers["age_distribution"] = np.asarray(face.age_distribution, "float64")
    return answers


def _worth(face: Face) -> float:
    """How much a face shows of a person: large and surely found."""
    width, height = face.box.right - face.box.left, face.box.bottom - face.box.top
    return width * height * (face.score or 1)


class Follower:
    """All tracks of one video."""

    def __init__(self, constants: dict | None = None):
        """Begins a video.

        Args:
            constants: The model's, of `intervals.age_interval`; None for answers without interval.
        """
        self._constants = constants
        self._followed: list[Track] = []
        self._ended: list[Track] = []
        self._searches = self._numbers = 0

    def update(self, faces: list[Face], second: float) -> list[Track]:
        """Takes what one search has found.

        Args:
            faces: Of `predict_faces` for one frame.
            second: The frame's time, from the beginning of the video; never less than before.

        Returns:
            The track of each face; those with a number are taken for persons.
        """
        self._searches += 1
        for track in self._followed:
            track.missed += 1
        self._end([t for t in self._followed if not _may_go_on(t, second)])
        overlaps = np.array(
            [[_overlap(track, face.box, second) for track in self._followed] for face in faces]
        ).reshape(len(faces), len(self._followed))
        # What overlaps too little is no match, and shall not outweigh one in the sum.
        overlaps[overlaps < LEAST_OVERLAP] = 0
        matches = dict(zip(*linear_sum_assignment(overlaps, maximize=True), strict=True))
        followed, given = list(self._followed), []
        for row, face in enumerate(faces):
            column = matches.get(row)
            if column is None or overlaps[row, column] == 0:
                track = Track(face, second)
                self._followed.append(track)
            else:
                track = followed[column]
                track.find(face, second)
            given.append(track)
        for track in given:
            if not track.number and track.finds >= min(LEAST_FINDS, self._searches):
                self._numbers += 1
                track.number = self._numbers
        return given

    def cut(self) -> None:
        """Ends all tracks: another scene begins."""
        self._end(list(self._followed))

    def _end(self, tracks: list[Track]) -> None:
        self._followed = [track for track in self._followed if track not in tracks]
        self._ended += tracks

    def face_of(self, track: Track) -> Face:
        """A track's mean answer so far, in the box where it was found last."""
        return replace(track.answer(self._constants), box=track.box)

    def answers(self) -> list[TrackAnswer]:
        """What is known of each person so far, by number."""
        tracks = sorted([*self._ended, *self._followed], key=lambda track: track.number)
        return [
            TrackAnswer(
                track=track.number,
                first_second=track.first_second,
                last_second=track.last_second,
                frames=track.finds,
                best_second=track.best_second,
                face=track.answer(self._constants),
            )
            for track in tracks
            if track.number
        ]


def _may_go_on(track: Track, second: float) -> bool:
    """Whether a face may still be found: it was a moment ago, or in the last search at all."""
    return track.missed == 1 or second - track.last_second <= KEPT_SECONDS


def _overlap(track: Track, box: Box, second: float) -> float:
    """How much a box overlaps a track, from 0 to 1."""
    # Who has stopped is where they were; but of two who pass each other, each goes on.
    return max(overlap(box, track.expected_box(second)), overlap(box, track.box) / 2)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, from 0 to 1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    areas = ((box.right - box.left) * (box.bottom - box.top) for box in (one, other))
    return shared / max(sum(areas) - shared, 1e-9)


class CutFinder:
    """Tells whether a frame begins another scene."""

    def __init__(self):
        """Begins a video."""
        self._before: np.ndarray | None = None

    def is_cut(self, image: np.ndarray) -> bool:
        """Compares a frame with the one before it.

        Args:
            image: (height, width, 3) uint8.
        """
        small = cv2.resize(image, CUT_SIZE, interpolation=cv2.INTER_AREA).astype("float64")
        small -= small.mean(axis=(0, 1))  # a flash changes the brightness, and is no cut
        before, self._before = self._before, small
        if before is None:
            return False
        contrasts = float(small.std()), float(before.std())
        if min(contrasts) < _FLAT:  # one of them shows nothing
            return max(contrasts) >= _FLAT
        return float((small * before).mean()) < CUT_CORRELATION * contrasts[0] * contrasts[1]
