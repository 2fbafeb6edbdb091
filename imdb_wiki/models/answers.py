"""A model's answers for a split."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:  # not everything here needs TensorFlow; what does imports it itself
    import keras


def predict(
    model: "keras.Model",
    frame: pd.DataFrame,
    batch_size: int = 64,
    verbose: int = 0,
    flip_averaging: bool = False,
    what: str = "predicting",
) -> dict[str, np.ndarray]:
    """Predicts every image once, in the frame's order, the last short batch included.

    Args:
        model: A model of the contract in `imdb_wiki.networks`; its input says the image size.
        frame: Rows of `read_split`.
        batch_size: Images a step.
        verbose: Whether to show progress where it takes more than some seconds, 0 or 1.
        flip_averaging: Whether the answer is the mean of two passes, for the image and its mirror.
        what: What the progress says is done.

    Returns:
        What the model answers, of `age_years` (count,), `gender` (count, 2), probabilities of
        female and male, and `age_distribution` (count, 101).

    Raises:
        InputError: An image is missing or broken; the message names it.
    """
    from imdb_wiki.backend import devices_of
    from imdb_wiki.pipeline import make_dataset, named_broken_images
    from imdb_wiki.progress import StepProgress

    def answers(dataset) -> dict[str, np.ndarray]:
        watchers = [StepProgress(what, len(dataset))] if verbose else []
        outputs = model.predict(dataset, verbose=0, callbacks=watchers)
        # Without the images that only fill up the last batch, where all batches have the same size.
        return {name: values[: len(frame)] for name, values in outputs.items()}

    dataset = make_dataset(
        frame,
        model.input_shape[1:3],
        batch_size,
        devices=devices_of(model),
    )
    with named_broken_images(frame):
        outputs = answers(dataset)
        if flip_averaging:
            second = answers(dataset.map(lambda images, *rest: (images[:, :, ::-1], *rest)))
            outputs = {name: (outputs[name] + second[name]) / 2 for name in outputs}
    if "age_years" in outputs:
        outputs["age_years"] = outputs["age_years"][:, 0]
    return outputs
