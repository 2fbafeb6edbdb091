"""Images a second of both networks' training steps on a GPU, and of the data pipeline alone.

    KERAS_BACKEND=jax python benchmarks/gpu.py data/utkface144

A network alone trains on one batch again and again, twice; the second time counts. With
JAX, the arithmetic and the memory traffic of a step are what XLA counts for the answers and their
gradients; the roofline is the time that the slower of both would take at its peak. Arithmetic is
counted before XLA compiles, since what it hands to NVIDIA's libraries it does not count; memory
traffic is counted after, when operations are joined, and is therefore the least there can be.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.tensorflow_start import start_tensorflow

SIDES = {"compact_cnn": 128, "two_branch_cnn": 200}  # in pixels, as they are trained


def pipeline_rate(prepared_dir: Path, batch_size: int) -> float:
    """Images a second that the compact training's pipeline makes, with nothing that takes them."""
    from imdb_wiki.pipeline import read_split
    from imdb_wiki.training import Recipe
    from imdb_wiki.training.compact.batches import training_batches

    side = SIDES["compact_cnn"]
    recipe = Recipe(image_size=side, first_image_size=side, source_size=144, batch_size=batch_size)
    frame = read_split(prepared_dir, "train", incomplete=True)
    count, started = 0, 0.0
    for number_, (images, *_) in enumerate(training_batches(frame, recipe, 0)):
        if number_ == 2:  # the first ones wait for files and threads
            count, started = 0, time.perf_counter()
        count += len(images)
    return count / (time.perf_counter() - started)


def step_rate(name: str, half: bool, batch_size: int, steps: int):
    """Images a second of a network's training steps alone; and the network, compiled."""
    import numpy as np
    import tensorflow as tf

    from imdb_wiki.networks import NETWORKS, two_branch_cnn
    from imdb_wiki.training import Recipe, compile_two_branch, set_mixed_precision
    from imdb_wiki.training.compact.age_labels import with_targets
    from imdb_wiki.training.compact.train import compile_compact

    set_mixed_precision(half)
    side, recipe = SIDES[name], Recipe()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch_size, side, side, 3), "uint8")
    labels = {
        "age_years": rng.integers(1, 80, (batch_size, 1)).astype("float32"),
        "gender": rng.integers(0, 2, (batch_size, 1)).astype("int32"),
    }
    if name == "two_branch_cnn":
        network = two_branch_cnn(side)
        compile_two_branch(network)
    else:
        network = NETWORKS[name].build(side, dropout=0.1, squeeze=True, pretrained=False)
        compile_compact(network, recipe, steps)
        labels = with_targets(labels, recipe)
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat(steps).prefetch(2)
    network.fit(batches, epochs=1, shuffle=False, verbose=0)
    started = time.perf_counter()
    network.fit(batches, epochs=1, shuffle=False, verbose=0)
    return batch_size * steps / (time.perf_counter() - started), network


def cost_of_gradients(network, batch_size: int) -> tuple[float, float]:
    """Arithmetic operations and bytes of memory traffic an image, answers and gradients, by XLA."""
    import jax
    import numpy as np
    from jax import numpy as jnp

    trained = [variable.value for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]
    images = np.zeros((batch_size, *network.input_shape[1:]), "float32")

    def total(trained, images):
        answers, _ = network.stateless_call(trained, others, images, training=True)
        return sum(jnp.sum(values.astype("float32") ** 2) for values in answers.values())

    lowered = jax.jit(jax.grad(total)).lower(trained, images)
    compiled = lowered.compile().cost_analysis()
    compiled = compiled[0] if isinstance(compiled, list) else compiled
    flops, traffic = lowered.cost_analysis()["flops"], compiled["bytes accessed"]
    return flops / batch_size, traffic / batch_size


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Measures and prints a table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("what is measured").add_argument
    add("prepared_dir", type=Path, metavar="PREPARED_DIR", help="faces for the pipeline alone")
    add("--batch_size", type=whole_number(1), default=256, metavar="IMAGES", help="images a step")
    add("--steps", type=whole_number(1), default=200, metavar="STEPS", help="steps that are timed")
    add = parser.add_argument_group("the GPU's peaks, for the roofline").add_argument
    add(
        "--peak_tflops",
        type=number(0, above=True),
        default=790.0,
        metavar="TFLOPS",
        help="of a bfloat16 matrix product; an H200 reaches 790",
    )
    add(
        "--bandwidth_tbs",
        type=number(0, above=True),
        default=4.3,
        metavar="TB/S",
        help="of its memory; an H200 copies 4.3",
    )
    options = parser.parse_args(arguments)
    start_tensorflow(may_use_jax=True)
    import keras

    from imdb_wiki.results.provenance import hardware

    print(f"{hardware()}, Keras {keras.__version__} with {keras.config.backend()}", flush=True)
    rate = pipeline_rate(options.prepared_dir, options.batch_size)
    print(f"pipeline of the compact network alone: {rate:,.0f} images/s", flush=True)
    for name, side in SIDES.items():
        for half in (False, True):
            rate, network = step_rate(name, half, options.batch_size, options.steps)
            line = f"{name}, {side} px, {'bfloat16' if half else 'float32'}: {rate:,.0f} images/s"
            if keras.config.backend() == "jax":
                flops, traffic = cost_of_gradients(network, options.batch_size)
                seconds = flops / options.peak_tflops / 1e12, traffic / options.bandwidth_tbs / 1e12
                line += (
                    f"; {flops / 1e9:.2f} GFLOP and {traffic / 1e6:.1f} MB an image; roofline "
                    f"{1 / max(seconds):,.0f} images/s by "
                    f"{'arithmetic' if seconds[0] > seconds[1] else 'memory'}, "
                    f"reached {rate * max(seconds):.0%}"
                )
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
