"""The losses of a network that answers a distribution of ages and two gender probabilities."""

import keras
from keras import ops

from imdb_wiki.labels import AGES_YEARS

_LEAST = 1e-7  # Keras' own bound under a logarithm


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
    """Makes the cross-entropy of genders that admits some doubt.

    Its labels are whole numbers, (batch, 1), or (batch, 2): the whole number, and the probability
    of male that label and teacher together give.
    """

    def gender_cross_entropy(labels, probabilities):
        male = ops.cast(labels[:, -1:], probabilities.dtype)
        wanted = ops.concatenate([1 - male, male], axis=1)
        return keras.losses.categorical_crossentropy(
            wanted, probabilities, label_smoothing=smoothing
        )

    return gender_cross_entropy


def gender_accuracy(name: str) -> keras.metrics.Metric:
    """The share of genders that are right, for labels as `smoothed_cross_entropy` takes them."""

    def is_right(labels, probabilities):
        return keras.metrics.sparse_categorical_accuracy(labels[:, :1], probabilities)

    return keras.metrics.MeanMetricWrapper(is_right, name=name)
