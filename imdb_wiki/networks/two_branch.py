"""The two-branch network: one small CNN for the age, one for the gender."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imdb_wiki.command import number, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.labels import MAX_AGE_YEARS, TASKS
from imdb_wiki.networks.heads import read_tasks
from imdb_wiki.options import read_image_size, read_value, read_values

if TYPE_CHECKING:
    import keras


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
    tasks: Sequence[str] = TASKS,
    name: str = "two_branch_cnn",
) -> "keras.Model":
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
        tasks: What it answers: `age`, `gender` or both; the other's branch is left out.
        name: Name of the model.

    Returns:
        An uncompiled model: `image` (batch, height, width, 3), RGB, 0–255 → {"age_years":
        (batch, 1) in years, "gender": (batch, 2) probabilities of female, male}, both float32.

    Raises:
        InputError: The image is too small for the pools, or a number makes no layer.
    """
    import keras  # here: see `Network`
    from keras import layers

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
    tasks = read_tasks(tasks)
    pools_of = {"age": len(age_filters) + 1, "gender": len(gender_filters)}
    pools = max(pools_of[task] for task in tasks)
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

    outputs = {}
    if "age" in tasks:
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
        outputs["age_years"] = age

    if "gender" in tasks:
        gender = scaled
        for place, filters in enumerate(gender_filters, start=1):
            gender = convolution(gender, f"gender_{place}", filters)
            gender = layers.MaxPooling2D(pool_size, name=f"gender_{place}_pool")(gender)
            gender = layers.Dropout(gender_dropout, name=f"gender_{place}_dropout")(gender)
        # (batch, 25, 25, 64)
        gender = layers.Flatten(name="gender_flat")(gender)  # (batch, 40000)
        gender = layers.Dense(dense_units, activation="relu", name="gender_dense")(gender)
        gender = layers.Dense(2, activation="softmax", dtype="float32", name="gender")(gender)
        outputs["gender"] = gender

    return keras.Model(image, outputs, name=name)
