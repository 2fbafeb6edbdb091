"""From shards to batches, as `pipeline.make_dataset` makes them from a prepared folder."""

import contextlib
import itertools
import tarfile
from collections.abc import Generator, Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.command import MAX_BATCH_SIZE, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json
from imdb_wiki.options import read_image_size, read_value
from imdb_wiki.pipeline import MAX_SEED, decode_jpeg, decoded_batches
from imdb_wiki.shards.index import PACKAGE_MISSING, face_name, made_of, read_index
from imdb_wiki.split_tables import labels_and_known

_ROWS_AT_ONCE = 512  # faces whose labels are worked out together; one by one takes longer than JPEG
_OPEN_SHARDS = 16  # read at once: so that several data sets mix, and far below any limit of files
_UNREADABLE = (
    tf.errors.InvalidArgumentError,  # a broken image, or a `ValueError` of the code here
    tf.errors.UnknownError,  # another error of the code here
    tf.errors.FailedPreconditionError,  # fewer faces than the index says
)
_LABEL_COLUMNS = ("age", "gender", "age_low", "age_high", "weight")


def shard_batches(
    folders: str | PathLike | Sequence[str | PathLike],
    split: str,
    image_size: int | tuple[int, int],
    batch_size: int,
    training: bool = False,
    seed: int = 0,
    buffer_faces: int = 10_000,
) -> tf.data.Dataset:
    """Makes the batches of one split from shards, of which only a part is ever in memory.

    Training shuffles the order of the shards, reads several at once, and shuffles their faces in a
    buffer of compressed images; anew each epoch. The faces of a folder were dealt to its shards at
    random when these were written. The epochs are counted from 0 in each data set that is made.

    For one device, and labels of both tasks. What is damaged inside of a shard is met while the
    batches are read: `named_broken_shards` says where.

    Args:
        folders: A folder of the command `shards`, or several, pooled.
        split: `train`, `val` or `test`.
        image_size: Side of the square image in pixels, or (height, width).
        batch_size: Images a batch.
        training: Whether to shuffle.
        seed: Seed of the shuffling; the same seed gives the same order, epoch by epoch.
        buffer_faces: How many faces the buffer holds: 5 to 20 kB each.

    Returns:
        Batches of images and labels, with weights where some are missing, as `make_dataset` makes
        them. Their number is known.

    Raises:
        InputError: A folder is none of shards, a shard is missing or not whole, a number is out of
            its range, or WebDataset is not installed.
    """
    try:
        from webdataset.filters import shuffle
    except ImportError as error:
        raise InputError(PACKAGE_MISSING) from error
    sides = read_image_size(image_size)
    batch_size = read_value("batch_size", batch_size, whole_number(1, MAX_BATCH_SIZE))
    seed = read_value("seed", seed, whole_number(0, MAX_SEED))
    buffer_faces = read_value("buffer_faces", buffer_faces, whole_number(1))
    if isinstance(folders, str | PathLike):
        folders = [folders]
    found = [read_index(folder, split) for folder in folders]
    if not found:
        raise InputError("no folder of shards was given")
    is_plain = all(one.is_plain for one in found)
    age_columns = 2 if any(one.has_ranges for one in found) else 1
    paths = [
        str(Path(folder) / name)
        for folder, one in zip(folders, found, strict=True)
        for name in one.bytes_of
    ]
    epochs = itertools.count()

    def faces() -> Generator[tuple]:
        """JPEGs (some,), labels and perhaps weights, of one epoch."""
        epoch = next(epochs)
        if training:
            rng = np.random.default_rng((seed, epoch))
            order = rng.permutation(paths).tolist()
            by_chance = shuffle(buffer_faces, initial=buffer_faces, seed=seed * 100_003 + epoch)
            parts = [order[first::_OPEN_SHARDS] for first in range(_OPEN_SHARDS)]
            stream = by_chance(_dealt(parts, rng))
        else:
            stream = _faces_of(paths)
        while some := list(itertools.islice(stream, _ROWS_AT_ONCE)):
            yield _with_labels(some, is_plain, age_columns)

    labels = {
        "age_years": tf.TensorSpec((None, age_columns), tf.float32),
        "gender": tf.TensorSpec((None, 1), tf.int32),
    }
    weights = {name: tf.TensorSpec((None,), tf.float32) for name in labels}
    signature = (tf.TensorSpec((None,), tf.string), labels, *([] if is_plain else [weights]))
    count = tf.data.experimental.assert_cardinality(sum(one.faces for one in found))
    every = tf.data.Dataset.from_generator(faces, output_signature=signature).unbatch().apply(count)
    return decoded_batches(every, decode_jpeg, sides, batch_size)


def _dealt(parts: list[list[str]], rng: np.random.Generator) -> Generator[dict]:
    """Faces of several shards at once, the next one of a shard by chance.

    Each data set of several has shards of its own: one after the other they would not mix.

    Args:
        parts: Which shards are read one after the other, for each of those that are open at once.
        rng: What the chance is drawn from.
    """
    streams = [_faces_of(part) for part in parts if part]
    while streams:
        for place in rng.integers(0, len(streams), _ROWS_AT_ONCE):
            face = next(streams[place], None)
            if face is None:
                del streams[place]
                break
            yield face


def _faces_of(paths: list[str]) -> Iterator[dict]:
    """The faces of shards, one shard after the other: what their files hold, by ending."""
    from webdataset.tariterators import group_by_keys

    return group_by_keys(_members_of(paths))


def _members_of(paths: list[str]) -> Iterator[dict]:
    """The files in shards with their names, one after the other; {} at the end of each shard."""
    from webdataset.tariterators import tar_file_expander

    # Its own opening would take a path for an address, or for a pattern of several.
    return tar_file_expander(_opened(paths))


def _opened(paths: list[str]) -> Generator[dict]:
    """The files one after the other, in the form in which WebDataset takes them."""
    for path in paths:
        with Path(path).open("rb") as stream:
            yield {"url": path, "stream": stream}


def _with_labels(some: list[dict], is_plain: bool, age_columns: int) -> tuple:
    """JPEGs (some,), their labels and, where not all are known, how much each counts.

    Raises:
        ValueError: A text is no JSON, or a label is missing that the index says is there.
        KeyError: A face has no `json` or no `jpg`.
    """
    rows = pd.DataFrame([dict(parse_json(face["json"])) for face in some])
    columns = {*_LABEL_COLUMNS[:2], *(name for name in _LABEL_COLUMNS[2:] if name in rows)}
    rows = rows.reindex(columns=sorted(columns)).astype("float64")  # NaN where none says it
    if "weight" in rows:
        rows["weight"] = rows["weight"].fillna(1.0)  # of a folder that has no weights
    labels, counts = labels_and_known(rows)
    if is_plain and not all((of == 1).all() for of in counts.values()):
        raise ValueError("a label is missing")  # else it would be taught as the one that fills in
    ages = np.broadcast_to(labels["age_years"], (len(rows), age_columns))
    content = np.array([face["jpg"] for face in some], dtype=object)
    parts = content, {"age_years": ages, "gender": labels["gender"]}
    if is_plain:
        return parts
    return *parts, {name: of.astype("float32") for name, of in counts.items()}


@contextlib.contextmanager
def named_broken_shards(
    folders: str | PathLike | Sequence[str | PathLike], split: str
) -> Generator[None]:
    """Turns TensorFlow's error about something in a shard into one that names shard and face.

    Args:
        folders: Of `shard_batches`, whose batches are read inside of the `with` block.
        split: Likewise.

    Raises:
        InputError: An image or a label that the block read is damaged or missing.
    """
    try:
        yield
    except _UNREADABLE as error:
        # Only now is it worth reading every shard: TensorFlow stopped at one of them.
        for folder in [folders] if isinstance(folders, str | PathLike) else folders:
            if fault := _first_fault(Path(folder), split):
                raise InputError(
                    f"{fault}; remove this shard, and the command shards writes it again"
                ) from error
        raise


def _first_fault(folder: Path, split: str) -> str:
    """Says what is wrong in the shards of a split and where; nothing if they are as written."""
    found, faces_per_shard = read_index(folder, split), (made_of(folder) or {})["faces_per_shard"]
    numbers = iter(range(found.faces))
    for shard in found.bytes_of:
        path = folder / shard
        names = [
            face_name(number) + ending
            for number in itertools.islice(numbers, faces_per_shard)
            for ending in (".jpg", ".json")
        ]
        members = _members_of([str(path)])
        for name in names:
            try:
                member = next(members)
            except (tarfile.TarError, ValueError, EOFError):
                member = {}
            if not member:  # readers take most broken headers for the end
                return f"{path}: damaged where {name} should begin"
            if member["fname"] != name:
                return f"{path}: {name} is missing"
            try:
                if name.endswith(".jpg"):
                    tf.io.decode_jpeg(member["data"], channels=3)
                else:
                    face = {"jpg": b"", "json": member["data"]}
                    _with_labels([face], found.is_plain, 2 if found.has_ranges else 1)
            except tf.errors.InvalidArgumentError:
                return f"{path}: {name} is not a readable JPEG image"
            except (ValueError, TypeError, OverflowError):
                return f"{path}: {name} has not the labels of a face"
    return ""
