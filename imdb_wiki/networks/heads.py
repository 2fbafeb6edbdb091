"""What a network with a distribution of ages ends with."""

from typing import TYPE_CHECKING

import numpy as np

from imdb_wiki.labels import AGES_YEARS

if TYPE_CHECKING:
    import keras


def with_heads(
    image: "keras.KerasTensor", features: "keras.KerasTensor", dropout: float, name: str
) -> "keras.Model":
    """Answers from features (batch, n): a distribution's expectation, and a softmax."""
    import keras  # here: see `Network`
    from keras import layers

    features = layers.Dropout(dropout, name="dropout")(features)
    # float32: in half precision the probabilities do not sum to 1, and years are not exact
    gender = layers.Dense(2, activation="softmax", dtype="float32", name="gender")(features)
    distribution = layers.Dense(
        len(AGES_YEARS), activation="softmax", dtype="float32", name="age_distribution"
    )(features)  # (batch, 101)
    expectation = layers.Dense(
        1, use_bias=False, trainable=False, dtype="float32", name="age_years"
    )  # a dense layer whose weights are the years: built in, so the file loads anywhere
    age = expectation(distribution)  # (batch, 1)
    expectation.set_weights([AGES_YEARS[:, np.newaxis].astype("float32")])
    outputs = {"age_years": age, "age_distribution": distribution, "gender": gender}
    return keras.Model(image, outputs, name=name)
