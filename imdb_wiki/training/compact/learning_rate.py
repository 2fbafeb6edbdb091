"""The learning rate of the compact training, step by step: all of it is here."""

import keras

from imdb_wiki.training.compact.recipe import Recipe

# What the highest learning rate is divided by for the first step: the optimizer's averages of
# gradients are of few batches then.
FIRST_DIVISOR = 100


def learning_rate_schedule(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.CosineDecay:
    """Rises along a line in `warm_up_epochs`; then falls along a cosine to 0, or stays.

    Args:
        recipe: The highest learning rate, the length of the training and of its warm-up.
        steps_per_epoch: How many steps an epoch has.
    """
    warm_up_steps = int(recipe.warm_up_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / FIRST_DIVISOR,
        max(1, recipe.epochs * steps_per_epoch - warm_up_steps),
        alpha=0.0 if recipe.cosine else 1.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up_steps,
    )
