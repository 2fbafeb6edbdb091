"""From a prepared folder's rows to batches: decoded in parallel, never the whole set in memory."""

import contextlib
import math
import os
from collections.abc import Callable, Generator, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.backend import compiles_each_shape
from imdb_wiki.command import MAX_BATCH_SIZE, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.labels import TASK_OUTPUTS, TASKS
from imdb_wiki.options import read_image_size, read_value
from imdb_wiki.processes import WHOLE, Share
from imdb_wiki.split_tables import are_drawings as are_drawings
from imdb_wiki.split_tables import has_labels_of as has_labels_of
from imdb_wiki.split_tables import has_plain_labels, labels_and_known
from imdb_wiki.split_tables import read_split as read_split
from imdb_wiki.split_tables import refuse_unlabelled as refuse_unlabelled
from imdb_wiki.split_tables import splits_of as splits_of

# Lets TensorFlow keep memory between steps on a CPU. By default it returns all of it to the system
# after each step and asks for it again, which takes a quarter of the time.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")

MAX_SEED = 2_000_000_000  # what all that is seeded takes, with something added for each use


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
    return decode_jpeg(tf.io.read_file(path), image_size)


def decode_jpeg(content: tf.Tensor, image_size: int | tuple[int, int]) -> tf.Tensor:
    """As `decode`, from the bytes of the file."""
    height, width = (int(side) for side in np.broadcast_to(image_size, 2))
    # TensorFlow's own default, INTEGER_FAST, differs from OpenCV's and Pillow's by up to 9 of 255.
    image = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
    same_size = tf.reduce_all(tf.shape(image)[:2] == (height, width))
    image = tf.cond(same_size, lambda: image, lambda: _resize(image, height, width))
    return tf.ensure_shape(image, (height, width, 3))


def _resize(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    shrinks = tf.reduce_all(tf.shape(image)[:2] >= (height, width))
    resized = tf.cond(
        shrinks,  # averaging over areas is right for shrinking, and nearest neighbour for enlarging
        lambda: tf.image.resize(image, (height, width), method="area"),
        lambda: tf.image.resize(image, (height, width), method="bilinear", antialias=True),
    )
    return tf.cast(tf.round(tf.clip_by_value(resized, 0, 255)), tf.uint8)


def own_places(share: Share, count: int, batch_size: int) -> np.ndarray:
    """Which of the images that an epoch shows are in a process's share of the batches.

    Args:
        share: Which part of each batch.
        count: How many images are shown.
        batch_size: Images a batch, over all processes together.

    Returns:
        Places from 0 to `count` - 1, in their order.
    """
    in_batch = np.arange(count) % batch_size  # (count,)
    return np.flatnonzero(in_batch // (batch_size // share.count) == share.index)


def make_dataset(
    frame: pd.DataFrame,
    image_size: int | tuple[int, int],
    batch_size: int,
    training: bool = False,
    seed: int = 0,
    devices: int = 1,
    tasks: Sequence[str] = TASKS,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Makes the batches of one split.

    Where ages are ranges or labels are missing, each label has a weight: 0 where it is not known,
    so that it neither teaches nor is measured.

    What is shuffled are the file names, all of them and anew each epoch: a buffer of decoded
    images either shuffles badly or fills the memory. The last, short batch is kept.

    Several devices share each batch (`tf.distribute`), and TensorFlow may leave one of them none of
    a short batch, or of nine images for four: the mean over no images is NaN, and so are all
    weights after it. Therefore all batches then get the same number of images, a multiple of the
    devices; with JAX always, which compiles each size anew. The last one is filled up with images
    that are shown once more. Where it is not for training, those have the weight 0, so that each
    image counts once.

    Args:
        frame: Rows of `read_split`.
        image_size: Side of the square image in pixels, or (height, width).
        batch_size: Images a batch, over all devices together; if they cannot share it equally, the
            next larger number that they can.
        training: Whether to shuffle.
        seed: Seed of the shuffling; the same seed gives the same order, epoch by epoch.
        devices: How many devices share each batch.
        tasks: What labels are wanted, of `labels.TASKS`.
        share: Which rows of each batch are read, where several processes share it: all of theirs,
            one after the other, are the batch of one process. Not while shuffling.

    Returns:
        Batches of images, uint8 (batch, height, width, 3), RGB, and of labels, {"age_years":
        float32 (batch, 1), "gender": int32 (batch, 1)}. If not all labels of the frame are known
        and exact, `age_years` is (batch, 2), the ends of a range, and a third part are weights,
        {"age_years": float32 (batch,), "gender": float32 (batch,)}. Where the last batch is filled
        up and not for training there are weights, too, float32 (batch,), whose mean over all
        batches is 1; those of labels are multiplied by them.

    Raises:
        InputError: There are no rows, or a number is out of its range.
    """
    if frame.empty:
        raise InputError("there are no images: the split has no rows")
    sides = read_image_size(image_size)
    batch_size = read_value("batch_size", batch_size, whole_number(1, MAX_BATCH_SIZE))
    seed = read_value("seed", seed, whole_number(0, MAX_SEED))
    shown = np.arange(len(frame))
    same_sizes = compiles_each_shape() or devices > 1 or share.count > 1
    if same_sizes:
        parts = math.lcm(devices, share.count)
        batch_size = parts * math.ceil(min(batch_size, len(frame)) / parts)
        shown_count = batch_size * math.ceil(len(frame) / batch_size)
        shown = np.arange(shown_count) % len(frame)
    own = own_places(share, len(shown), batch_size)
    rows = frame if training else frame.iloc[shown[own]]
    outputs = [TASK_OUTPUTS[task] for task in tasks]
    labels, known = ({name: of[name] for name in outputs} for of in labels_and_known(rows))
    # As bytes: a folder's name need not be UTF-8.
    columns = [np.array([os.fsencode(path) for path in rows["path"]], dtype=object), labels]
    counts = np.ones(len(rows), dtype="float32")
    if same_sizes and not training:
        counts = np.arange(len(shown)) < len(frame)
        counts = (counts / counts.mean()).astype("float32")[own]  # (count,)
        columns.append(counts)
    if not has_plain_labels(frame, tasks):
        columns[2:] = [{name: (counts * known[name]).astype("float32") for name in outputs}]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(columns))
    if training:
        dataset = dataset.shuffle(len(frame), seed=seed, reshuffle_each_iteration=True)
        if len(shown) > len(frame):
            dataset = dataset.repeat().take(len(shown))
    # Where all batches have the same size, none remains to be dropped, and their shape is known.
    return decoded_batches(dataset, decode, sides, batch_size // share.count, same_sizes)


def decoded_batches(
    faces: tf.data.Dataset,
    decoding: Callable[[tf.Tensor, tuple[int, int]], tf.Tensor],
    sides: tuple[int, int],
    batch_size: int,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Decodes faces in parallel and makes batches of them.

    Args:
        faces: The image in the form that `decoding` takes, and what else belongs to it.
        decoding: `decode` or `decode_jpeg`.
        sides: (height, width) in pixels.
        batch_size: Images a batch.
        drop_remainder: Whether a last, short batch is left out.
    """
    # TensorFlow's tuner sleeps for up to a minute between its looks, and the end of every epoch
    # waits for it to wake up: on a CPU up to half of a small epoch. Fixed numbers do as well.
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        faces.map(
            lambda image, *others: (decoding(image, sides), *others),
            num_parallel_calls=os.cpu_count(),
        )
        .batch(batch_size, drop_remainder=drop_remainder)
        .prefetch(2)  # batches: one to take and one that is being made
        .with_options(options)
    )


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
                tf.io.decode_jpeg(tf.io.read_file(os.fsencode(path)), channels=3)
            except _UNREADABLE:
                raise InputError(f"not a readable JPEG image: {path}") from error
        raise
