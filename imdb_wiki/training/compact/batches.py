"""What an epoch of the compact network's training shows, by the seed and the epoch alone."""

import dataclasses
import math
import os

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.backend import devices_of
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.models.answers import predict
from imdb_wiki.pipeline import make_dataset, named_broken_images, own_places
from imdb_wiki.processes import WHOLE, Share
from imdb_wiki.progress import StepProgress
from imdb_wiki.training.compact.age_labels import with_distribution_weight, with_targets
from imdb_wiki.training.compact.augmentation import Augmentation, Chance, augment
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
    teacher: keras.Model,
    frame: pd.DataFrame,
    recipe: Recipe,
    verbose: int = 0,
    share: Share = WHOLE,
) -> np.ndarray:
    """What the teacher says of each row: of the picture as it is, or the mean over its views.

    Several processes divide the batches; all of their answers, one after the other, are those for
    the frame and what fills its last batch up.

    Args:
        teacher: A network that answers the recipe's tasks; ages with a distribution.
        frame: Rows of `read_split`.
        recipe: Sizes, and how many views.
        verbose: Whether to show progress, 0 or 1.
        share: Which part of the batches this process answers.

    Returns:
        The distribution of ages and the probability of male, (count, 102); 0 where the teacher
        does not answer it.

    Raises:
        InputError: An image is missing or broken; the message names it.
    """
    devices, first_step = devices_of(teacher), 0
    if share.count > 1:
        batch_size = devices * math.ceil(min(recipe.batch_size, len(frame)) / devices)
        steps = math.ceil(len(frame) / batch_size)
        first_step, end = (steps * (share.index + i) // share.count for i in (0, 1))
        places = np.arange(first_step * batch_size, end * batch_size) % len(frame)
        if first_step == end:  # more processes than batches
            return np.zeros((0, len(AGES_YEARS) + 1), dtype=np.float32)
        frame = frame.iloc[places]
    if recipe.teacher_views == 0:
        return _joined(predict(teacher, frame, verbose=verbose))
    pictures = make_dataset(
        frame,
        recipe.source_size,
        recipe.batch_size,
        devices=devices,
    )
    size = teacher.input_shape[1]
    total = np.zeros((len(frame), len(AGES_YEARS) + 1), dtype=np.float32)
    for view in range(recipe.teacher_views):

        def seen(step: tf.Tensor, batch: tuple, view: int = view) -> tf.Tensor:
            seed = tf.stack([view, first_step + tf.cast(step, tf.int32)])
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


def mixed(own: tuple, others: tuple, seed: tf.Tensor, mixing: float, share: Share = WHOLE) -> tuple:
    """Lays over each image another one of the batch, fainter, and mixes their ages alike.

    mixup after Zhang et al., https://arxiv.org/abs/1710.09412; Keras' `MixUp` layer draws from a
    state of its own, which a training that goes on would not have. The gender stays that of the
    stronger image: as a whole number it has no place between two.

    Args:
        own: Images (batch, height, width, 3) uint8, labels as `with_targets` makes them, and, if
            there are any, the labels' or the images' weights, each (batch,).
        others: What lies over them, in the same form and from the last to the first: of a whole
            batch the batch itself, of a share of it the share as far from the batch's end as this
            one is from its start.
        seed: (2,) int32; the same seed mixes in the same way.
        mixing: Both parameters of the beta distribution that the shares are drawn from.
        share: Which part of a batch these images are.

    Returns:
        Images, labels and weights of the same shapes and types.
    """
    chance = Chance(seed, tf.shape(own[0])[0], share)
    parts = tf.random.stateless_gamma((2, chance.of_batch), seed, mixing)
    kept = tf.reduce_max(parts, axis=0) / tf.reduce_sum(parts, axis=0)  # of the image itself, ≥ ½
    kept = chance.own(kept)  # (batch,)

    def with_another(values: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
        part = tf.reshape(kept, [-1] + [1] * (values.shape.rank - 1))
        values, others = tf.cast(values, tf.float32), tf.cast(others, tf.float32)
        return part * values + (1 - part) * others[::-1]

    def ages_with_another(values: dict | tf.Tensor, others: dict | tf.Tensor) -> dict | tf.Tensor:
        if not isinstance(values, dict):  # of the images
            return with_another(values, others)
        ages = {"age_years", "age_distribution"} & values.keys()
        return values | {name: with_another(values[name], others[name]) for name in ages}

    images = tf.cast(tf.round(with_another(own[0], others[0])), tf.uint8)
    return images, *map(ages_with_another, own[1:], others[1:])


def training_batches(
    frame: pd.DataFrame,
    recipe: Recipe,
    epoch: int,
    taught: np.ndarray | None = None,
    devices: int = 1,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """One epoch's batches, shuffled and augmented; the same for the same seed and epoch.

    Args:
        frame: Rows of `read_split`.
        recipe: Sizes, seed and augmentation.
        epoch: Number of the epoch, from 0.
        taught: Of `teachers_answers`, (count, 102).
        devices: How many devices share each batch.
        share: Which part of each batch is wanted, where several processes share it.

    Returns:
        Batches as of `make_dataset`, with the labels of `with_targets`.
    """
    own = _augmented_batches(frame, recipe, epoch, taught, devices, share)
    if recipe.mixing == 0:
        return own.prefetch(2)
    # What lies over the images of a share is read here, too: it belongs to another process.
    mirrored = Share(share.count - 1 - share.index, share.count)
    others = own
    if mirrored != share:
        others = _augmented_batches(frame, recipe, epoch, taught, devices, mirrored)

    def mix(step: tf.Tensor, parts: tuple) -> tuple:
        # a seed of its own, so that what is mixed says nothing of what was changed
        seed = tf.random.experimental.stateless_fold_in(_seed_of_step(recipe, epoch, step), 1)
        own, others = parts if mirrored != share else (parts, parts)
        return mixed(own, others, seed, recipe.mixing, share)

    pairs = tf.data.Dataset.zip(own, others) if mirrored != share else own
    return pairs.enumerate().map(mix, os.cpu_count()).prefetch(2)


def _seed_of_step(recipe: Recipe, epoch: int, step: tf.Tensor) -> tf.Tensor:
    return tf.stack([epoch_seed(recipe.seed, epoch), tf.cast(step, tf.int32)])


def _augmented_batches(
    frame: pd.DataFrame,
    recipe: Recipe,
    epoch: int,
    taught: np.ndarray | None,
    devices: int,
    share: Share,
) -> tf.data.Dataset:
    """The batches of `training_batches`, of which none are mixed."""
    rows = epoch_rows(frame, recipe, epoch)
    batches = make_dataset(
        rows,
        recipe.source_size,
        recipe.batch_size,
        devices=devices,
        tasks=recipe.tasks,
        share=share,
    )
    size = size_of_epoch(recipe, epoch)
    if taught is not None:
        same_size = batches.element_spec[0].shape[0]  # None where the last batch is shorter
        places = np.arange(len(rows))
        if same_size:  # with what fills it up
            of_all = same_size * share.count
            places = own_places(share, len(batches) * of_all, of_all) % len(rows)
        of_rows = tf.data.Dataset.from_tensor_slices(taught[rows.index.to_numpy()[places]])
        batches = tf.data.Dataset.zip(batches, of_rows.batch(same_size or recipe.batch_size))

    def change(step: tf.Tensor, batch: tuple) -> tuple:
        seed = _seed_of_step(recipe, epoch, step)
        (images, labels, *weights), of_batch = batch if taught is not None else (batch, None)
        images = augment(images, size, seed, recipe.augmentation, share)
        whole = (with_distribution_weight(one, labels) for one in weights)
        return images, with_targets(labels, recipe, of_batch), *whole

    return batches.enumerate().map(change, os.cpu_count())
