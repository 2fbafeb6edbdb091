"""How a training computes: seeds, precision, strategy."""

import keras
import numpy as np
import tensorflow as tf

from imdb_wiki.backend import gpu_names, share_batches
from imdb_wiki.command import whole_number, yes_or_no
from imdb_wiki.options import read_value
from imdb_wiki.pipeline import MAX_SEED
from imdb_wiki.results.provenance import hardware

# Labels in the shapes that the pipeline gives them, for what only needs to know those.
EXAMPLE_LABELS = {"age_years": np.zeros((1, 1), np.float32), "gender": np.zeros((1, 1), np.int32)}


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow; on a CPU a second run then repeats the first exactly.

    On a GPU the operations stay as fast as they are and repeat only nearly: the deterministic
    ones cost more than a seed is worth there.

    Args:
        seed: Any whole number from 0 to `pipeline.MAX_SEED`.

    Raises:
        InputError: It is no such number.
    """
    keras.utils.set_random_seed(read_value("seed", seed, whole_number(0, MAX_SEED)))
    if not gpu_names():
        tf.config.experimental.enable_op_determinism()


def strategy() -> tf.distribute.Strategy | keras.distribution.DataParallel:
    """Chooses how to train: on all GPUs where there are several, else on the one device.

    Returns:
        A strategy; build and compile the network inside its `scope()`. With JAX it holds outside
        of it as well.
    """
    if keras.config.backend() == "jax":
        share_batches()
        return keras.distribution.distribution() or tf.distribute.get_strategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def set_mixed_precision(enabled: bool) -> None:
    """Lets networks that are built from now on compute in half precision (bfloat16).

    Worth it on GPUs from 2020 on (NVIDIA's compute capability 8.0), which have units for it; CPUs
    become slower. bfloat16 has float32's range, so small gradients do not vanish and need no
    scaling. The outputs stay float32.

    Args:
        enabled: Whether to use half precision in the layers between image and outputs.

    Raises:
        InputError: It is neither True nor False.
    """
    enabled = read_value("mixed_precision", enabled, yes_or_no)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if enabled else "float32")


def jit_compile() -> str | bool:
    """Whether `compile` lets XLA compile the step: on a GPU where Keras finds it can, else not.

    For a CPU, XLA takes minutes to compile, and its convolutions there are slower. JAX knows no
    other way.
    """
    return "auto" if keras.config.backend() == "jax" or gpu_names() else False


def device_sentence() -> str:
    """Says what computes, and what that means for one's patience."""
    where = f"{hardware()} with JAX" if keras.config.backend() == "jax" else hardware()
    if gpu_names():
        return f"computing on {where}"
    return f"no GPU found: computing on {where}, which is slower by a factor of ten or more"


def make_variables_of_fit(model: keras.Model, labels: dict) -> None:
    """Makes what Keras would make inside the first step: optimizer, loss trackers and metrics.

    A step that makes variables is traced a second time. Measured on 2 cores: a training of the
    compact network of three steps took 57 processor seconds so, and 40 without.

    Args:
        model: A compiled model.
        labels: Any labels of one image, by output, (1, …); others than the model's are left out.
    """
    labels = {name: labels[name] for name in model.output}
    model.optimizer.build(model.trainable_variables)
    if keras.config.backend() == "tensorflow" and tf.distribute.has_strategy():
        return  # on several GPUs `fit` does the rest in time
    answers = {
        name: np.zeros((1, *output.shape[1:]), np.float32) for name, output in model.output.items()
    }
    model.compute_loss(y=labels, y_pred=answers)
    model.compute_metrics(None, labels, answers)  # `fit` sets them back to nothing itself
