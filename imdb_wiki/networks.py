"""The networks, in pure Keras: built-in layers only, so that a saved file loads without this code.

Every network takes `image` (batch, height, width, 3), RGB, 0–255, and answers a dictionary:
`age_years` (batch, 1) and `gender` (batch, 2), the probabilities of female and male; networks with
a distribution add `age_distribution` (batch, 101), the probability of each year from 0 to 100.
"""

import keras
import numpy as np
from keras import layers

from imdb_wiki.command import number, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.labels import MAX_AGE_YEARS, MIN_AGE_YEARS
from imdb_wiki.options import read_image_size, read_value, read_values

AGES_YEARS = np.arange(MIN_AGE_YEARS, MAX_AGE_YEARS + 1)  # (101,)


def two_branch_cnn(
    image_size: int | tuple[int, int] = 200,
    age_filters: tuple[int, ...] = (16, 32, 64),
    age_last_filters: tuple[int, ...] = (128, 128),
    gender_filters: tuple[int, ...] = (16, 32, 64),
    kernel_size: int = 3,
    pool_size: int = 2,
    dense_units: int = 32,
    gender_dropout: float = 0.1,
    norm_momentum: float = 0.9,
    initial_age_years: float = 38.0,
    name: str = "two_branch_cnn",
) -> keras.Model:
    """Builds the two-branch network: one small CNN for the age, one for the gender.

    The branches share the image and nothing else. Without arguments it has 2,140,515 parameters,
    2,139,555 of them trainable, and flattens to 18,432 (age) and 40,000 (gender) values.

    Args:
        image_size: Side of the square image in pixels, or (height, width).
        age_filters: Filters of the age branch's convolutions that are each followed by a pool.
        age_last_filters: Filters of its last convolutions, which share one pool.
        gender_filters: Filters of the gender branch's convolutions, each followed by a pool.
        kernel_size: Side of every convolution's kernel in pixels.
        pool_size: Side of every max pool in pixels.
        dense_units: Units of the dense layer in each branch.
        gender_dropout: Share of values dropped after each of the gender branch's pools.
        norm_momentum: How slowly the statistics that are used outside training follow those of the
            batches. At Keras' 0.99 they lag behind for hundreds of steps, which on a small set is
            all there are: validation then looks like chance.
        initial_age_years: Where the age output starts; give the training set's mean age. Started
            at 0 its ReLU often is negative for every face and then never learns again.
        name: Name of the model.

    Returns:
        An uncompiled model: `image` (batch, height, width, 3), RGB, 0–255 → {"age_years":
        (batch, 1) in years, "gender": (batch, 2) probabilities of female, male}, both float32.

    Raises:
        InputError: The image is too small for the pools, or a number makes no layer.
    """
    height, width = read_image_size(image_size)
    positive = whole_number(1, 65_536)
    age_filters = read_values("age_filters", age_filters, positive)
    age_last_filters = read_values("age_last_filters", age_last_filters, positive)
    gender_filters = read_values("gender_filters", gender_filters, positive)
    kernel_size = read_value("kernel_size", kernel_size, positive)
    pool_size = read_value("pool_size", pool_size, positive)
    dense_units = read_value("dense_units", dense_units, positive)
    gender_dropout = read_value("gender_dropout", gender_dropout, number(0, 1, below=True))
    norm_momentum = read_value("norm_momentum", norm_momentum, number(0, 1))
    initial_age_years = read_value("initial_age_years", initial_age_years, number(0, MAX_AGE_YEARS))
    pools = max(len(age_filters) + 1, len(gender_filters))
    if min(height, width) < pool_size**pools:
        raise InputError(
            f"image_size: {min(height, width)} is too small, {pools} pools of {pool_size} need "
            f"{pool_size**pools} pixels a side"
        )

    def convolution(x, name, filters):
        convolved = layers.Conv2D(
            filters, kernel_size, padding="same", activation="relu", name=f"{name}_conv"
        )
        return layers.BatchNormalization(momentum=norm_momentum, name=f"{name}_norm")(convolved(x))

    image = keras.Input((height, width, 3), name="image")  # (batch, 200, 200, 3), 0–255
    scaled = layers.Rescaling(1 / 255, name="scaled")(image)  # 0–1

    age = scaled
    for place, filters in enumerate(age_filters, start=1):
        age = convolution(age, f"age_{place}", filters)
        age = layers.MaxPooling2D(pool_size, name=f"age_{place}_pool")(age)
    # (batch, 25, 25, 64)
    for place, filters in enumerate(age_last_filters, start=len(age_filters) + 1):
        age = convolution(age, f"age_{place}", filters)  # (batch, 25, 25, 128)
    age = layers.MaxPooling2D(pool_size, name="age_last_pool")(age)  # (batch, 12, 12, 128)
    age = layers.Flatten(name="age_flat")(age)  # (batch, 18432)
    age = layers.Dense(dense_units, activation="relu", name="age_dense")(age)  # (batch, 32)
    age = layers.Dense(
        1,
        activation="relu",  # no age below 0
        bias_initializer=keras.initializers.Constant(initial_age_years),
        dtype="float32",  # half precision has steps of 1/32 year at 40
        name="age_years",
    )(age)  # (batch, 1)

    gender = scaled
    for place, filters in enumerate(gender_filters, start=1):
        gender = convolution(gender, f"gender_{place}", filters)
        gender = layers.MaxPooling2D(pool_size, name=f"gender_{place}_pool")(gender)
        gender = layers.Dropout(gender_dropout, name=f"gender_{place}_dropout")(gender)
    # (batch, 25, 25, 64)
    gender = layers.Flatten(name="gender_flat")(gender)  # (batch, 40000)
    gender = layers.Dense(dense_units, activation="relu", name="gender_dense")(gender)
    gender = layers.Dense(2, activation="softmax", dtype="float32", name="gender")(gender)

    return keras.Model(image, {"age_years": age, "gender": gender}, name=name)


def compact_cnn(
    image_size: int | None = 96,
    stem_filters: int = 24,
    stage_filters: tuple[int, ...] = (40, 80, 144, 176),
    stage_blocks: tuple[int, ...] = (1, 2, 2, 1),
    squeeze_ratio: int = 8,
    dropout: float = 0.2,
    norm_momentum: float = 0.99,
    name: str = "compact_cnn",
) -> keras.Model:
    """Builds a small residual network with squeeze-and-excitation; its age is a distribution.

    Residual blocks after He et al., https://arxiv.org/abs/1512.03385; squeeze-and-excitation after
    Hu et al., https://arxiv.org/abs/1709.01507; the expectation of a distribution as the age
    after Rothe et al., https://doi.org/10.1007/s11263-016-0940-3.

    Args:
        image_size: Side of the square image in pixels; None takes any, to train at several.
        stem_filters: Filters of the first convolution, which halves the side.
        stage_filters: Filters of each stage, which halves the side once more.
        stage_blocks: Residual blocks of each stage.
        squeeze_ratio: What the channels are divided by between squeeze and excitation; 0 leaves
            both out.
        dropout: Share of the features dropped before the heads.
        norm_momentum: How slowly batch norm's statistics follow those of the batches.
        name: Name of the model.

    Returns:
        An uncompiled model: `image` (batch, height, width, 3), RGB, 0–255 → {"age_years":
        (batch, 1) in years, "age_distribution": (batch, 101), "gender": (batch, 2)}, all float32.

    Raises:
        ValueError: The numbers of stages differ, or the image is too small for them.
    """
    if len(stage_filters) != len(stage_blocks):
        raise ValueError(f"{len(stage_filters)} stages of filters, {len(stage_blocks)} of blocks")
    smallest = 2 ** (1 + len(stage_filters))
    if image_size is not None and image_size < smallest:
        raise ValueError(f"{len(stage_filters)} stages need {smallest} pixels a side")

    def norm(x, name):
        return layers.BatchNormalization(momentum=norm_momentum, name=f"{name}_norm")(x)

    def convolution(x, name, filters, kernel_size=3, strides=1):
        convolved = layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding="same",
            use_bias=False,  # the norm brings one
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)
        return norm(convolved, name)

    def squeeze_and_excite(x, name, filters):
        weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
        narrow = layers.Conv2D(
            filters // squeeze_ratio, 1, activation="relu", name=f"{name}_narrow"
        )
        weights = narrow(weights)
        weights = layers.Conv2D(filters, 1, activation="sigmoid", name=f"{name}_excite")(weights)
        return layers.Multiply(name=f"{name}_weigh")([x, weights])

    def block(x, name, filters, strides):
        y = layers.ReLU(name=f"{name}_relu_1")(convolution(x, f"{name}_1", filters, 3, strides))
        y = convolution(y, f"{name}_2", filters)
        if squeeze_ratio:
            y = squeeze_and_excite(y, name, filters)
        if strides > 1:
            x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool")(x)
        if x.shape[-1] != filters:
            x = convolution(x, f"{name}_shortcut", filters, kernel_size=1)
        return layers.ReLU(name=f"{name}_relu_2")(layers.Add(name=f"{name}_add")([x, y]))

    image = keras.Input((image_size, image_size, 3), name="image")  # (batch, 96, 96, 3), 0–255
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scaled")(image)  # −1–1
    x = convolution(x, "stem", stem_filters, kernel_size=5, strides=2)  # (batch, 48, 48, 24)
    x = layers.ReLU(name="stem_relu")(x)
    for stage, (filters, blocks) in enumerate(zip(stage_filters, stage_blocks, strict=True), 1):
        for place in range(1, blocks + 1):
            strides = 2 if place == 1 else 1
            x = block(x, f"stage_{stage}_block_{place}", filters, strides)
    # (batch, 3, 3, 176)
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (batch, 176)
    return _with_heads(image, x, dropout, name)


def _with_heads(image, features, dropout: float, name: str) -> keras.Model:
    """Answers from features (batch, n): a distribution's expectation, and a softmax."""
    features = layers.Dropout(dropout, name="dropout")(features)
    # float32: in half precision the probabilities do not sum to 1, and years are not exact
    gender = layers.Dense(2, activation="softmax", dtype="float32", name="gender")(features)
    distribution = layers.Dense(
        len(AGES_YEARS), activation="softmax", dtype="float32", name="age_distribution"
    )(features)  # (batch, 101)
    expectation = layers.Dense(
        1, use_bias=False, trainable=False, dtype="float32", name="age_years"
    )  # a dense layer whose weights are the years: built in, so the file loads anywhere
    age = expectation(distribution)  # (batch, 1)
    expectation.set_weights([AGES_YEARS[:, np.newaxis].astype("float32")])
    outputs = {"age_years": age, "age_distribution": distribution, "gender": gender}
    return keras.Model(image, outputs, name=name)


TRANSFER_BACKBONES = {  # by name: how keras.applications builds it, preprocessing inside
    "efficientnetv2_b0": keras.applications.EfficientNetV2B0,
    "convnext_tiny": keras.applications.ConvNeXtTiny,
}


def transfer_network(
    backbone: str = "efficientnetv2_b0",
    image_size: int | None = 112,
    weights: str | None = "imagenet",
    dropout: float = 0.2,
) -> keras.Model:
    """Builds a network on features that were learnt elsewhere.

    Args:
        backbone: A name of `TRANSFER_BACKBONES`: EfficientNetV2-B0 has 5.9 million parameters
            (https://arxiv.org/abs/2104.00298), ConvNeXt-Tiny 27.8 (https://arxiv.org/abs/2201.03545).
        image_size: Side of the square image in pixels; None takes any.
        weights: `imagenet` fetches Keras' weights on first use; None starts from random ones.
        dropout: Share of the features dropped before the heads.

    Returns:
        An uncompiled model as `compact_cnn` returns it; the backbone scales 0–255 itself.

    Raises:
        ValueError: There is no such backbone.
    """
    if backbone not in TRANSFER_BACKBONES:
        raise ValueError(f"no backbone {backbone!r}; there are {', '.join(TRANSFER_BACKBONES)}")
    image = keras.Input((image_size, image_size, 3), name="image")  # 0–255
    features = TRANSFER_BACKBONES[backbone](
        include_top=False,
        weights=weights,
        input_tensor=image,
        pooling="avg",
        include_preprocessing=True,
    )
    return _with_heads(image, features.output, dropout, name=f"transfer_{backbone}")
