"""Labels as the compact network's losses take them: ages as curves or ranges, a teacher's share.

In TensorFlow, because they are made beside the images, whatever Keras computes with.
"""

import tensorflow as tf

from imdb_wiki.labels import AGES_YEARS, MAX_AGE_YEARS, MIN_AGE_YEARS
from imdb_wiki.training.compact.recipe import Recipe


def age_bells(true_years, width_years: float) -> tf.Tensor:
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
    distance = (tf.cast(true_years, tf.float32) - AGES_YEARS.astype("float32")) / width_years
    return tf.nn.softmax(-0.5 * distance**2)


def years_of_ranges(ends) -> tf.Tensor:
    """Marks the years of ranges of ages.

    Args:
        ends: (batch, 2), the first and the last year.

    Returns:
        (batch, 101), 1 for each year of the range, 0 for the others.
    """
    years, ends = AGES_YEARS.astype("float32"), tf.cast(ends, tf.float32)
    return tf.cast((years >= ends[:, :1]) & (years <= ends[:, 1:]), tf.float32)


def with_targets(labels: dict, recipe: Recipe, taught: tf.Tensor | None = None) -> dict:
    """Adds what the losses compare answers with, in which a teacher has its share.

    Args:
        labels: Of `make_dataset`.
        recipe: How wide the curve of an age is, and how much the teacher's answers count.
        taught: The teacher's distributions and probabilities of male, (batch, 102).

    Returns:
        The labels; where there are ages, with `age_distribution`: the label's normal curve, mixed
        with the teacher's, (batch, 101), or, where ages may be ranges, the (batch, 202) of
        `age_distribution_loss`. Where the teacher says genders, `gender` becomes the (batch, 2) of
        `smoothed_cross_entropy`.
    """
    labels = dict(labels)
    if "gender" in labels and taught is not None and recipe.gender_teacher_weight > 0:
        own = tf.cast(labels["gender"], tf.float32)
        share = recipe.gender_teacher_weight
        labels["gender"] = tf.concat([own, (1 - share) * own + share * taught[:, -1:]], axis=1)
    if "age_years" not in labels:
        return labels
    ends, teacher = labels["age_years"], 0.0 if taught is None else recipe.teacher_weight
    is_exact = tf.cast(ends[:, :1] == ends[:, -1:], tf.float32)  # (batch, 1)
    curves = (1 - teacher) * age_bells(ends[:, :1], recipe.label_width_years) * is_exact
    if taught is not None:
        curves += teacher * taught[:, :-1]
    if ends.shape[1] == 1:
        return labels | {"age_distribution": curves}
    years = (1 - teacher) * years_of_ranges(ends) * (1 - is_exact)
    return labels | {"age_distribution": tf.concat([curves, years], axis=1)}


def with_distribution_weight(weights: dict | tf.Tensor, labels: dict) -> dict | tf.Tensor:
    """Adds the weights of `age_distribution`: those of the age, and of unknown ages the face's.

    The loss of a distribution knows itself which ages are unknown, and a teacher may know them. So
    such a face counts as much as its gender does.

    Args:
        weights: Of `make_dataset`, by label; a tensor is of the images and stays as it is.
        labels: Of `make_dataset`.
    """
    if not isinstance(weights, dict) or "age_years" not in weights:
        return weights
    ends, of_age = labels["age_years"], weights["age_years"]
    is_unknown = (ends[:, 0] == MIN_AGE_YEARS) & (ends[:, -1] == MAX_AGE_YEARS)  # (batch,)
    of_face = weights.get("gender", tf.ones_like(of_age))
    return weights | {"age_distribution": tf.where(is_unknown, of_face, of_age)}
