"""The two-branch network's augmentation: random layers of Keras that change images lightly."""

import keras
import numpy as np
from keras import layers

from imdb_wiki.command import number, whole_number, yes_or_no
from imdb_wiki.options import read_value
from imdb_wiki.pipeline import MAX_SEED


def augmentation_layers(
    seed: int = 0,
    flip: bool = True,
    translation: float = 0.05,
    zoom: float = 0.0,
    rotation: float = 0.0,
    brightness: float = 0.1,
    contrast: float = 0.0,
) -> list[keras.Layer]:
    """Makes the random layers that change training images lightly; 0 leaves a layer out.

    Args:
        seed: Seed of the random layers.
        flip: Whether to mirror half of the images.
        translation: Largest shift, as a share of the side.
        zoom: Largest change of scale, as a share.
        rotation: Largest rotation, as a share of a whole turn; 0.01 is 3.6 degrees.
        brightness: Largest shift of all values, as a share of 255.
        contrast: Largest change of contrast, as a share.

    Returns:
        Layers for images (batch, height, width, 3), 0–255, in the order in which they are applied.

    Raises:
        InputError: A number is out of its range.
    """
    share, below_one = number(0, 1), number(0, 1, below=True)
    seed = read_value("seed", seed, whole_number(0, MAX_SEED))
    flip = read_value("flip", flip, yes_or_no)
    translation = read_value("translation", translation, share)
    zoom = read_value("zoom", zoom, below_one)
    rotation = read_value("rotation", rotation, share)
    brightness = read_value("brightness", brightness, share)
    contrast = read_value("contrast", contrast, below_one)
    # What moves out of the picture is filled by its edge, as the preparation pads.
    edge = {"fill_mode": "nearest", "dtype": "float32"}
    light = {"value_range": (0, 255), "dtype": "float32"}
    random_layers = [
        flip and layers.RandomFlip("horizontal", seed=seed, dtype="float32"),
        translation and layers.RandomTranslation(translation, translation, seed=seed + 1, **edge),
        zoom and layers.RandomZoom(zoom, seed=seed + 2, **edge),
        rotation and layers.RandomRotation(rotation, seed=seed + 3, **edge),
        brightness and layers.RandomBrightness(brightness, seed=seed + 4, **light),
        contrast and layers.RandomContrast(contrast, seed=seed + 5, **light),
    ]
    return [layer for layer in random_layers if layer]


def augmented(images: np.ndarray, seed: int = 0, **amounts) -> np.ndarray:
    """Changes images as the training does, to look at them.

    Args:
        images: (count, height, width, 3), RGB, 0–255.
        seed: Another seed makes other changes.
        **amounts: As for `augmentation_layers`.

    Returns:
        (count, height, width, 3) uint8.
    """
    changed = keras.ops.cast(images, "float32")
    for layer in augmentation_layers(seed, **amounts):
        changed = layer(changed, training=True)
    pixels = keras.ops.convert_to_numpy(changed)
    return np.clip(np.round(pixels), 0, 255).astype("uint8")


def with_augmentation(network: keras.Model, seed: int = 0, **amounts) -> keras.Model:
    """Puts light augmentation before a network, for training only.

    Fit the returned model, save the given one: they share their weights, and outside training
    they answer the same.

    Args:
        network: A model of the contract in `imdb_wiki.networks`.
        seed: Seed of the random layers.
        **amounts: As for `augmentation_layers`.

    Returns:
        A model with the network's input and outputs.
    """
    image = keras.Input(network.input_shape[1:], name="image")  # (batch, 200, 200, 3), 0–255
    changed = image
    for layer in augmentation_layers(seed, **amounts):
        changed = layer(changed)
    return keras.Model(image, network(changed), name=f"augmented_{network.name}")
