"""The losses of a network that answers a distribution of ages and two gender probabilities."""

import keras
from keras import ops

from imdb_wiki.labels import AGES_YEARS, GENDER_NAMES


def age_bells(true_years, width_years: float):
    """Makes distributions of ages from labels: a normal curve around each.

    The label distribution of Gao et al., https://arxiv.org/abs/1611.01731, whose loss is the
    Kullback-Leibler divergence: neighbouring ages share what is learnt, and a label that is a year
    off costs little.

    Args:
        true_years: (batch, 1) in years.
        width_years: Standard deviation of the normal curve.

    Returns:
        (batch, 101), each row's sum is 1.
    """
    distance = (ops.cast(true_years, "float32") - AGES_YEARS.astype("float32")) / width_years
    return ops.softmax(-0.5 * distance**2)


def smoothed_cross_entropy(smoothing: float):
    """Makes the cross-entropy of genders (batch, 1) as whole numbers that admits some doubt."""

    def gender_cross_entropy(true_gender, probabilities):
        labels = ops.one_hot(ops.cast(true_gender[:, 0], "int32"), len(GENDER_NAMES))
        return keras.losses.categorical_crossentropy(
            labels, probabilities, label_smoothing=smoothing
        )

    return gender_cross_entropy
