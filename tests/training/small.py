"""A small recipe, and a network of the same code with few filters."""

from functools import partial

from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.training.compact.recipe import Recipe
from tests.shared import LEAST_COMPACT

SMALL = Recipe(
    image_size=48,
    first_image_size=32,
    source_size=56,
    batch_size=8,
    epochs=2,
    warm_up_epochs=1,
    average_momentum=0.5,  # six steps must move the averages
)

# The very same code with few filters: what these tests wait for is TensorFlow tracing layers.
tiny_cnn = partial(compact_cnn, **LEAST_COMPACT)
