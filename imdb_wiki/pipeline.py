"""From a prepared folder's CSV to batches: decoded in parallel, never the whole set in memory."""

import contextlib
import math
import os
from collections.abc import Generator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.command import whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json
from imdb_wiki.labels import (
    FEMALE,
    MALE,
    MAX_AGE_YEARS,
    MIN_AGE_YEARS,
    SPLIT_NAMES,
    TASK_OUTPUTS,
    TASKS,
    with_age_ranges,
)
from imdb_wiki.options import read_image_size, read_value

# Lets TensorFlow keep memory between steps on a CPU. By default it returns all of it to the system
# after each step and asks for it again, which takes a quarter of the time.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")

MAX_BATCH_SIZE = 65_536  # more is a mistake, and would be noticed only when the memory is full
MAX_SEED = 2_000_000_000  # what all that is seeded takes, with something added for each use

_LABEL_COLUMNS = ("filename", "age", "gender")


def read_split(
    prepared_dirs: str | PathLike | Sequence[str | PathLike],
    split: str,
    incomplete: bool = False,
    left_out: str | PathLike = "",
) -> pd.DataFrame:
    """Reads one split's CSV of one prepared folder or of several.

    Args:
        prepared_dirs: A folder that `imdb_wiki_preparation.py` wrote, or a list of them.
        split: `train`, `val` or `test`.
        incomplete: Whether ages may be ranges, and labels missing. If not, such a row is an error:
            who reads `age` never meets an empty one unprepared.
        left_out: A list of faces that are not read, `left_out.csv` of an audit; "" for none.

    Returns:
        One row an image, in the files' order: the CSV's columns (`age` in whole years, `gender`
        0 female, 1 male), `path`, the absolute path of the image, and `folder`, the prepared
        folder as it was given. With `incomplete`, `age_low` and `age_high` are the ends of each
        age's range in years: equal where it is exact, NaN where nothing is known; `age` and
        `gender` are floats with NaN where some are not known.

    Raises:
        FileNotFoundError: A folder or its CSV is missing.
        InputError: A CSV is empty or unreadable, a column is missing, a label is out of range, or
            no folder is given, or one twice; the list is none, is of other folders, or leaves
            nothing.
    """
    if isinstance(prepared_dirs, str | PathLike):
        prepared_dirs = [prepared_dirs]
    elif not isinstance(prepared_dirs, list | tuple):
        raise InputError(f"{prepared_dirs!r} is neither a prepared folder nor a list of them")
    places = [Path(prepared_dir).resolve() for prepared_dir in prepared_dirs]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{prepared_dirs[number]} is named twice among the prepared folders")
    frames = [_read_one(Path(folder), split, incomplete) for folder in prepared_dirs]
    if not frames:
        raise InputError("no prepared folder was given")
    frame = pd.concat(frames, ignore_index=True)
    return without_listed(frame, split, left_out) if left_out else frame


def without_listed(frame: pd.DataFrame, split: str, left_out: str | PathLike) -> pd.DataFrame:
    """Leaves out the faces that a list names.

    A face is the same if the file's name in its folder is, and where both say from which photo it
    was made, that: another data set's folder may have the same names.

    Args:
        frame: Rows of `read_split`.
        split: Of `read_split`.
        left_out: A CSV with the columns `filename` and `split`, and perhaps `source`.

    Raises:
        InputError: The file is no such list; it names faces, but none of these folders'; or it
            leaves nothing of the split.
    """
    path = Path(left_out)
    try:
        listed = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # pandas' parser errors and undecodable bytes are ValueErrors
        raise InputError(f"{path} cannot be read: {error}") from error
    if not {"filename", "split"} <= set(listed):
        raise InputError(f"{path} is no list of faces to leave out: it lacks filename or split")
    keys = ["filename", "source"] if "source" in listed and "source" in frame else ["filename"]
    named = pd.MultiIndex.from_frame(listed[keys])
    there = pd.MultiIndex.from_frame(frame[keys].astype(str)).isin(named)
    if not there.any() and (listed["split"] == split).any():
        raise InputError(
            f"{path} is a list of other folders: it names no face of the {split} split"
        )
    if there.all():
        raise InputError(f"{path} leaves no face of the {split} split")
    return frame[~there].reset_index(drop=True)


def has_labels_of(frame: pd.DataFrame, task: str) -> bool:
    """Whether at least one row of `read_split` has a label of a task, of `labels.TASKS`."""
    return bool(_labels_and_known(frame)[1][TASK_OUTPUTS[task]].any())


def refuse_unlabelled(frame: pd.DataFrame, split: str, tasks: Sequence[str] = TASKS) -> None:
    """Checks that a split has at least one label of each task.

    Args:
        frame: Rows of `read_split`.
        split: What the message calls them.
        tasks: What a network is to learn, of `labels.TASKS`.

    Raises:
        InputError: It has none of one of them.
    """
    for task in tasks:
        if not has_labels_of(frame, task):
            others = " ".join(other for other in tasks if other != task)
            hint = f"; without it, this can be done for the task {others}" if others else ""
            raise InputError(f"no face of the {split} split has a label of its {task}{hint}")


def splits_of(prepared_dirs: Sequence[str | PathLike]) -> list[str]:
    """Names the splits to read: train and val always, test where every folder has one.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`.
    """
    has_test = all((Path(folder) / "test.csv").is_file() for folder in prepared_dirs)
    return [name for name in SPLIT_NAMES if name != "test" or has_test]


def are_drawings(prepared_dirs: Sequence[str | PathLike]) -> bool:
    """Whether one of the folders holds the drawn sample, by its `report.json`."""
    for folder in prepared_dirs:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # own folders have no report
            report = parse_json((Path(folder) / "report.json").read_bytes())
            if report.get("arguments", {}).get("dataset") == "sample":
                return True
    return False


def _read_one(prepared_dir: Path, split: str, incomplete: bool) -> pd.DataFrame:
    csv_path = prepared_dir / f"{split}.csv"
    if not csv_path.is_file():
        raise FileNotFoundError(f"no {split} split: {csv_path} does not exist")
    try:
        frame = pd.read_csv(
            csv_path,
            dtype={"filename": str, "identity": str, "source": str},
            keep_default_na=False,  # a person may be called NA
            na_values={"face_score": [""]},
        )
    except ValueError as error:  # pandas' parser errors and undecodable bytes are ValueErrors
        raise InputError(f"{csv_path} cannot be read: {error}") from error
    missing = [name for name in _LABEL_COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"{csv_path} lacks the column {', '.join(missing)}")
    if frame.empty:
        raise InputError(f"{csv_path} has no rows")
    unnamed = (frame["filename"].str.strip() == "").to_numpy()
    if unnamed.any():
        raise InputError(f"{csv_path}, line {int(unnamed.argmax()) + 2}: it has no filename")
    ends = [name for name in ("age_low", "age_high") if name in frame]
    for name, lowest, highest in (
        *((name, MIN_AGE_YEARS, MAX_AGE_YEARS) for name in ("age", *ends)),
        ("gender", FEMALE, MALE),
    ):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        # Only the preparation's own columns say that an empty cell is meant.
        empty = (frame[name].isna() | (frame[name].astype(str).str.strip() == "")) & (
            len(ends) == 2
        )
        bad = (~numbers.between(lowest, highest) | (numbers % 1 != 0)) & ~empty
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise InputError(
                f"{csv_path}, line {row + 2}: {name} is {str(frame[name].iloc[row])!r}, "
                f"not a whole number from {lowest} to {highest}"
            )
        if empty.any() and not incomplete and name in _LABEL_COLUMNS:
            row = int(empty.to_numpy().argmax())
            raise InputError(
                f"{csv_path}, line {row + 2}: {name} is empty; ages that are ranges, and missing "
                "labels, cannot be used here"
            )
        frame[name] = numbers.astype("float64" if empty.any() else "int32")
    if incomplete:
        frame = _checked_ranges(with_age_ranges(frame), csv_path)
    crop_dir = prepared_dir.resolve() / "crop"
    paths = [str(crop_dir / name) for name in frame["filename"]]
    return frame.assign(path=paths, folder=str(prepared_dir))


def _checked_ranges(frame: pd.DataFrame, csv_path: Path) -> pd.DataFrame:
    """The rows with the ends of each age's range, both or none; an exact age is both."""
    for end in ("age_low", "age_high"):
        frame[end] = frame["age"].where(frame["age"].notna(), frame[end])
    low, high = frame["age_low"], frame["age_high"]
    bad = ((low.isna() != high.isna()) | (low > high)).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{csv_path}, line {row + 2}: age_low {low.iloc[row]:g} and age_high "
            f"{high.iloc[row]:g} are no range"
        )
    return frame


def decode(path: tf.Tensor, image_size: int | tuple[int, int]) -> tf.Tensor:
    """Reads one JPEG, and resizes it only where its size differs.

    Works eagerly and inside `tf.data`. The pixels are those of `cv2.imread` and, when shrinking,
    of `cv2.resize(..., interpolation=cv2.INTER_AREA)`, so that a face is the same in training
    and in any later use.

    Args:
        path: Path of the file, a scalar string.
        image_size: Side of the square image in pixels, or (height, width).

    Returns:
        uint8 (height, width, 3), RGB.
    """
    height, width = (int(side) for side in np.broadcast_to(image_size, 2))
    image = _read_jpeg(path)
    same_size = tf.reduce_all(tf.shape(image)[:2] == (height, width))
    image = tf.cond(same_size, lambda: image, lambda: _resize(image, height, width))
    return tf.ensure_shape(image, (height, width, 3))


def _read_jpeg(path: tf.Tensor) -> tf.Tensor:
    # TensorFlow's own default, INTEGER_FAST, differs from OpenCV's and Pillow's by up to 9 of 255.
    return tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")


def _resize(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    shrinks = tf.reduce_all(tf.shape(image)[:2] >= (height, width))
    resized = tf.cond(
        shrinks,  # averaging over areas is right for shrinking, and nearest neighbour for enlarging
        lambda: tf.image.resize(image, (height, width), method="area"),
        lambda: tf.image.resize(image, (height, width), method="bilinear", antialias=True),
    )
    return tf.cast(tf.round(tf.clip_by_value(resized, 0, 255)), tf.uint8)


def make_dataset(
    frame: pd.DataFrame,
    image_size: int | tuple[int, int],
    batch_size: int,
    training: bool = False,
    seed: int = 0,
    devices: int = 1,
    tasks: Sequence[str] = TASKS,
) -> tf.data.Dataset:
    """Makes the batches of one split.

    Where ages are ranges or labels are missing, each label has a weight: 0 where it is not known,
    so that it neither teaches nor is measured.

    What is shuffled are the file names, all of them and anew each epoch: a buffer of decoded
    images either shuffles badly or fills the memory. The last, short batch is kept.

    Several devices share each batch (`tf.distribute`), and TensorFlow may leave one of them none of
    a short batch, or of nine images for four: the mean over no images is NaN, and so are all
    weights after it. Therefore all batches then get the same number of images, a multiple of the
    devices. The last one is filled up with images that are shown once more. Where it is not for
    training, those have the weight 0, so that each image counts once.

    Args:
        frame: Rows of `read_split`.
        image_size: Side of the square image in pixels, or (height, width).
        batch_size: Images a batch, over all devices together; if they cannot share it equally, the
            next larger number that they can.
        training: Whether to shuffle.
        seed: Seed of the shuffling; the same seed gives the same order, epoch by epoch.
        devices: How many devices share each batch.
        tasks: What labels are wanted, of `labels.TASKS`.

    Returns:
        Batches of images, uint8 (batch, height, width, 3), RGB, and of labels, {"age_years":
        float32 (batch, 1), "gender": int32 (batch, 1)}. If not all labels of the frame are known
        and exact, `age_years` is (batch, 2), the ends of a range, and a third part are weights,
        {"age_years": float32 (batch,), "gender": float32 (batch,)}. For several devices and not for
        training there are weights, too, float32 (batch,), whose mean over all batches is 1; those
        of labels are multiplied by them.

    Raises:
        InputError: There are no rows, or a number is out of its range.
    """
    if frame.empty:
        raise InputError("there are no images: the split has no rows")
    sides = read_image_size(image_size)
    batch_size = read_value("batch_size", batch_size, whole_number(1, MAX_BATCH_SIZE))
    seed = read_value("seed", seed, whole_number(0, MAX_SEED))
    shown = np.arange(len(frame))
    if devices > 1:
        batch_size = devices * math.ceil(min(batch_size, len(frame)) / devices)
        shown_count = batch_size * math.ceil(len(frame) / batch_size)
        shown = np.arange(shown_count) % len(frame)
    rows = frame if training else frame.iloc[shown]
    outputs = [TASK_OUTPUTS[task] for task in tasks]
    labels, known = ({name: of[name] for name in outputs} for of in _labels_and_known(rows))
    # As bytes: a folder's name need not be UTF-8.
    columns = [np.array([os.fsencode(path) for path in rows["path"]], dtype=object), labels]
    counts = np.ones(len(rows), dtype="float32")
    if devices > 1 and not training:
        counts = np.arange(len(shown)) < len(frame)
        counts = (counts / counts.mean()).astype("float32")  # (count,)
        columns.append(counts)
    if not has_plain_labels(frame, tasks):
        columns[2:] = [{name: counts * known[name] for name in outputs}]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(columns))
    if training:
        dataset = dataset.shuffle(len(frame), seed=seed, reshuffle_each_iteration=True)
        if len(shown) > len(frame):
            dataset = dataset.repeat().take(len(shown))
    # TensorFlow's tuner sleeps for up to a minute between its looks, and the end of every epoch
    # waits for it to wake up: on a CPU up to half of a small epoch. Fixed numbers do as well.
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        dataset.map(
            lambda path, *others: (decode(path, sides), *others),
            num_parallel_calls=os.cpu_count(),
        )
        .batch(batch_size, drop_remainder=devices > 1)  # none remains: the shape is known
        .prefetch(2)  # batches: one to take and one that is being made
        .with_options(options)
    )


def has_plain_labels(frame: pd.DataFrame, tasks: Sequence[str] = TASKS) -> bool:
    """Whether each row of `read_split` has a label of each task, and no age is a range."""
    labels, known = _labels_and_known(frame)
    outputs = [TASK_OUTPUTS[task] for task in tasks]
    has_ranges = "age" in tasks and labels["age_years"].shape[1] > 1
    return not has_ranges and all(known[name].all() for name in outputs)


def _labels_and_known(frame: pd.DataFrame) -> tuple[dict, dict]:
    """Labels for a network, and whether each is known, both by output.

    An unknown age is the range of all ages, (count, 2), an unknown gender any number, (count, 1).
    """
    ends = with_age_ranges(frame)[["age_low", "age_high"]].to_numpy("float32")  # (count, 2)
    is_known = {
        "age_years": ~np.isnan(ends[:, 0]),
        "gender": frame["gender"].notna().to_numpy(),
    }  # each (count,)
    if (ends[:, 0] == ends[:, 1]).all():
        ages = ends[:, :1]  # (count, 1)
    else:
        ages = np.where(is_known["age_years"][:, np.newaxis], ends, (MIN_AGE_YEARS, MAX_AGE_YEARS))
    gender = frame["gender"].fillna(FEMALE).to_numpy("int32")[:, np.newaxis]  # (count, 1)
    return {"age_years": ages.astype("float32"), "gender": gender}, is_known


_UNREADABLE = (  # an image that is broken, missing, a folder, or not ours to read
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.FailedPreconditionError,
    tf.errors.PermissionDeniedError,
)


@contextlib.contextmanager
def named_broken_images(*frames: pd.DataFrame) -> Generator[None]:
    """Turns TensorFlow's nameless decoding error into one that names the file.

    Args:
        *frames: Rows of `read_split` whose images are read inside the `with` block.

    Raises:
        InputError: An image that the block read is missing or broken.
    """
    try:
        yield
    except _UNREADABLE as error:
        # Only now is it worth reading every file: TensorFlow stopped at one of them.
        for path in (path for frame in frames for path in frame["path"]):
            try:
                _read_jpeg(tf.constant(os.fsencode(path)))
            except _UNREADABLE:
                raise InputError(f"not a readable JPEG image: {path}") from error
        raise
