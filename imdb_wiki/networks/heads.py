"""What a network with a distribution of ages ends with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imdb_wiki.command import one_of
from imdb_wiki.labels import AGES_YEARS, TASKS
from imdb_wiki.options import read_values

if TYPE_CHECKING:
    import keras


def with_heads(
    image: "keras.KerasTensor",
    features: "keras.KerasTensor",
    dropout: float,
    name: str,
    tasks: Sequence[str] = TASKS,
) -> "keras.Model":
    """Answers from features (batch, n): a distribution's expectation, and a softmax."""
    import keras  # here: see `Network`
    from keras import layers

    features = layers.Dropout(dropout, name="dropout")(features)
    tasks = read_tasks(tasks)
    answers = {}
    # float32: in half precision the probabilities do not sum to 1, and years are not exact
    if "gender" in tasks:
        answers["gender"] = layers.Dense(2, activation="softmax", dtype="float32", name="gender")(
            features
        )
    if "age" in tasks:
        distribution = layers.Dense(
            len(AGES_YEARS), activation="softmax", dtype="float32", name="age_distribution"
        )(features)  # (batch, 101)
        expectation = layers.Dense(
            1, use_bias=False, trainable=False, dtype="float32", name="age_years"
        )  # a dense layer whose weights are the years: built in, so the file loads anywhere
        answers["age_years"] = expectation(distribution)  # (batch, 1)
        answers["age_distribution"] = distribution
        expectation.set_weights([AGES_YEARS[:, np.newaxis].astype("float32")])
    order = ("age_years", "age_distribution", "gender")  # that of the weights in older files
    outputs = {output: answers[output] for output in order if output in answers}
    return keras.Model(image, outputs, name=name)


def read_tasks(tasks: Sequence[str]) -> tuple[str, ...]:
    """Checks what a network is to answer; returns it in the order of `labels.TASKS`.

    Raises:
        InputError: It is no list, empty, or one of them is no task.
    """
    named = read_values("tasks", tasks, one_of(*TASKS), is_text=True)
    return tuple(task for task in TASKS if task in named)
