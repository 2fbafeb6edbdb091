"""What an epoch of the compact network's training shows, by the seed and the epoch alone."""

import dataclasses
import math
import os

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.models.answers import predict
from imdb_wiki.pipeline import make_dataset, named_broken_images
from imdb_wiki.progress import StepProgress
from imdb_wiki.training.compact.augmentation import Augmentation, augment
from imdb_wiki.training.compact.losses import age_bells, years_of_ranges
from imdb_wiki.training.compact.recipe import Recipe

# How the pictures that a teacher answers differ: by what the same photo might have been cropped to.
TEACHERS_CHANGES = dataclasses.replace(
    Augmentation.none(), flip=True, zoom=0.08, shift=0.02, rotation_degrees=4.0
)


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
    """Adds `age_distribution`: the label's normal curve, mixed with the teacher's.

    Args:
        labels: Of `make_dataset`; without ages nothing is added.
        recipe: How wide the curve is, and how much the teacher's counts.
        taught: The teacher's distributions, (batch, 101).

    Returns:
        The labels with (batch, 101); where ages may be ranges, the (batch, 202) of
        `age_distribution_loss`.
    """
    if "age_years" not in labels:
        return labels
    ends, teacher = labels["age_years"], 0.0 if taught is None else recipe.teacher_weight
    is_exact = tf.cast(ends[:, :1] == ends[:, -1:], tf.float32)  # (batch, 1)
    curves = (1 - teacher) * age_bells(ends[:, :1], recipe.label_width_years) * is_exact
    if taught is not None:
        curves += teacher * taught
    if ends.shape[1] == 1:
        return labels | {"age_distribution": curves}
    years = (1 - teacher) * years_of_ranges(ends) * (1 - is_exact)
    return labels | {"age_distribution": tf.concat([curves, years], axis=1)}


def labelled(recipe: Recipe, images: tf.Tensor, labels: dict, *weights: dict) -> tuple:
    """A batch of `make_dataset` with `age_distribution` among its labels and their weights."""
    return images, with_distribution(labels, recipe), *map(_with_weight, weights)


def _with_weight(weights: dict) -> dict:
    """Adds the weights of `age_distribution`, whose loss knows itself which ages are unknown."""
    if "age_years" not in weights:
        return weights
    return weights | {"age_distribution": tf.ones_like(weights["age_years"])}


def taught_distributions(
    teacher: keras.Model, frame: pd.DataFrame, recipe: Recipe, verbose: int = 0
) -> np.ndarray:
    """The teacher's distribution of each row's age: for the picture, or the mean over its views.

    Args:
        teacher: A network with a distribution.
        frame: Rows of `read_split`.
        recipe: Sizes, and how many views.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        (count, 101).

    Raises:
        InputError: An image is missing or broken; the message names it.
    """
    if recipe.teacher_views == 0:
        return predict(teacher, frame, verbose=verbose)["age_distribution"]
    pictures = make_dataset(frame, recipe.source_size, recipe.batch_size)
    size = teacher.input_shape[1]
    total = np.zeros((len(frame), len(AGES_YEARS)), dtype=np.float32)
    for view in range(recipe.teacher_views):

        def seen(step: tf.Tensor, batch: tuple, view: int = view) -> tf.Tensor:
            seed = tf.stack([view, tf.cast(step, tf.int32)])
            return augment(batch[0], size, seed, TEACHERS_CHANGES)

        views = pictures.enumerate().map(seen, os.cpu_count()).prefetch(2)
        watchers = [StepProgress(f"view {view + 1}", len(pictures))] if verbose else []
        with named_broken_images(frame):
            total += teacher.predict(views, verbose=0, callbacks=watchers)["age_distribution"]
    return total / recipe.teacher_views


def mixed(images: tf.Tensor, labels: dict, seed: tf.Tensor, mixing: float, *weights: dict) -> tuple:
    """Lays over each image another one of the batch, fainter, and mixes their ages alike.

    mixup after Zhang et al., https://arxiv.org/abs/1710.09412. The gender stays that of the
    stronger image: as a whole number it has no place between two.

    Args:
        images: (batch, height, width, 3) uint8.
        labels: `age_years` (batch, 1), `age_distribution` (batch, 101), `gender` (batch, 1), as
            `with_distribution` makes them.
        seed: (2,) int32; the same seed mixes in the same way.
        mixing: Both parameters of the beta distribution that the shares are drawn from.
        *weights: The labels' weights, each (batch,), if there are any.

    Returns:
        Images, labels and weights of the same shapes and types.
    """
    parts = tf.random.stateless_gamma((2, tf.shape(images)[0]), seed, mixing)
    share = tf.reduce_max(parts, axis=0) / tf.reduce_sum(parts, axis=0)  # of the image itself, ≥ ½

    def with_another(values: tf.Tensor) -> tf.Tensor:
        values = tf.cast(values, tf.float32)
        own = tf.reshape(share, [-1] + [1] * (values.shape.rank - 1))
        return own * values + (1 - own) * values[::-1]

    def ages_with_another(values: dict) -> dict:
        ages = {"age_years", "age_distribution"} & values.keys()
        return values | {name: with_another(values[name]) for name in ages}

    images = tf.cast(tf.round(with_another(images)), tf.uint8)
    return images, *map(ages_with_another, (labels, *weights))


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
        Batches as of `make_dataset`, with `age_distribution` of `with_distribution`.
    """
    rows = epoch_rows(frame, recipe, epoch)
    batches = make_dataset(rows, recipe.source_size, recipe.batch_size, tasks=recipe.tasks)
    size = size_of_epoch(recipe, epoch)
    first_seed = epoch_seed(recipe.seed, epoch)
    if taught is not None:
        of_rows = tf.data.Dataset.from_tensor_slices(taught[rows.index]).batch(recipe.batch_size)
        batches = tf.data.Dataset.zip(batches, of_rows)

    def change(step: tf.Tensor, batch: tuple) -> tuple:
        seed = tf.stack([first_seed, tf.cast(step, tf.int32)])
        (images, labels, *weights), of_batch = batch if taught is not None else (batch, None)
        images = augment(images, size, seed, recipe.augmentation)
        labels = with_distribution(labels, recipe, of_batch)
        changed = (images, labels, *map(_with_weight, weights))
        if recipe.mixing > 0:
            # a seed of its own, so that what is mixed says nothing of what was changed
            mixing_seed = tf.random.experimental.stateless_fold_in(seed, 1)
            changed = mixed(images, labels, mixing_seed, recipe.mixing, *changed[2:])
        return changed

    return batches.enumerate().map(change, os.cpu_count()).prefetch(2)
