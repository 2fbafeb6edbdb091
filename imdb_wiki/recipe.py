"""All that decides a training of the compact network, and its arguments on a command line."""

import argparse
import dataclasses

from imdb_wiki.augmentation import Augmentation


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that decides a training besides its data."""

    start_from: str = ""  # a trained model, whose weights come first and which teaches; "" is none
    teacher_weight: float = 0.0  # its distribution's share of an age label; the rest is the bell
    teacher_views: int = 0  # it answers by the mean over so many views; 0: the picture as it is
    start_share: float = 0.0  # of its weights in the mean that the training ends with
    network: str = "compact_cnn"  # or a backbone of `networks.TRANSFER_BACKBONES`
    squeeze: bool = True  # squeeze-and-excitation in the compact network
    image_size: int = 96  # pixels a side
    first_image_size: int = 64  # grows to `image_size` in thirds: early epochs need no detail
    source_size: int = 112  # pixels a side before augmentation, which scales; detail to zoom into
    batch_size: int = 64  # images
    epochs: int = 42
    folder_shares: tuple[float, ...] = (1.0,)  # of each folder's images, drawn anew each epoch
    warm_up_epochs: float = 2.0  # from nearly 0 to the full learning rate
    learning_rate: float = 2e-3  # AdamW's, at its highest
    cosine: bool = True  # takes the learning rate to 0 at the end; else it stays
    weight_decay: float = 0.05
    average_momentum: float = 0.999  # of the averaged weights: they remember about 1,000 steps
    norm_batches: int = 200  # batch norm is measured anew on so many at the end; 0 leaves it
    dropout: float = 0.2  # share of the features
    label_width_years: float = 2.0  # standard deviation of the age's label distribution
    age_distribution_weight: float = 1.0
    age_error_weight: float = 0.1  # per year, of the expectation's absolute error
    gender_weight: float = 1.0
    gender_smoothing: float = 0.05  # the share of each label that counts as doubt
    mixing: float = 0.0  # both parameters of the beta distribution of mixup's shares; 0 is none
    mixed_precision: bool = False  # bfloat16 for all but the heads
    seed: int = 0
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds an argument for each number and name of the recipe and its augmentation."""
    for defaults in (Recipe(), Augmentation()):
        for field in dataclasses.fields(defaults):
            value = getattr(defaults, field.name)
            if isinstance(value, bool):
                kind = lambda text: bool(int(text))  # noqa: E731
                parser.add_argument(f"--{field.name}", type=kind, default=value, help="0 or 1")
            elif isinstance(value, int | float | str):
                parser.add_argument(f"--{field.name}", type=type(value), default=value, help=" ")


def recipe_of(options: dict) -> Recipe:
    """Makes the recipe of what the command line says, by argument name."""

    def chosen(kind) -> dict:
        return {f.name: options[f.name] for f in dataclasses.fields(kind) if f.name in options}

    return Recipe(**chosen(Recipe), augmentation=Augmentation(**chosen(Augmentation)))
