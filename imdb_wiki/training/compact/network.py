"""The ends of a training: which network it builds, and what becomes of the weights after it."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from imdb_wiki.backend import compute_alone, training_pass
from imdb_wiki.models.files import MODEL_FILE, load_model, save_model
from imdb_wiki.networks import NETWORKS
from imdb_wiki.pipeline import make_dataset, named_broken_images
from imdb_wiki.processes import all_or_none, is_first
from imdb_wiki.training.compact.batches import epoch_rows, epoch_seed
from imdb_wiki.training.compact.recipe import Recipe


def build_network(recipe: Recipe, image_size: int | None, pretrained: bool = True) -> keras.Model:
    """Builds the recipe's network.

    Args:
        recipe: Names the network.
        image_size: Side of the square image in pixels; None takes any.
        pretrained: Whether a backbone starts from ImageNet's weights, which are fetched.
    """
    network = NETWORKS[recipe.network].build(
        image_size,
        dropout=recipe.dropout,
        squeeze=recipe.squeeze,
        pretrained=pretrained,
        tasks=recipe.tasks,
    )
    known_as = network.name.removeprefix("transfer_")
    assert known_as == recipe.network, f"{recipe.network}: its model is called {network.name}"
    return network


class SeedEachEpoch(keras.callbacks.Callback):
    """Sets every random layer's state from seed and epoch, as if nothing had run before."""

    def __init__(self, network: keras.Model, seed: int):
        """Remembers the network."""
        super().__init__()
        self.network, self.seed = network, seed

    def on_epoch_begin(self, epoch, logs=None):
        """Sets them."""
        _seed_layers(self.network, self.seed, epoch)


def _seed_layers(network: keras.Model, seed: int, epoch: int) -> None:
    for number, layer in enumerate(network._flatten_layers()):
        if hasattr(layer, "seed_generator"):
            state = np.array([epoch_seed(seed, epoch), number], dtype="uint32")
            layer.seed_generator.state.assign(state)


def finished(
    network: keras.Model, train_frame: pd.DataFrame, run_dir: Path, recipe: Recipe
) -> keras.Model:
    """Makes the network that is used, for images of one size, and writes it.

    Of several processes the first does so, and the others read it.
    """
    weights = network.get_weights()
    compute_alone()
    trained = None
    with all_or_none():
        if is_first():
            trained = build_network(recipe, recipe.image_size, pretrained=False)
            trained.set_weights(weights)
            if recipe.start_from and recipe.start_share > 0:
                _average_with_start(trained, recipe)
            _seed_layers(trained, recipe.seed, recipe.epochs)
            _measure_norms(trained, train_frame, recipe)
            save_model(trained, run_dir / MODEL_FILE)
    return load_model(run_dir / MODEL_FILE) if trained is None else trained


def mean_of_weights(network: keras.Model, start: keras.Model, share: float) -> list[np.ndarray]:
    """A mean of two networks' weights: `share` of those of `start`, the rest of the network's."""
    weights = zip(weights_for(network, start), network.get_weights(), strict=True)
    return [share * first + (1 - share) * second for first, second in weights]


def weights_for(network: keras.Model, start: keras.Model) -> list[np.ndarray]:
    """The weights of a trained network in another's order; heads for other tasks are left out.

    Raises:
        KeyError: It lacks one of them.
    """
    if [weight.shape for weight in start.weights] == [weight.shape for weight in network.weights]:
        return start.get_weights()
    values = {weight.path: keras.ops.convert_to_numpy(weight) for weight in start.weights}
    return [values[weight.path] for weight in network.weights]


def _average_with_start(network: keras.Model, recipe: Recipe) -> None:
    """Sets the weights to a mean of the first training's and this one's.

    The second started from the first, so the loss stays low between them, and the mean of both
    depends less on what one of them has memorized.
    After Wortsman et al., https://arxiv.org/abs/2203.05482.
    """
    start = load_model(recipe.start_from)
    network.set_weights(mean_of_weights(network, start, recipe.start_share))


def _measure_norms(network: keras.Model, train_frame: pd.DataFrame, recipe: Recipe) -> None:
    """Measures the mean and variance of each batch norm again, on images without augmentation.

    Those of the training belong to augmented pictures, and to weights that the averages have
    replaced since. After Wu and Johnson, https://arxiv.org/abs/2105.07576, section 3.
    """
    rows = epoch_rows(train_frame, recipe, recipe.epochs)[: recipe.norm_batches * recipe.batch_size]
    if rows.empty:
        return
    batches = make_dataset(rows, recipe.image_size, recipe.batch_size)
    layers = network._flatten_layers()
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # a pass then notes its own batch's mean and variance, nothing else
    values_after = training_pass(network)
    moving = [variable for norm in norms for variable in norm.non_trainable_variables]
    totals = [np.zeros(variable.shape, "float64") for variable in moving]
    with named_broken_images(rows):
        for number, (images, *_) in enumerate(batches.as_numpy_iterator()):
            left = len(rows) - number * recipe.batch_size  # JAX's last batch is filled up
            values = values_after(images[:left])
            for total, variable in zip(totals, moving, strict=True):
                total += values[variable.path] / len(batches)
    for variable, total in zip(moving, totals, strict=True):
        variable.assign(total.astype("float32"))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
