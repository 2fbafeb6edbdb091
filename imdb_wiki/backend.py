"""What Keras computes with, TensorFlow or JAX, and on which devices."""

import keras


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


def share_batches() -> None:
    """Lets networks that are built from now on share each batch over all devices of JAX."""
    if keras.config.backend() == "jax" and len(keras.distribution.list_devices()) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel())


def compiles_each_shape() -> bool:
    """Whether a batch of another size costs much: JAX compiles each step anew for each shape."""
    return keras.config.backend() == "jax"
