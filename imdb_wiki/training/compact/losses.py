"""The losses of a network that answers a distribution of ages and two gender probabilities."""

import keras
from keras import ops

from imdb_wiki.labels import AGES_YEARS, GENDER_NAMES

_LEAST = 1e-7  # Keras' own bound under a logarithm


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


def years_of_ranges(ends):
    """Marks the years of ranges of ages.

    Args:
        ends: (batch, 2), the first and the last year.

    Returns:
        (batch, 101), 1 for each year of the range, 0 for the others.
    """
    years, ends = AGES_YEARS.astype("float32"), ops.cast(ends, "float32")
    return ops.cast((years >= ends[:, :1]) & (years <= ends[:, 1:]), "float32")


def age_distribution_loss(labels, distribution):
    """The loss of an answered distribution (batch, 101), where labels may be ranges.

    An exact age is a normal curve, whose loss is the Kullback-Leibler divergence. A range is a
    range: its loss is −ln of the probability that the answer gives to it as a whole, which does
    not care how that is divided among its years. An unknown age is the range of all years: they
    have the probability 1, so it has no loss and no gradient.

    Args:
        labels: (batch, 101), curves alone, or (batch, 202): the curves (0 in a row without one)
            beside `years_of_ranges` times the share that a row's curve lacks to a sum of 1.
        distribution: (batch, 101).

    Returns:
        Each face's loss, (batch,).
    """
    if labels.shape[-1] == len(AGES_YEARS):
        return keras.losses.kl_divergence(labels, distribution)
    curves, years = ops.split(labels, 2, axis=-1)
    share = 1 - ops.sum(curves, axis=-1)  # of the range; (batch,)
    given = ops.sum(years * distribution, axis=-1)
    in_range = ops.log((given + _LEAST) / ops.maximum(share, _LEAST))
    # KL by hand: Keras' bound from below would make a loss of a curve that is 0.
    ratio = ops.maximum(curves, _LEAST) / ops.maximum(distribution, _LEAST)
    divergence = ops.sum(curves * ops.log(ratio), axis=-1)
    return divergence - ops.where(share > _LEAST, share * in_range, 0.0)


def smoothed_cross_entropy(smoothing: float):
    """Makes the cross-entropy of genders (batch, 1) as whole numbers that admits some doubt."""

    def gender_cross_entropy(true_gender, probabilities):
        labels = ops.one_hot(ops.cast(true_gender[:, 0], "int32"), len(GENDER_NAMES))
        return keras.losses.categorical_crossentropy(
            labels, probabilities, label_smoothing=smoothing
        )

    return gender_cross_entropy
