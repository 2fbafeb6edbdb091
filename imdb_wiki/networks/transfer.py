"""Networks on features that were learnt elsewhere."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from imdb_wiki.labels import TASKS
from imdb_wiki.networks.heads import with_heads
from imdb_wiki.networks.network import Network

if TYPE_CHECKING:
    import keras

TRANSFER_BACKBONES = {  # by name: how keras.applications calls it, preprocessing inside
    "efficientnetv2_b0": "EfficientNetV2B0",
    "convnext_tiny": "ConvNeXtTiny",
}


def transfer_network(
    backbone: str = "efficientnetv2_b0",
    image_size: int | None = 112,
    weights: str | None = "imagenet",
    dropout: float = 0.2,
    tasks: Sequence[str] = TASKS,
) -> "keras.Model":
    """Builds a network on features that were learnt elsewhere.

    Args:
        backbone: A name of `TRANSFER_BACKBONES`: EfficientNetV2-B0 has 5.9 million parameters
            (https://arxiv.org/abs/2104.00298), ConvNeXt-Tiny 27.8 (https://arxiv.org/abs/2201.03545).
        image_size: Side of the square image in pixels; None takes any.
        weights: `imagenet` fetches Keras' weights on first use; None starts from random ones.
        dropout: Share of the features dropped before the heads.
        tasks: What it answers: `age`, `gender` or both.

    Returns:
        An uncompiled model as `compact_cnn` returns it; the backbone scales 0–255 itself.

    Raises:
        ValueError: There is no such backbone.
    """
    if backbone not in TRANSFER_BACKBONES:
        raise ValueError(f"no backbone {backbone!r}; there are {', '.join(TRANSFER_BACKBONES)}")
    import keras  # here: see `Network`

    image = keras.Input((image_size, image_size, 3), name="image")  # 0–255
    features = getattr(keras.applications, TRANSFER_BACKBONES[backbone])(
        include_top=False,
        weights=weights,
        input_tensor=image,
        pooling="avg",
        include_preprocessing=True,
    )
    return with_heads(image, features.output, dropout, f"transfer_{backbone}", tasks)


def _build(
    image_size: int | None,
    dropout: float,
    pretrained: bool,
    tasks: Sequence[str] = TASKS,
    *,
    backbone: str,
    **_,
) -> "keras.Model":
    weights = "imagenet" if pretrained else None
    return transfer_network(backbone, image_size, weights, dropout, tasks)


EFFICIENTNETV2_B0, CONVNEXT_TINY = (
    Network(
        name,
        "starts from weights learnt on ImageNet, fetched on first use",
        least_image_side_pixels=32,  # both halve the side five times
        build=partial(_build, backbone=name),
    )
    for name in TRANSFER_BACKBONES
)
