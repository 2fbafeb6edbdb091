"""What is known of a network before it is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imdb_wiki.labels import TASK_OUTPUTS

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """A network that can be chosen by its name; a file in this folder defines it.

    Importing such a file must not import Keras, which takes seconds: a command line lists the names
    and refuses wrong ones before that.

    Attributes:
        name: What `--network` calls it.
        help: What `--help` says of it, in some words.
        least_image_side_pixels: Smaller images become less than one pixel on their way through.
        build: Called with `image_size` (pixels a side; None takes any) and the keywords `dropout`,
            `squeeze`, `pretrained` and `tasks` of a training's recipe, of which it takes what it
            needs; returns an uncompiled model of the contract in `imdb_wiki.networks`, whose own
            name is `name` or `transfer_` and `name`: by it `fine-tune` knows the network again.
    """

    name: str
    help: str
    least_image_side_pixels: int
    build: "Callable[..., keras.Model]"


def tasks_of(network: "keras.Model") -> tuple[str, ...]:
    """What a network answers, of `labels.TASKS`: ages, genders or both."""
    return tuple(task for task, output in TASK_OUTPUTS.items() if output in network.output)
