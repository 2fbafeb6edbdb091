"""Where in a face chip the detector's landmarks lie, and what a face loses through a photo.

    python benchmarks/framing.py --photo_dir UTKFace --model models/compact.keras

Real face chips are put into larger photos, at sizes and places drawn at random, on plain grounds,
on blotches and on blurred enlargements of themselves, and looked for. One half of them tells the
constants of `imdb_wiki/faces/detection.py`, as medians. The other half is predicted twice, as
the chip and as it is found and cut out of the photo: how far both ages are apart is what detection
and framing cost.
"""

import itertools
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.faces import detection
from imdb_wiki.faces.detection import Box
from imdb_wiki.images.pixels import decode
from imdb_wiki.prediction.faces import load_predictor, predict_faces
from imdb_wiki.tensorflow_start import start_tensorflow

PHOTO_HEIGHT, PHOTO_WIDTH = 768, 1024  # the largest that is searched as it is
CHIP_SIDES = (48, 600)  # least and most pixels of a chip in its photo
SIZE_BANDS = (48, 80, 160, 320, 601)


def ground(chip: np.ndarray, kind: int, random: np.random.Generator) -> np.ndarray:
    """What a chip is put on, (PHOTO_HEIGHT, PHOTO_WIDTH, 3) uint8."""
    size = PHOTO_WIDTH, PHOTO_HEIGHT
    if kind == 0:  # plain
        return np.full((PHOTO_HEIGHT, PHOTO_WIDTH, 3), random.integers(0, 256, 3), "uint8")
    if kind == 1:  # blotches
        blotches = random.integers(0, 256, (9, 12, 3), dtype="uint8")
        return cv2.resize(blotches, size, interpolation=cv2.INTER_CUBIC)
    few = cv2.resize(chip, (6, 6), interpolation=cv2.INTER_AREA)  # no face is left in it
    return cv2.resize(few, size, interpolation=cv2.INTER_CUBIC)


def put_into_photo(
    chip: np.ndarray, number: int, random: np.random.Generator
) -> tuple[np.ndarray, Box]:
    """A photo that shows the chip, and where."""
    side = int(np.exp(random.uniform(*np.log(CHIP_SIDES))))
    interpolation = cv2.INTER_AREA if side < len(chip) else cv2.INTER_CUBIC
    face = cv2.resize(chip, (side, side), interpolation=interpolation)
    left = int(random.integers(0, PHOTO_WIDTH - side + 1))
    top = int(random.integers(0, PHOTO_HEIGHT - side + 1))
    photo = ground(chip, number % 3, random)
    photo[top : top + side, left : left + side] = face
    return photo, Box(left, top, left + side, top + side)


def matching(boxes: list[Box], chip: Box) -> int | None:
    """Which box lies on the chip: its middle within the chip's middle half."""
    side = chip.right - chip.left
    for index, box in enumerate(boxes):
        off_x = (box.left + box.right - chip.left - chip.right) / 2 / side
        off_y = (box.top + box.bottom - chip.top - chip.bottom) / 2 / side
        if max(abs(off_x), abs(off_y)) < 0.25 and 0.4 < (box.right - box.left) / side < 1.6:
            return index
    return None


def measure_constants(chips: list[np.ndarray], random: np.random.Generator) -> None:
    """Prints where the landmarks lie in chips, how true that is, and how many faces were found."""
    places, found_landmarks, found_boxes = [], [], []
    sides, others, seconds = [], 0, []
    for index, chip in enumerate(tqdm(chips, desc="constants", disable=None)):
        photo, place = put_into_photo(chip, index, random)
        start = time.perf_counter()
        faces = [face for face in detection._raw_faces(photo) if face[1] >= detection.MIN_SCORE]
        seconds.append(time.perf_counter() - start)
        match = matching([Box(*box) for box, _, _ in faces], place)
        others += len(faces) - (match is not None)
        sides.append(place.right - place.left)
        if match is not None:
            box, _, landmarks = faces[match]
            places.append(place)
            found_boxes.append(box)
            found_landmarks.append(landmarks)
    print(
        f"{len(places)} of {len(chips)} chips found, {others} finds elsewhere, median "
        f"{1000 * statistics.median(seconds):.0f} ms a photo of {PHOTO_WIDTH} × {PHOTO_HEIGHT}"
    )
    corners = np.array(places)[:, :2]
    found_sides = np.array([place.right - place.left for place in places])
    sides = np.array(sides)
    for low, high in itertools.pairwise(SIZE_BANDS):
        found, given = (np.sum((low <= s) & (s < high)) for s in (found_sides, sides))
        print(f"  chips of {low}–{high - 1} pixels: {found} of {given}")
    shares = (found_landmarks - corners[:, np.newaxis]) / found_sides[:, np.newaxis, np.newaxis]
    medians = np.median(shares, axis=0)
    print("CHIP_LANDMARKS now and as measured, with deviations:")
    for now, median, values in zip(
        detection.CHIP_LANDMARKS, medians, shares.swapaxes(0, 1), strict=True
    ):
        spread = ", ".join(f"{mad(column):.3f}" for column in values.T)
        print(f"  {now} ({median[0]:.3f}, {median[1]:.3f}) ± ({spread})")
    chips_found = np.array([detection.chip_of(landmarks) for landmarks in found_landmarks])
    off = (chips_found[:, :2] - corners) / found_sides[:, np.newaxis]
    by_landmarks = {
        "side": chips_found[:, 2] / found_sides,
        "left": off[:, 0],
        "top": off[:, 1],
        "degrees": np.degrees(chips_found[:, 3]),
    }
    boxes = np.array(found_boxes)
    units = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 - corners - found_sides[:, np.newaxis] / 2
    by_box = {"side": units / found_sides}
    by_box |= dict(zip(("left", "top"), (middles / found_sides[:, np.newaxis]).T, strict=True))
    print("chips found against the true ones, in shares of their side (median ± deviation):")
    for name, values in (("by landmarks", by_landmarks), ("by the box", by_box)):
        texts = [f"{n} {np.median(v):.3f} ± {mad(v):.3f}" for n, v in values.items()]
        print(f"  {name:<14}{', '.join(texts)}")


def mad(values: np.ndarray) -> float:
    """Median absolute deviation, scaled to the standard deviation of a normal distribution."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def check_put_back(chips: list, ages: list, model, random: np.random.Generator) -> None:
    """Prints how far the age through a photo is from the age of the chip itself."""
    crops = predict_faces(chips, model, crops=True)
    rows = []
    for index, (chip, crop, age) in enumerate(
        zip(tqdm(chips, desc="put back", disable=None), crops, ages, strict=True)
    ):
        photo, place = put_into_photo(chip, index, random)
        faces = predict_faces([photo], model)
        match = matching([face.box for face in faces], place)
        if match is not None:
            face = faces[match]
            same = face.gender == crop.gender
            rows.append((crop.age_years, face.age_years, age, same, place.right - place.left))
    crop_ages, photo_ages, true_ages, same, sides = np.array(rows).T
    apart = np.abs(crop_ages - photo_ages)
    print(f"{len(rows)} of {len(chips)} chips found; age through the photo against the chip's own:")
    print(
        f"  mean {apart.mean():.2f} years apart, median {np.median(apart):.2f}, 90% within "
        f"{np.quantile(apart, 0.9):.2f}, bias {np.mean(photo_ages - crop_ages):+.2f}; "
        f"the same gender {same.mean():.1%}"
    )
    for low, high in itertools.pairwise(SIZE_BANDS):
        band = (low <= sides) & (sides < high)
        if band.any():
            print(f"  chips of {low}–{high - 1} pixels: {apart[band].mean():.2f} ({band.sum()})")
    print(
        f"  mean error against the label: chip {np.abs(crop_ages - true_ages).mean():.2f}, "
        f"photo {np.abs(photo_ages - true_ages).mean():.2f} years"
    )


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Reads the arguments, measures and prints; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("faces").add_argument
    add(
        "--photo_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="UTKFace's folder of aligned and cropped faces",
    )
    add(
        "--names",
        type=Path,
        metavar="FILE",
        help="a split's CSV of imdb_wiki_preparation.py, to take its faces only (default: all)",
    )
    add(
        "--count",
        type=whole_number(4),
        default=600,
        metavar="FACES",
        help="most faces, half of them for either part",
    )
    add(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        default=0,
        metavar="SEED",
        help="whole number that faces, sizes and places are drawn from",
    )
    add = parser.add_argument_group("model").add_argument
    add(
        "--model",
        type=Path,
        metavar="FILE",
        help="a .keras, .tflite or .onnx file that answers for the second half (default: none, "
        "only the constants are measured)",
    )
    add(
        "--margin",
        type=number(0, 2),
        metavar="SHARE",
        help="for a model without .json: what its crops show beyond a face chip, as a share of "
        "the chip's side (default: that of the .json)",
    )
    options = parser.parse_args(arguments)
    random = np.random.default_rng(options.seed)
    names = sorted(path.name for path in options.photo_dir.glob("*.jpg"))
    if options.names:
        wanted = set(pd.read_csv(options.names)["source"])
        names = [name for name in names if name in wanted]
    names = random.permutation(names)[: options.count].tolist()
    if len(names) < 4:
        raise InputError(f"{options.photo_dir} holds {len(names)} of the faces, fewer than 4")
    chips = [decode((options.photo_dir / n).read_bytes(), 10**6)[..., ::-1] for n in names]
    half = len(chips) // 2
    measure_constants(chips[:half], random)
    if options.model:
        ages = [int(name.split("_")[0]) for name in names[half:]]
        start_tensorflow()
        model = load_predictor(options.model, options.margin)
        check_put_back(chips[half:], ages, model, random)
    return 0


if __name__ == "__main__":
    sys.exit(main())
