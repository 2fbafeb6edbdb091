"""What Keras computes with, TensorFlow or JAX, and on which devices."""

import contextlib
from collections import Counter
from collections.abc import Callable, Generator

import keras
import numpy as np

from imdb_wiki.errors import InputError
from imdb_wiki.processes import share


def gpu_names() -> list[str]:
    """Names the GPUs that Keras computes on, such as `NVIDIA A100`; none where it has none."""
    if keras.config.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [of_one.get("device_name", "GPU") for of_one in details]


def devices_of(model: keras.Model) -> int:
    """How many devices share each batch of a model."""
    if keras.config.backend() == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    shared = keras.distribution.distribution()
    return 1 if shared is None else shared.device_mesh.shape[0]


def variables_beside(model: keras.Model) -> contextlib.AbstractContextManager:
    """Inside, variables are made where a model's are: on all of its devices."""
    if keras.config.backend() == "tensorflow":
        return model.distribute_strategy.scope()
    return contextlib.nullcontext()  # `share_batches` holds for all that follows


def share_batches() -> None:
    """Lets networks that are built from now on share each batch over all devices of JAX.

    Those are the devices of all processes, if there are several.

    Raises:
        InputError: The processes do not have the same number of devices.
    """
    if keras.config.backend() != "jax" or len(keras.distribution.list_devices()) == 1:
        return
    import jax

    counts = Counter(device.process_index for device in jax.devices())
    if len(set(counts.values())) > 1:
        by_process = ", ".join(f"process {index}: {count}" for index, count in counts.items())
        raise InputError(f"each process needs the same number of devices ({by_process})")
    # Keras need not divide what each process reads: that is its own share already.
    shared = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(shared)


def compute_alone() -> None:
    """Lets networks that are built from now on use the devices of this process only."""
    if share().count > 1:
        keras.distribution.set_distribution(_over_own_devices())


@contextlib.contextmanager
def computing_alone() -> Generator[None]:
    """Lets networks that are built or used inside use the devices of this process only."""
    if share().count == 1:
        yield
        return
    with _over_own_devices().scope():
        yield


def _over_own_devices() -> keras.distribution.DataParallel:
    import jax

    names = [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)


def training_pass(model: keras.Model) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Compiles a pass forward as in training, of which only what it notes about a batch is wanted.

    Args:
        model: Built, and on one device.

    Returns:
        A function from images, (batch, height, width, 3), to the values that the variables no
        optimizer trains have after them, by `path`: the norms' means and variances.
    """
    noted = model.non_trainable_variables
    if keras.config.backend() == "jax":
        import jax

        trained, before = ([v.value for v in of] for of in (model.trainable_variables, noted))

        @jax.jit
        def after(images):
            return model.stateless_call(trained, before, images, training=True)[1]

    else:
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def after(images):
            model(images, training=True)
            return [variable.value for variable in noted]

    def values_after(images: np.ndarray) -> dict[str, np.ndarray]:
        values = map(keras.ops.convert_to_numpy, after(images))
        return {variable.path: value for variable, value in zip(noted, values, strict=True)}

    return values_after


def compiles_each_shape() -> bool:
    """Whether a batch of another size costs much: JAX compiles each step anew for each shape."""
    return keras.config.backend() == "jax"
