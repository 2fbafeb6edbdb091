"""The compact network: a small residual one whose age is a distribution."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from imdb_wiki.labels import TASKS
from imdb_wiki.networks.heads import with_heads
from imdb_wiki.networks.network import Network

if TYPE_CHECKING:
    import keras

SQUEEZE_RATIO = 8


def compact_cnn(
    image_size: int | None = 96,
    stem_filters: int = 24,
    stage_filters: tuple[int, ...] = (40, 80, 144, 176),
    stage_blocks: tuple[int, ...] = (1, 2, 2, 1),
    squeeze_ratio: int = SQUEEZE_RATIO,
    dropout: float = 0.2,
    norm_momentum: float = 0.99,
    tasks: Sequence[str] = TASKS,
    name: str = "compact_cnn",
) -> "keras.Model":
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
        tasks: What it answers: `age`, `gender` or both; outputs of the other are left out.
        name: Name of the model.

    Returns:
        An uncompiled model: `image` (batch, height, width, 3), RGB, 0–255 → {"age_years":
        (batch, 1) in years, "age_distribution": (batch, 101), "gender": (batch, 2)}, all float32.

    Raises:
        ValueError: The numbers of stages differ, or the image is too small for them.
    """
    import keras  # here: see `Network`
    from keras import layers

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
    return with_heads(image, x, dropout, name, tasks)


def _build(
    image_size: int | None,
    dropout: float,
    squeeze: bool,
    tasks: Sequence[str] = TASKS,
    *,
    sizes: dict | None = None,
    **_,
) -> "keras.Model":
    squeeze_ratio = SQUEEZE_RATIO if squeeze else 0
    sizes = sizes or {}
    return compact_cnn(
        image_size, squeeze_ratio=squeeze_ratio, dropout=dropout, tasks=tasks, **sizes
    )


# The stem and four stages each halve the side.
COMPACT_CNN = Network(
    "compact_cnn", "the small network of this project", least_image_side_pixels=32, build=_build
)

# For a GPU.
LARGE_CNN = Network(
    "large_cnn",
    "compact_cnn with 15 times the weights, to teach it",
    least_image_side_pixels=32,
    build=partial(
        _build,
        sizes={
            "stem_filters": 48,
            "stage_filters": (96, 192, 384, 512),
            "stage_blocks": (2, 3, 4, 2),
            "name": "large_cnn",
        },
    ),
)
