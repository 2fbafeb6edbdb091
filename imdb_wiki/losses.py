"""The losses of a network that answers a distribution of ages and two gender probabilities."""

import keras
from keras import ops

from imdb_wiki.labels import GENDER_NAMES
from imdb_wiki.networks import AGES_YEARS


def label_distribution_loss(width_years: float):
    """Makes the loss of a distribution over ages against a bell around the labelled age.

    The Kullback-Leibler divergence of Gao et al., https://arxiv.org/abs/1611.01731: neighbouring
    ages share what is learnt, and a label that is a year off costs little.

    Args:
        width_years: Standard deviation of the bell.

    Returns:
        A loss of ages (batch, 1) in years and distributions (batch, 101), (batch,).
    """

    def label_distribution(true_years, distribution):
        distance = (ops.cast(true_years, "float32") - AGES_YEARS.astype("float32")) / width_years
        target = ops.softmax(-0.5 * distance**2)  # (batch, 101)
        difference = ops.log(target + 1e-12) - ops.log(distribution + 1e-12)
        return ops.sum(target * difference, axis=-1)

    return label_distribution


def smoothed_cross_entropy(smoothing: float):
    """Makes the cross-entropy of genders (batch, 1) as whole numbers that admits some doubt."""

    def gender_cross_entropy(true_gender, probabilities):
        labels = ops.one_hot(ops.cast(true_gender[:, 0], "int32"), len(GENDER_NAMES))
        return keras.losses.categorical_crossentropy(
            labels, probabilities, label_smoothing=smoothing
        )

    return gender_cross_entropy
