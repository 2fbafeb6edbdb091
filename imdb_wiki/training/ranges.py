"""Losses and measures of ages whose labels may be ranges: inside of a range there is no error."""

from collections.abc import Callable

import keras
from keras import ops


def of_ranges(loss: str | Callable) -> Callable:
    """Makes a loss of ages of which some labels are ranges.

    The answer is compared with the age of the range that is nearest to it. So an answer inside of
    the range costs nothing and has no gradient.

    Args:
        loss: A Keras loss on years, such as `mae`, or its function.

    Returns:
        A function of labels (batch, 1), exact ages, or (batch, 2), the ends of ranges, and of
        answers (batch, 1), in years; it returns each face's loss, (batch,).
    """
    compared = keras.losses.get(loss)
    if isinstance(compared, keras.losses.Loss):
        compared = compared.call  # for each face; the class itself takes their mean

    def loss_of_ranges(labels, answers):
        labels = ops.cast(labels, answers.dtype)
        nearest = ops.minimum(ops.maximum(answers, labels[:, :1]), labels[:, -1:])
        return compared(ops.stop_gradient(nearest), answers)

    return loss_of_ranges


def age_error(name: str = "mae") -> keras.metrics.Metric:
    """The mean error in years; where a label is a range, the distance from it."""
    return keras.metrics.MeanMetricWrapper(of_ranges("mae"), name=name)
