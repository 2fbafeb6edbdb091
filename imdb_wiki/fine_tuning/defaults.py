"""How long and how carefully to train on, by how many faces there are."""

import dataclasses

from imdb_wiki.command import number, whole_number
from imdb_wiki.options import option, read_options
from imdb_wiki.training.compact.recipe import Recipe

_LENGTH, _CHANCE = "length", "chance"
# Below, an epoch is a few steps, and weights that have hardly moved would be all there is.
MANY_FACES = 2_000
# A training of few faces needs steps enough to move, one of many needs no more than to converge.
WANTED_STEPS = 1_000
LEAST_EPOCHS, MOST_EPOCHS = 4, 30


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a person may say about a fine-tuning; 0 epochs: by the number of faces.

    Raises:
        InputError: A number is out of its range.
    """

    epochs: int = option(
        0,
        whole_number(0, 10_000),
        "EPOCHS",
        "passes over the faces",
        _LENGTH,
        default_text="by their number, 4 to 30",
    )
    learning_rate: float = option(
        3e-4,
        number(0, 1, above=True),
        "RATE",
        "highest learning rate of AdamW; a training from nothing takes 2e-3",
        _LENGTH,
    )
    seed: int = option(
        0,
        whole_number(0, 20_000),
        "SEED",
        "whole number that all chance is drawn from",
        _CHANCE,
    )

    def __post_init__(self):
        """Checks every number's range."""
        read_options(self)


def recipe_for(
    face_count: int,
    folder_count: int,
    start_from: str,
    image_size: int,
    tasks: tuple[str, ...],
    choices: Choices,
    network: str = "compact_cnn",
) -> Recipe:
    """The training's recipe.

    Args:
        face_count: Faces of the training split.
        folder_count: How many prepared folders they are in.
        start_from: File of the network to start from.
        image_size: Side of its square input in pixels.
        tasks: What is learnt, of `labels.TASKS`.
        choices: What the person said.
        network: Name of the network, of `networks.NETWORKS`.
    """
    batch_size = 64 if face_count >= MANY_FACES else 32
    steps_per_epoch = max(1, face_count // batch_size)
    wanted = round(WANTED_STEPS / steps_per_epoch)
    epochs = choices.epochs or min(MOST_EPOCHS, max(LEAST_EPOCHS, wanted))
    steps = epochs * steps_per_epoch
    return Recipe(
        network=network,
        start_from=start_from,
        tasks=tasks,
        image_size=image_size,
        first_image_size=image_size,
        folder_shares=(1.0,) * folder_count,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=choices.learning_rate,
        warm_up_epochs=min(1.0, epochs / 4),
        # The averages remember a tenth of the training, however short it is.
        average_momentum=min(0.999, max(0.5, 1 - 10 / steps)),
        norm_batches=0,  # the mean with the start's weights needs the norms of both
        seed=choices.seed,
    )
