"""What an epoch of the compact network's training shows, by the seed and the epoch alone."""

import math
import os

import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.augmentation import augment
from imdb_wiki.losses import age_bells
from imdb_wiki.pipeline import make_dataset
from imdb_wiki.recipe import Recipe


def size_of_epoch(recipe: Recipe, epoch: int) -> int:
    """Side in pixels of the images that an epoch trains on, in steps of 16."""
    third = min(2, 3 * epoch // recipe.epochs)
    side = recipe.first_image_size + third * (recipe.image_size - recipe.first_image_size) / 2
    return recipe.image_size if third == 2 else round(side / 16) * 16


def epoch_rows(frame: pd.DataFrame, recipe: Recipe, epoch: int) -> pd.DataFrame:
    """The rows that an epoch shows, each folder's share of them, in the epoch's order."""
    rng = np.random.default_rng((recipe.seed, epoch))
    chosen = []
    for folder, share in zip(frame["folder"].unique(), recipe.folder_shares, strict=True):
        rows = rng.permutation(np.flatnonzero(frame["folder"] == folder))
        chosen.append(rows[: math.ceil(share * len(rows))])
    return frame.iloc[rng.permutation(np.concatenate(chosen))]


def epoch_seed(seed: int, epoch: int) -> int:
    """The number that an epoch's chance is drawn from."""
    return seed * 100_003 + epoch  # no epoch of one seed meets one of the next


def with_distribution(labels: dict, recipe: Recipe, taught: tf.Tensor | None = None) -> dict:
    """Adds `age_distribution` (batch, 101): the label's bell, and what the teacher says of it."""
    bells = age_bells(labels["age_years"], recipe.label_width_years)
    if taught is not None:
        bells = (1 - recipe.teacher_weight) * bells + recipe.teacher_weight * taught
    return labels | {"age_distribution": bells}


def training_batches(
    frame: pd.DataFrame, recipe: Recipe, epoch: int, taught: np.ndarray | None = None
) -> tf.data.Dataset:
    """One epoch's batches, shuffled and augmented; the same for the same seed and epoch.

    Args:
        frame: Rows of `read_split`.
        recipe: Sizes, seed and augmentation.
        epoch: Number of the epoch, from 0.
        taught: The teacher's distribution of each row's age, (count, 101).

    Returns:
        Batches as of `make_dataset`, and of `age_distribution` (batch, 101).
    """
    rows = epoch_rows(frame, recipe, epoch)
    batches = make_dataset(rows, recipe.source_size, recipe.batch_size)
    size = size_of_epoch(recipe, epoch)
    first_seed = epoch_seed(recipe.seed, epoch)
    if taught is not None:
        of_rows = tf.data.Dataset.from_tensor_slices(taught[rows.index]).batch(recipe.batch_size)
        batches = tf.data.Dataset.zip(batches, of_rows)

    def change(step: tf.Tensor, batch: tuple) -> tuple[tf.Tensor, dict]:
        seed = tf.stack([first_seed, tf.cast(step, tf.int32)])
        (images, labels), of_batch = batch if taught is not None else (batch, None)
        changed = augment(images, size, seed, recipe.augmentation)
        return changed, with_distribution(labels, recipe, of_batch)

    return batches.enumerate().map(change, os.cpu_count()).prefetch(2)
