"""The learning rate of the two-branch training, epoch by epoch: all of it is here."""

import keras

from imdb_wiki.command import number, whole_number
from imdb_wiki.options import read_value

MAX_EPOCHS = 10_000  # more is a mistake


def learning_rate_callbacks(
    monitor: str = "val_loss",
    learning_rate_patience: int = 3,
    learning_rate_factor: float = 0.3,
    learning_rate_decay: float = 1.0,
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that lower the learning rate: after each epoch, and when nothing falls.

    Args:
        monitor: The quantity that should fall.
        learning_rate_patience: Epochs without a lower one after which the learning rate shrinks.
        learning_rate_factor: What it is then multiplied by.
        learning_rate_decay: What it is also multiplied by after every epoch; 1 keeps it.

    Returns:
        Callbacks for `fit`.

    Raises:
        InputError: A number is out of its range.
    """
    epochs, below_one = whole_number(1, MAX_EPOCHS), number(0, 1, above=True, below=True)
    patience = read_value("learning_rate_patience", learning_rate_patience, epochs)
    factor = read_value("learning_rate_factor", learning_rate_factor, below_one)
    decay = read_value("learning_rate_decay", learning_rate_decay, number(0, 1, above=True))
    return [
        keras.callbacks.LearningRateScheduler(
            lambda epoch, learning_rate: learning_rate * (decay if epoch else 1.0)
        ),
        keras.callbacks.ReduceLROnPlateau(monitor, mode="min", patience=patience, factor=factor),
    ]
