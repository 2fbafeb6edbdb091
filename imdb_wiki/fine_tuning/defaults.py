"""How long and how carefully to train on, by how many faces there are."""

import dataclasses

from imdb_wiki.command import number, whole_number
from imdb_wiki.options import option, read_options
from imdb_wiki.training.compact.recipe import Recipe

_LENGTH, _CHANCE = "length", "chance"
# Below, an epoch is a few steps, and weights that have hardly moved would be all there is.
MANY_FACES = 2_000
# Of 500 All-Age-Faces, 200 to 300 steps were best on other validation faces, 450 were worse.
WANTED_STEPS = 300
LEAST_EPOCHS, MOST_EPOCHS = 8, 20
# Share of each age label that is the old network's own answer: what it knew is kept better, and the
# new faces are learnt about as well (measured as above).
OLD_ANSWERS = 0.5


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
        default_text="by their number, 8 to 20",
    )
    learning_rate: float = option(
        1e-3,
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
        teacher_weight=OLD_ANSWERS if "age" in tasks else 0.0,
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
