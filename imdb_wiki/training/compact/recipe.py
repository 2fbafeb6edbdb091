"""All that decides a training of the compact network, and its arguments on a command line."""

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from imdb_wiki.command import MAX_BATCH_SIZE, number, one_of, whole_number, yes_or_no
from imdb_wiki.errors import InputError
from imdb_wiki.labels import TASKS
from imdb_wiki.networks import NETWORKS
from imdb_wiki.options import MAX_IMAGE_SIDE, add_options, chosen_options, option, read_options
from imdb_wiki.registry import help_of

_NETWORK, _START = "network", "starting from a trained network"
_IMAGES, _LENGTH = "images", "length and batches"
_OPTIMIZER, _LOSSES = "optimizer", "losses and labels"
_COMPUTATION = "chance and computation"
_GEOMETRY = "augmentation: geometry (0 leaves a change out)"
_COLOUR = "augmentation: light and colour (0 leaves a change out)"
_DETAIL = "augmentation: loss of detail (0 leaves a change out)"
_SHARE = number(0, 1)
_FACTOR = number(0, 10)  # log(1 + it) is drawn from, so nothing above makes a picture of a face
_WEIGHT = number(0, 1000)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How much `augmentation.augment` changes a training image at most.

    Raises:
        InputError: A number is out of its range.
    """

    flip: bool = option(True, yes_or_no, "0|1", "mirror half of the images", _GEOMETRY)
    zoom: float = option(
        0.15,
        _FACTOR,
        "CHANGE",
        "largest change of scale: 0.15 draws a factor between 1/1.15 and 1.15",
        _GEOMETRY,
    )
    aspect: float = option(
        0.05, _FACTOR, "CHANGE", "largest stretch of width against height, as --zoom", _GEOMETRY
    )
    shift: float = option(
        0.05, _SHARE, "SHARE", "largest shift, as a share of the image's side", _GEOMETRY
    )
    rotation_degrees: float = option(
        8.0, number(0, 180), "DEGREES", "largest rotation to either side", _GEOMETRY
    )
    brightness: float = option(
        0.12, _SHARE, "SHARE", "largest shift of all values, as a share of 255", _COLOUR
    )
    contrast: float = option(
        0.25, _FACTOR, "CHANGE", "largest change of contrast, as --zoom", _COLOUR
    )
    saturation: float = option(
        0.3, _FACTOR, "CHANGE", "largest change of the colours' strength, as --zoom", _COLOUR
    )
    grey_share: float = option(
        0.05, _SHARE, "SHARE", "share of the images that lose all colour", _COLOUR
    )
    blur_share: float = option(
        0.15, _SHARE, "SHARE", "share of the images that are halved and enlarged again", _DETAIL
    )
    erase_share: float = option(
        0.25,
        _SHARE,
        "SHARE",
        "share of the images in which a rectangle is painted over with one colour",
        _DETAIL,
    )
    erase_area: float = option(
        0.25,
        _SHARE,
        "SHARE",
        "longest side of that rectangle, as a share of the image's side",
        _DETAIL,
    )

    def __post_init__(self):
        """Checks every number's range."""
        read_options(self)

    @classmethod
    def none(cls) -> "Augmentation":
        """Changes nothing."""
        fields = dataclasses.fields(cls)
        nothing: dict[str, Any] = {field.name: type(field.default)(0) for field in fields}
        return cls(**nothing)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All settings of a training except its data.

    Raises:
        InputError: A number is out of its range, or two of them contradict each other.
    """

    network: str = option(
        "compact_cnn",
        one_of(*NETWORKS),
        "NAME",
        help_of(NETWORKS),
        _NETWORK,
    )
    tasks: tuple[str, ...] = option(
        TASKS,
        one_of(*TASKS),
        "TASK",
        "what the network answers and learns",
        _NETWORK,
        default_text="age gender",
        several=True,
        is_text=True,
    )
    squeeze: bool = option(
        True, yes_or_no, "0|1", "squeeze-and-excitation blocks in the compact network", _NETWORK
    )
    dropout: float = option(
        0.2,
        number(0, 1, below=True),
        "SHARE",
        "share of the features that is dropped before the outputs while training",
        _NETWORK,
    )
    start_from: str = option(
        "",
        str,
        "FILE",
        "a trained .keras file of the same network: its weights are the start; it must have been "
        "trained on the same splits",
        _START,
        default_text="none, random weights",
    )
    teacher: str = option(
        "",
        str,
        "FILE",
        "a trained .keras file, mostly of a larger network, whose answers are part of the labels; "
        "it must have been trained on the same splits",
        _START,
        default_text="that of --start_from",
    )
    teacher_weight: float = option(
        0.0,
        _SHARE,
        "SHARE",
        "share of each age label that is the teacher's answer; the rest is the label itself",
        _START,
    )
    gender_teacher_weight: float = option(
        0.0,
        _SHARE,
        "SHARE",
        "share of each gender label that is the teacher's answer",
        _START,
    )
    teacher_views: int = option(
        0,
        whole_number(0, 1000),
        "VIEWS",
        "that answer is the mean over so many slightly changed views of the image; 0 takes the "
        "image as it is",
        _START,
    )
    start_share: float = option(
        0.0,
        _SHARE,
        "SHARE",
        "at the end the weights become a mean with those of --start_from, which get this share",
        _START,
    )
    image_size: int = option(
        96,
        whole_number(1, MAX_IMAGE_SIDE),
        "PIXELS",
        "side of the square images of the network",
        _IMAGES,
    )
    first_image_size: int = option(
        None,
        whole_number(1, MAX_IMAGE_SIDE),
        "PIXELS",
        "side in the first third of the epochs; the second third is halfway to --image_size",
        _IMAGES,
        default_text="64, or --image_size if that is smaller",
    )
    source_size: int = option(
        None,
        whole_number(1, MAX_IMAGE_SIDE),
        "PIXELS",
        "side at which images are read before augmentation cuts --image_size out of them",
        _IMAGES,
        default_text="7/6 of --image_size, 112 for 96",
    )
    folder_shares: tuple[float, ...] = option(
        (1.0,),
        number(0, 1, above=True),
        "SHARE",
        "for each prepared folder the share of its images that an epoch shows, drawn anew for "
        "each epoch",
        _IMAGES,
        default_text="1 for each",
        several=True,
    )
    epochs: int = option(42, whole_number(1, 10_000), "EPOCHS", "length of the training", _LENGTH)
    batch_size: int = option(
        64, whole_number(1, MAX_BATCH_SIZE), "IMAGES", "images a step", _LENGTH
    )
    norm_batches: int = option(
        200,
        whole_number(0, 1_000_000),
        "BATCHES",
        "batch normalization's means and variances are measured again over so many batches at "
        "the end; 0 keeps those of the training",
        _LENGTH,
    )
    learning_rate: float = option(
        2e-3, number(0, 1, above=True), "RATE", "highest learning rate of AdamW", _OPTIMIZER
    )
    warm_up_epochs: float = option(
        None,
        number(0),
        "EPOCHS",
        "epochs, also parts of one, in which the learning rate rises from a hundredth",
        _OPTIMIZER,
        default_text="2, at most half of --epochs",
    )
    cosine: bool = option(
        True,
        yes_or_no,
        "0|1",
        "let the learning rate fall to 0 along a cosine; 0 keeps it at its highest",
        _OPTIMIZER,
    )
    weight_decay: float = option(
        0.05, number(0, 1), "RATE", "weight decay of AdamW; biases and norms have none", _OPTIMIZER
    )
    average_momentum: float = option(
        0.999,
        number(0, 1, below=True),
        "SHARE",
        "share of the averaged weights that each step keeps: 0.999 remembers about 1,000 steps; "
        "0 takes no average",
        _OPTIMIZER,
    )
    label_width_years: float = option(
        2.0,
        number(0, 100, above=True),
        "YEARS",
        "standard deviation of the distribution that stands for an age label",
        _LOSSES,
    )
    age_distribution_weight: float = option(
        1.0, _WEIGHT, "WEIGHT", "weight of the age distribution's loss", _LOSSES
    )
    age_error_weight: float = option(
        0.1, _WEIGHT, "WEIGHT", "weight of the mean age error, per year", _LOSSES
    )
    gender_weight: float = option(1.0, _WEIGHT, "WEIGHT", "weight of the gender's loss", _LOSSES)
    gender_smoothing: float = option(
        0.05,
        number(0, 1, below=True),
        "SHARE",
        "label smoothing: share of each gender label that is divided between both",
        _LOSSES,
    )
    mixing: float = option(
        0.0,
        number(0, 100),
        "NUMBER",
        "mixup: both parameters of the beta distribution that the shares of two mixed images are "
        "drawn from; 0 mixes none",
        _LOSSES,
    )
    seed: int = option(
        0,
        whole_number(0, 20_000),  # times 100,003 it must fit into 31 bits
        "SEED",
        "whole number that all chance is drawn from",
        _COMPUTATION,
    )
    mixed_precision: bool = option(
        False, yes_or_no, "0|1", "compute in bfloat16: faster on GPUs that have it", _COMPUTATION
    )
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)

    def __post_init__(self):
        """Fills in what follows from other fields, and checks all of them."""
        self._fill_in("first_image_size", lambda: min(64, self.image_size))
        self._fill_in("source_size", lambda: min(MAX_IMAGE_SIDE, round(self.image_size * 7 / 6)))
        self._fill_in("warm_up_epochs", lambda: min(2.0, self.epochs / 2))
        read_options(self)
        for wrong, message in self._contradictions():
            if wrong:
                raise InputError(message)

    def _fill_in(self, name: str, default: Callable[[], float]) -> None:
        """Sets the values that were not given and follow from other fields."""
        if getattr(self, name) is None:
            # Not a number, or one too large: reported next.
            with contextlib.suppress(TypeError, ValueError, OverflowError):
                object.__setattr__(self, name, default())

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        """What may not be together, each with the sentence that says so."""
        least = NETWORKS[self.network].least_image_side_pixels
        for name in ("image_size", "first_image_size"):
            pixels = getattr(self, name)
            yield pixels < least, f"{name} is {pixels}: {self.network} needs {least} pixels or more"
        yield (
            self.first_image_size > self.image_size,
            f"first_image_size, {self.first_image_size}, is larger than image_size, "
            f"{self.image_size}",
        )
        yield (
            self.source_size < self.image_size,
            f"source_size, {self.source_size}, is smaller than image_size, {self.image_size}: the "
            "images would be enlarged",
        )
        yield (
            self.warm_up_epochs >= self.epochs,
            f"warm_up_epochs, {self.warm_up_epochs:g}, must be fewer than epochs, {self.epochs}",
        )
        yield self.start_share > 0 and not self.start_from, "start_share needs start_from"
        for name in ("teacher_weight", "gender_teacher_weight"):
            lacks = getattr(self, name) > 0 and not (self.teacher or self.start_from)
            yield lacks, f"{name} needs start_from or teacher"
        for name in ("teacher", "teacher_views"):
            yield (
                bool(getattr(self, name)) and not self.is_taught,
                f"{name} needs a teacher_weight or gender_teacher_weight above 0",
            )
        yield len(set(self.tasks)) < len(self.tasks), "tasks: one of them is named twice"
        weights = {
            "age": ("age_distribution_weight", "age_error_weight"),
            "gender": ("gender_weight",),
        }
        names = [name for task in self.tasks for name in weights[task]]
        said = f"{', '.join(names[:-1])} and {names[-1]} are all" if names[1:] else f"{names[0]} is"
        yield not any(getattr(self, name) for name in names), f"{said} 0: nothing is learnt"
        yield (
            self.teacher_weight > 0 and "age" not in self.tasks,
            "teacher_weight is for ages, and tasks does not name them",
        )
        yield (
            self.gender_teacher_weight > 0 and "gender" not in self.tasks,
            "gender_teacher_weight is for genders, and tasks does not name them",
        )

    @property
    def is_taught(self) -> bool:
        """Whether a network's answers are part of the labels."""
        return max(self.teacher_weight, self.gender_teacher_weight) > 0


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds an argument for each field of the recipe and its augmentation, in named groups."""
    add_options(parser, Recipe)
    add_options(parser, Augmentation)


def recipe_of(options: dict) -> Recipe:
    """Makes the recipe of what the command line says.

    Args:
        options: Values by the arguments' names; others than the recipe's are left alone.

    Raises:
        InputError: Two of the values contradict each other.
    """
    augmentation = Augmentation(**chosen_options(Augmentation, options))
    return Recipe(**chosen_options(Recipe, options), augmentation=augmentation)
