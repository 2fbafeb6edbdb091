"""What an epoch of the compact network's training shows, by the seed and the epoch alone."""

import dataclasses
import math
import os

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.backend import compiles_each_shape
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.models.answers import predict
from imdb_wiki.pipeline import make_dataset, named_broken_images
from imdb_wiki.progress import StepProgress
from imdb_wiki.training.compact.age_labels import with_distribution_weight, with_targets
from imdb_wiki.training.compact.augmentation import Augmentation, augment
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


def labelled(recipe: Recipe, images: tf.Tensor, labels: dict, *weights: dict) -> tuple:
    """A batch of `make_dataset` with the targets of `with_targets`, and their weights."""
    whole = (with_distribution_weight(one, labels) for one in weights)
    return images, with_targets(labels, recipe), *whole


def teachers_answers(
    teacher: keras.Model, frame: pd.DataFrame, recipe: Recipe, verbose: int = 0
) -> np.ndarray:
    """What the teacher says of each row: of the picture as it is, or the mean over its views.

    Args:
        teacher: A network that answers the recipe's tasks; ages with a distribution.
        frame: Rows of `read_split`.
        recipe: Sizes, and how many views.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        The distribution of ages and the probability of male, (count, 102); 0 where the teacher
        does not answer it.

    Raises:
        InputError: An image is missing or broken; the message names it.
    """
    if recipe.teacher_views == 0:
        return _joined(predict(teacher, frame, verbose=verbose))
    pictures = make_dataset(
        frame, recipe.source_size, recipe.batch_size, same_sizes=compiles_each_shape()
    )
    size = teacher.input_shape[1]
    total = np.zeros((len(frame), len(AGES_YEARS) + 1), dtype=np.float32)
    for view in range(recipe.teacher_views):

        def seen(step: tf.Tensor, batch: tuple, view: int = view) -> tf.Tensor:
            seed = tf.stack([view, tf.cast(step, tf.int32)])
            return augment(batch[0], size, seed, TEACHERS_CHANGES)

        views = pictures.enumerate().map(seen, os.cpu_count()).prefetch(2)
        watchers = [StepProgress(f"view {view + 1}", len(pictures))] if verbose else []
        with named_broken_images(frame):
            answers = teacher.predict(views, verbose=0, callbacks=watchers)
        total += _joined(answers)[: len(frame)]
    return total / recipe.teacher_views


def _joined(answers: dict[str, np.ndarray]) -> np.ndarray:
    count = len(next(iter(answers.values())))
    ages = answers.get("age_distribution", np.zeros((count, len(AGES_YEARS)), "float32"))
    male = answers["gender"][:, 1:] if "gender" in answers else np.zeros((count, 1), "float32")
    return np.concatenate([ages, male], axis=1)


def mixed(images: tf.Tensor, labels: dict, seed: tf.Tensor, mixing: float, *weights: dict) -> tuple:
    """Lays over each image another one of the batch, fainter, and mixes their ages alike.

    mixup after Zhang et al., https://arxiv.org/abs/1710.09412. The gender stays that of the
    stronger image: as a whole number it has no place between two.

    Args:
        images: (batch, height, width, 3) uint8.
        labels: As `with_targets` makes them.
        seed: (2,) int32; the same seed mixes in the same way.
        mixing: Both parameters of the beta distribution that the shares are drawn from.
        *weights: The labels' or the images' weights, each (batch,), if there are any.

    Returns:
        Images, labels and weights of the same shapes and types.
    """
    parts = tf.random.stateless_gamma((2, tf.shape(images)[0]), seed, mixing)
    share = tf.reduce_max(parts, axis=0) / tf.reduce_sum(parts, axis=0)  # of the image itself, ≥ ½

    def with_another(values: tf.Tensor) -> tf.Tensor:
        values = tf.cast(values, tf.float32)
        own = tf.reshape(share, [-1] + [1] * (values.shape.rank - 1))
        return own * values + (1 - own) * values[::-1]

    def ages_with_another(values: dict | tf.Tensor) -> dict | tf.Tensor:
        if not isinstance(values, dict):  # of the images
            return with_another(values)
        ages = {"age_years", "age_distribution"} & values.keys()
        return values | {name: with_another(values[name]) for name in ages}

    images = tf.cast(tf.round(with_another(images)), tf.uint8)
    return images, *map(ages_with_another, (labels, *weights))


def training_batches(
    frame: pd.DataFrame,
    recipe: Recipe,
    epoch: int,
    taught: np.ndarray | None = None,
    devices: int = 1,
) -> tf.data.Dataset:
    """One epoch's batches, shuffled and augmented; the same for the same seed and epoch.

    Args:
        frame: Rows of `read_split`.
        recipe: Sizes, seed and augmentation.
        epoch: Number of the epoch, from 0.
        taught: Of `teachers_answers`, (count, 102).
        devices: How many devices share each batch.

    Returns:
        Batches as of `make_dataset`, with the labels of `with_targets`.
    """
    rows = epoch_rows(frame, recipe, epoch)
    batches = make_dataset(
        rows,
        recipe.source_size,
        recipe.batch_size,
        devices=devices,
        tasks=recipe.tasks,
        same_sizes=compiles_each_shape(),
    )
    size = size_of_epoch(recipe, epoch)
    first_seed = epoch_seed(recipe.seed, epoch)
    if taught is not None:
        same_size = batches.element_spec[0].shape[0]  # None where the last batch is shorter
        shown = len(batches) * same_size if same_size else len(rows)  # with what fills it up
        of_rows = tf.data.Dataset.from_tensor_slices(taught[np.resize(rows.index, shown)])
        batches = tf.data.Dataset.zip(batches, of_rows.batch(same_size or recipe.batch_size))

    def change(step: tf.Tensor, batch: tuple) -> tuple:
        seed = tf.stack([first_seed, tf.cast(step, tf.int32)])
        (images, labels, *weights), of_batch = batch if taught is not None else (batch, None)
        images = augment(images, size, seed, recipe.augmentation)
        weights = [with_distribution_weight(one, labels) for one in weights]
        labels = with_targets(labels, recipe, of_batch)
        changed = (images, labels, *weights)
        if recipe.mixing > 0:
            # a seed of its own, so that what is mixed says nothing of what was changed
            mixing_seed = tf.random.experimental.stateless_fold_in(seed, 1)
            changed = mixed(images, labels, mixing_seed, recipe.mixing, *changed[2:])
        return changed

    return batches.enumerate().map(change, os.cpu_count()).prefetch(2)
