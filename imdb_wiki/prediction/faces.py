"""Finds the faces in photos and predicts their ages and genders."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imdb_wiki.errors import InputError
from imdb_wiki.faces.detection import Box, detect_faces
from imdb_wiki.faces.framing import Framing
from imdb_wiki.labels import GENDER_NAMES
from imdb_wiki.models.description import find_description, read_description
from imdb_wiki.models.exported import EXPORTED_SUFFIXES, load_exported
from imdb_wiki.models.files import load_model, refuse_nan
from imdb_wiki.models.intervals import age_interval
from imdb_wiki.parallel import in_chunks


@dataclass(frozen=True)
class Predictor:
    """A model ready for use, with what its `.json` says."""

    # images (batch, image_size, image_size, 3) uint8 → those that it has of {"age_years":
    # (batch, 1), "gender": (batch, 2), "age_distribution": (batch, 101)}
    answer: Callable[[np.ndarray], dict[str, np.ndarray]]
    image_size: int  # side of the square input in pixels
    framing: Framing | None = None  # None: it is not known how its faces must be cut
    age_interval: dict | None = None  # constants of `intervals.age_interval`


@dataclass(frozen=True)
class Face:
    """What a model predicts for one face."""

    image_index: int  # of the photo in the list that was given, from 0
    box: Box  # left, top, right, bottom in the photo's pixels
    score: float | None  # the detector's, from 0 to 1; None for an input that is a crop
    age_years: float | None  # None if the model answers genders only
    age_low_years: float | None  # ends of the interval, None if the model has none
    age_high_years: float | None
    gender: str | None  # the data set's label: female or male; None if it answers ages only
    gender_probability: float | None  # of that label, from 0.5 to 1
    age_distribution: np.ndarray | None = None  # (101,) probability of each year from 0 to 100


def percent(probability: float) -> str:
    """Writes a probability as a percentage, at most 99%: no prediction is certain."""
    return f"{min(99, round(100 * probability))}%"


def gender_text(face: Face) -> str:
    """The likelier gender with its probability, `female 98%`; "" if the model answers none."""
    if face.gender is None or face.gender_probability is None:
        return ""
    return f"{face.gender} {percent(face.gender_probability)}"


def load_predictor(path: str | Path, margin: float | None = None) -> Predictor:
    """Loads a model for use.

    Args:
        path: A `.keras` file, or a `.tflite` or `.onnx` of `imdb_wiki.export`; its `.json`, of the
            same stem, is in the same folder.
        margin: Only for a model without `.json`: how much its training crops show beyond the face
            chip (see `detection`) on each side, as a share of the chip's side: 0 for UTKFace, 0.45
            for IMDB and WIKI.

    Returns:
        The predictor; its framing is None if there is neither `.json` nor `margin`.

    Raises:
        FileNotFoundError: There is no such model.
        InputError: It is not a model, has other inputs or outputs, or its `.json` is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such model: {path}")
    description_path = find_description(path)
    # Before the model, which takes seconds to load.
    description = read_description(description_path) if description_path else None
    if description and margin is not None:
        raise InputError(f"{description_path} says the margin already, it cannot be given again")
    if path.suffix.lower() in EXPORTED_SUFFIXES:
        plain_answer = load_exported(path)
        image_size = plain_answer.image_size
    else:
        plain_answer, image_size = _load_keras(path)

    def answer(images: np.ndarray) -> dict[str, np.ndarray]:
        answers = plain_answer(images)
        refuse_nan(answers, path)
        return answers

    if description is None:
        framing = None if margin is None else Framing(margin=margin)
        return Predictor(answer, image_size, framing)
    if description.image_size not in (None, image_size):
        raise InputError(
            f"{description_path}: image_size is {description.image_size}, {path} takes {image_size}"
        )
    return Predictor(answer, image_size, description.framing, description.age_interval)


def _load_keras(path: Path) -> tuple[Callable, int]:
    model = load_model(path)
    height, width = model.input_shape[1:3]
    if height != width:
        raise InputError(f"{path} takes images of {width} × {height}, not squares")

    def answer(images: np.ndarray) -> dict[str, np.ndarray]:
        return model.predict_on_batch(images.astype("float32"))

    return answer, height


def predict_faces(
    images: Iterable[np.ndarray],
    model: Predictor,
    crops: bool = False,
    batch_size: int = 32,
) -> list[Face]:
    """Finds the faces in photos and predicts their ages and genders.

    Only the crops of faces are kept in memory, so `images` may be a generator of any length.

    Args:
        images: Photos, each (height, width, 3) uint8, RGB, upright.
        model: What `load_predictor` returns.
        crops: Whether each image is the crop of one face, as the model's training crops.
        batch_size: Faces that the model predicts at once, from all photos together.

    Returns:
        The faces: photo after photo, and from left to right in each photo.

    Raises:
        InputError: It is not known how the model's faces must be cut, the detector is not
            installed, or the model answers NaN.
        ValueError: An image has another shape or type, or `images` is not a list of images.
    """
    if not isinstance(model, Predictor):
        raise ValueError(f"the model is a {type(model).__name__}, not what load_predictor returns")
    if (isinstance(images, np.ndarray) and images.ndim < 4) or not isinstance(images, Iterable):
        raise ValueError("images is not a list of images; for one image give [image]")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, not 1 or more")
    found = _found_faces(images, model, crops)
    return [face for batch in in_chunks(found, batch_size) for face in _answer(batch, model)]


def _checked(image: object, index: int) -> np.ndarray:
    """Refuses what `predict_faces` does not take; returns an array that OpenCV takes, too."""
    if image is None:
        raise ValueError(
            f"image {index} is None: cv2.imread returns None if it cannot read a file, and a "
            "camera may do so if there is no frame"
        )
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        hint = ": read it first" if isinstance(image, str | bytes | PathLike) else ""
        if hasattr(image, "convert"):  # Pillow's
            hint = ': give np.asarray(image.convert("RGB"))'
        raise ValueError(f"image {index} is a {kind}, not an array (height, width, 3){hint}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"image {index} is {image.dtype} {image.shape}, not uint8 (height, width, 3), RGB"
        )
    return np.ascontiguousarray(image)


class _Found(NamedTuple):
    """A face that was found, for the model."""

    image_index: int
    box: Box
    score: float | None
    crop: np.ndarray  # (size, size, 3) uint8


def _found_faces(images: Iterable[np.ndarray], model: Predictor, crops: bool) -> Iterator[_Found]:
    framing = model.framing or Framing()
    if model.framing is None and not crops:
        raise InputError(
            "the model has no .json that says how faces must be cut: give crops of faces "
            "(--crops), or say what its training crops show (--margin)"
        )
    for index, given in enumerate(images):
        image = _checked(given, index)
        if crops:
            height, width = image.shape[:2]
            crop = framing.fit(image, model.image_size)
            yield _Found(index, Box(0, 0, width, height), None, crop)
            continue
        for detection in detect_faces(image):
            crop = framing.crop(image, detection.chip, model.image_size)
            yield _Found(index, detection.box, detection.score, crop)


def _answer(batch: list[_Found], model: Predictor) -> list[Face]:
    answers = model.answer(np.stack([found.crop for found in batch]))
    none = [None] * len(batch)
    ages, distributions, lows, highs = none, none, none, none
    labels, probabilities = none, none
    if "age_years" in answers:
        ages = np.asarray(answers["age_years"], "float64")[:, 0].tolist()  # (batch,)
    if "gender" in answers:
        genders = np.asarray(answers["gender"], "float64")  # (batch, 2)
        labels = [GENDER_NAMES[code] for code in genders.argmax(axis=1)]
        probabilities = genders.max(axis=1).tolist()
    if "age_distribution" in answers:
        distributions = np.asarray(answers["age_distribution"])  # (batch, 101)
    if model.age_interval and "age_distribution" in answers:
        with np.errstate(all="ignore"):
            ends = age_interval(np.array(ages), np.array(distributions), model.age_interval)
        if not np.isfinite(ends).all():
            raise InputError("the model's age_distribution does not sum to 1")
        lows, highs = (end.tolist() for end in ends)
    return [
        Face(
            image_index=found.image_index,
            box=found.box,
            score=found.score,
            age_years=ages[row],
            age_low_years=lows[row],
            age_high_years=highs[row],
            gender=labels[row],
            gender_probability=probabilities[row],
            age_distribution=distributions[row],
        )
        for row, found in enumerate(batch)
    ]
