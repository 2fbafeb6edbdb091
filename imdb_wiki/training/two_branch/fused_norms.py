"""Batch norms that a CPU computes in a third less time a step, with the network's own weights.

Keras 3 composes a batch norm of a dozen operations, each of which reads and writes the whole batch.
TensorFlow has one for all of them. What is saved is the network of Keras' own layers.
"""

import keras
import tensorflow as tf

from imdb_wiki.backend import gpu_names


class SameLayer(keras.Layer):
    """Calls another network's layer, whose weights it shares.

    Called by itself instead, that layer would remember two places in two networks, and Keras then
    refuses to tell its `output`.
    """

    def __init__(self, layer: keras.Layer):
        """Remembers the layer; its weights count as this one's."""
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self._layer = layer
        self.built = True

    def call(self, *inputs, **options):
        """What the layer answers, in training and outside."""
        return self._layer(*inputs, **options)


class FusedNorm(SameLayer):
    """A batch norm in one operation forward, statistics included, and one for the gradients."""

    def call(self, values, training=None, mask=None):
        """The normalized values (batch, height, width, filters)."""
        norm = self._layer
        if mask is not None or not (training and norm.trainable):
            return norm(values, training=training, mask=mask)
        result, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(values, tf.float32),
            scale=norm.gamma,
            offset=norm.beta,
            mean=[],
            variance=[],
            epsilon=norm.epsilon,
            is_training=True,
        )
        # The operation divides the sum of squares by one less than their count, Keras by the count.
        count = tf.cast(tf.size(values) // tf.shape(values)[-1], tf.float32)
        variance *= tf.maximum(count - 1, 1) / count
        for kept, new in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            kept.assign(kept * norm.momentum + new * (1 - norm.momentum))
        return tf.cast(result, self.compute_dtype)


def can_fuse_norms() -> bool:
    """Whether norms are faster so: with TensorFlow on a CPU; JAX fuses operations by itself."""
    return keras.config.backend() == "tensorflow" and not gpu_names()


def _can_be_fused(layer: keras.Layer) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.input_spec is not None  # it has been built
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.center
        and layer.scale
        and not layer.renorm
        and not layer.synchronized
    )


def with_fused_norms(network: keras.Model) -> keras.Model:
    """Makes the same network with norms that a CPU computes faster; the weights are shared.

    Fit the returned model, save the given one. Losses differ by rounding, as they do between
    numbers of threads.

    Args:
        network: A functional model, as `imdb_wiki.networks` builds them. Any other is returned as
            it is.

    Returns:
        A model with the network's inputs and outputs.
    """
    if not hasattr(network, "operations"):  # not functional: Keras does not know its layers
        return network

    def twin(layer):
        if not isinstance(layer, keras.Layer):
            return layer
        return FusedNorm(layer) if _can_be_fused(layer) else SameLayer(layer)

    return keras.models.clone_model(network, clone_function=twin)
