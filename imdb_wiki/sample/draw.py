"""Draws synthetic faces in the original's layout: the data set of who has not the real one yet.

A folder like `imdb_crop`: an `imdb.mat` with all of the original's fields, the crops beside it, and
among them everything that is wrong with the original's, so that the preparation meets it all. They
are drawings: what a network learns from them is no use on photographs.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from tqdm import tqdm

from imdb_wiki.errors import names_file
from imdb_wiki.labels import FEMALE, MALE, MAX_AGE_YEARS
from imdb_wiki.sample.canvas import Canvas, develop, draw_background
from imdb_wiki.sample.faces import draw_head
from imdb_wiki.sample.people import Person, draw_person

_SERIAL_MINUS_ORDINAL_DAYS = 366  # MATLAB counts days from year 0, Python from year 1
_LAST_YEAR_TAKEN = 2015  # when the original was collected
_MARGIN = 0.4 / 1.8  # a crop is the face's box and 40 % of it on each side
_AT_LEAST = 3  # rows with each oddity, also where its share would give fewer
_WIDE_HEIGHT = 2 / 3  # a photo's height as a share of its width
_MAT_TEXT_BYTES = 116


@dataclass(frozen=True)
class _Row:
    """One photo: what `imdb.mat` says of it, and how its file is made."""

    celeb_id: int  # the person's number in the .mat, counted from 1
    nm_id: int  # and in file names
    rm_id: int  # the photo's number in its name
    name: str
    dob: int
    dob_in_name: str
    photo_taken: int
    gender: float
    face_score: float
    second_face_score: float
    sitters: list[tuple[Person, int]]
    photo_seed: int
    side_px: int
    change_image: Callable[[np.ndarray], np.ndarray] = lambda image: image
    change_file: Callable[[bytes], bytes | None] = lambda data: data  # None: there is no file

    @property
    def age_years(self):
        return self.sitters[0][1]

    @property
    def full_path(self):
        name = f"nm{self.nm_id:07d}_rm{self.rm_id}_{self.dob_in_name}_{self.photo_taken}.jpg"
        return f"{self.nm_id % 100:02d}/{name}"

    @property
    def face_location(self):
        """Left, top, right and bottom in a photo of the crop's size; without a face all of it."""
        if not self.sitters:
            return np.array([[1.0, 1.0, self.side_px, self.side_px * _WIDE_HEIGHT]])
        margin_px = _MARGIN * self.side_px
        return np.array([[1 + margin_px] * 2 + [self.side_px - margin_px] * 2])


# What is odd about the original's rows: the share of all rows, and what is then other than in a
# faultless row, given that row, a row of somebody else of another age, and a generator.
_ODDITIES = (
    (0.05, lambda row, other, rng: {"sitters": [], "face_score": -np.inf, "change_image": _widen}),
    (0.03, lambda row, other, rng: {"face_score": rng.uniform(0.05, 0.99)}),
    (0.05, lambda row, other, rng: _with_neighbour(row, other, rng)),
    (0.02, lambda row, other, rng: {"gender": np.nan}),
    (0.01, lambda row, other, rng: {"photo_taken": row.photo_taken - row.age_years - 3}),
    (0.005, lambda row, other, rng: {"photo_taken": row.photo_taken + 150}),
    (0.003, lambda row, other, rng: {"dob": 0}),  # no date of Python's calendar, as the next two
    (0.003, lambda row, other, rng: {"dob": 1}),
    (0.003, lambda row, other, rng: {"dob": 366}),
    (0.01, lambda row, other, rng: {"change_file": lambda data: None}),
    (0.003, lambda row, other, rng: {"change_file": lambda data: b""}),
    (0.003, lambda row, other, rng: {"change_file": lambda data: b"This is not a JPEG.\n" * 20}),
    (0.005, lambda row, other, rng: {"change_file": lambda data: data[: len(data) // 2]}),
    (0.004, lambda row, other, rng: _with_photo_of(other)),
    # The last are odd but right: they are to be kept.
    (0.02, lambda row, other, rng: {"change_image": _to_grey}),
    (0.02, lambda row, other, rng: {"change_image": _cut_a_side}),
    (0.01, lambda row, other, rng: {"dob_in_name": f"{row.dob_in_name[:4]}-00-00"}),
)


def draw_face(rng: np.random.Generator, age_years: int, gender: int, side: int) -> np.ndarray:
    """Draws the face of somebody new, framed like the original's crops.

    Args:
        rng: source of all choices; in the same state it draws the same picture.
        age_years: the age to show, 0 or more.
        gender: `labels.FEMALE` or `labels.MALE`.
        side: of the picture, in pixels.

    Returns:
        `(side, side, 3)` uint8, BGR.

    Raises:
        ValueError: no such gender.
    """
    return draw_photo(rng, [(draw_person(rng, gender), age_years)], side)


def draw_photo(
    rng: np.random.Generator, sitters: list[tuple[Person, int]], side: int
) -> np.ndarray:
    """Draws a background and any number of people before it.

    Args:
        rng: source of all choices.
        sitters: person and age in years of each face: the first in the middle, others at the edge.
        side: of the picture, in pixels.

    Returns:
        `(side, side, 3)` uint8, BGR.
    """
    canvas = Canvas(draw_background(rng))
    for place, (person, age_years) in reversed(list(enumerate(sitters))):
        beside = place * rng.choice([-1, 1]) * rng.uniform(0.4, 0.5)
        canvas.pose(
            tilt=np.deg2rad(np.clip(rng.normal(0, 5), -12, 12)),
            yaw=np.deg2rad(np.clip(rng.normal(0, 9), -20, 20)),
            pitch=np.deg2rad(rng.normal(0, 3)),
            scale=np.clip(rng.normal(1, 0.05), 0.88, 1.12) * 0.85**place,
            centre=rng.normal((0.5 + beside, 0.51), 0.015),
        )
        draw_head(canvas, person, age_years, rng)
    return develop(canvas.image, rng, side)


def draw_sample(folder: Path, count: int = 1_200, seed: int = 0) -> Path:
    """Draws a data set of `count` rows in the original's layout, about seven photos a person.

    From 200 rows on, everything that is wrong with the original's rows occurs at least three times.

    Args:
        folder: is made where it is missing; files of the same names are replaced.
        count: rows of the `imdb.mat`, 1 or more.
        seed: the same seed and count give the same bytes in every file.

    Returns:
        The path of `imdb.mat`; the photos lie in folders beside it.

    Raises:
        ValueError: `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count must be 1 or more, not {count}")
    rng = np.random.default_rng(seed)
    rows = _make_odd(_invent_rows(rng, count), rng)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for row in tqdm(rows, desc="drawing faces", unit="face", file=sys.stderr):
        data = _take_photo(row, seed)
        if data is not None:
            path = folder / row.full_path
            path.parent.mkdir(exist_ok=True)
            with names_file(path):
                path.write_bytes(data)
    return _write_mat(folder / "imdb.mat", rows)


def _invent_rows(rng, count):
    rows = []
    middle_age_years = 0.0  # of the woman before, once there is one
    nm_ids = 1 + rng.choice(9_999_998, count, replace=False)
    while len(rows) < count:
        celeb_id = rows[-1].celeb_id + 1 if rows else 1
        # A woman and a man of about one age follow each other: the age must not tell the gender.
        # Over all people the ages' mean is about 38 and their standard deviation 20 years, so that
        # always answering the median errs by about 16 years.
        if celeb_id % 2:
            gender, middle_age_years = FEMALE, 100 * rng.beta(2.2, 3.4)
        else:
            gender = MALE
        person = draw_person(rng, gender)
        ages = np.abs(rng.normal(middle_age_years, 8, 3 + min(rng.geometric(0.35), 7))).round()
        ages = np.minimum(ages, MAX_AGE_YEARS).astype(int)
        last_year = _LAST_YEAR_TAKEN - rng.integers(0, 20)
        born = date(int(last_year - ages.max() - 1), 1, 1) + timedelta(int(rng.integers(0, 365)))
        before_july_2 = (born.month, born.day) <= (7, 1)  # the age is the one of 1 July
        for age_years in ages[: count - len(rows)].tolist():
            row = _Row(
                celeb_id=celeb_id,
                nm_id=int(nm_ids[celeb_id - 1]),
                rm_id=int(rng.integers(10**8, 4 * 10**9)),
                name="Zoë Ångström" if celeb_id == 1 else f"Drawing No. {celeb_id}",
                dob=born.toordinal() + _SERIAL_MINUS_ORDINAL_DAYS,
                dob_in_name=f"{born.year}-{born.month}-{born.day}",
                photo_taken=born.year + age_years + (0 if before_july_2 else 1),
                gender=float(gender),
                face_score=1 + rng.gamma(6, 0.6),
                second_face_score=np.nan,
                sitters=[(person, age_years)],
                photo_seed=len(rows),
                side_px=int(np.clip(rng.lognormal(np.log(290), 0.4), 60, 500)),
            )
            rows.append(row)
    return rows


def _make_odd(rows, rng):
    rows, untouched = list(rows), rng.permutation(len(rows)).tolist()
    for share, changes in _ODDITIES:
        for _ in range(max(_AT_LEAST, round(share * len(rows)))):
            if not untouched:  # there are fewer rows than oddities
                return rows
            at = untouched.pop()
            row = rows[at]
            unlike = (
                k
                for k in reversed(untouched)
                if rows[k].celeb_id != row.celeb_id and rows[k].age_years != row.age_years
            )
            other = next(unlike, None)
            if other is None:
                return rows
            untouched.remove(other)  # it stays as it is, lest a shared photo be spoiled later
            rows[at] = replace(row, **changes(row, rows[other], rng))
    return rows


def _take_photo(row, seed):
    """The bytes of the row's file, or None."""
    # Each photo has a generator of its own: an oddity changes no other picture.
    rng = np.random.default_rng([seed, row.photo_seed])
    image = row.change_image(draw_photo(rng, row.sitters, row.side_px))
    quality = int(rng.integers(60, 97))
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return row.change_file(data)


def _with_neighbour(row, other, rng):
    """Another face is at the edge, and the detector saw it."""
    return {"sitters": row.sitters + other.sitters, "second_face_score": rng.uniform(0.5, 4)}


def _with_photo_of(other):
    """The very photo of somebody else: one file under two people, whose ages contradict."""
    return {"sitters": other.sitters, "photo_seed": other.photo_seed, "side_px": other.side_px}


def _widen(image):
    """A whole photo, as where no face was found to crop."""
    return image[: round(len(image) * _WIDE_HEIGHT)]


def _cut_a_side(image):
    """An oblong crop, as at the edge of a photo."""
    return image[:, : len(image) * 5 // 6]


def _to_grey(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _write_mat(path, rows):
    """Writes the struct `imdb`: every field 1×N and of the original's type."""

    def numbers(field, dtype):
        return np.array([[getattr(row, field) for row in rows]], dtype)

    def cells(values):
        column = np.empty((1, len(values)), object)
        column[0, :] = values
        return column

    imdb = {
        "dob": numbers("dob", np.int32),
        "photo_taken": numbers("photo_taken", np.uint16),
        "full_path": cells([row.full_path for row in rows]),
        "gender": numbers("gender", np.float64),
        "name": cells([row.name for row in rows]),
        "face_location": np.empty((1, len(rows)), object),
        "face_score": numbers("face_score", np.float64),
        "second_face_score": numbers("second_face_score", np.float64),
        "celeb_names": cells(list(dict.fromkeys(row.name for row in rows))),
        "celeb_id": numbers("celeb_id", np.float64),
    }
    for k, row in enumerate(rows):
        imdb["face_location"][0, k] = row.face_location
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"imdb": imdb}, do_compression=True)
    # The format begins with 116 bytes of free text; SciPy writes the time there.
    text = b"MATLAB 5.0 MAT-file".ljust(_MAT_TEXT_BYTES)
    with names_file(path):
        path.write_bytes(text + buffer.getvalue()[_MAT_TEXT_BYTES:])
    return path
