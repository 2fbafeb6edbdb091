"""Training of the two-branch network: losses, callbacks, learning rate, `fit`."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from imdb_wiki.backend import devices_of, variables_beside
from imdb_wiki.command import number, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.networks.network import tasks_of
from imdb_wiki.options import read_value
from imdb_wiki.pipeline import make_dataset, named_broken_images, refuse_unlabelled
from imdb_wiki.progress import EpochProgress
from imdb_wiki.results.runs import LOGS_DIR, at_work_in, set_aside, start_run
from imdb_wiki.training.devices import EXAMPLE_LABELS, jit_compile, make_variables_of_fit
from imdb_wiki.training.ranges import age_error, of_ranges
from imdb_wiki.training.two_branch.augmentation import with_augmentation
from imdb_wiki.training.two_branch.fused_norms import can_fuse_norms, with_fused_norms
from imdb_wiki.training.two_branch.learning_rate import MAX_EPOCHS, learning_rate_callbacks
from imdb_wiki.training.watchers import (
    RunFiles,
    SameStatistics,
    StopAtNaN,
    full_disk_or_memory_named,
)


def compile_two_branch(
    model: keras.Model,
    learning_rate: float = 1e-3,
    age_loss: str = "mae",
    age_loss_weight: float = 0.1,
    gender_loss_weight: float = 1.0,
) -> None:
    """Compiles a model that answers `age_years`, `gender` or both: Adam, one loss a head.

    An age error counts in years and starts near 13, a gender cross-entropy starts near 0.6.
    Unweighted, their sum is the age's alone: the best epoch, early stopping and the learning rate
    would ignore the gender, and layers that both heads share would starve it. A tenth brings both
    to about one.

    An answer inside of an age label that is a range costs nothing and has no gradient.

    Args:
        model: The model to compile; a network, or `with_augmentation` of one.
        learning_rate: Adam's step size.
        age_loss: A Keras loss on years, e.g. `mae` or `huber`.
        age_loss_weight: Weight of the age loss, per year.
        gender_loss_weight: Weight of the cross-entropy.

    Raises:
        InputError: A number is out of its range, or Keras knows no such loss.
    """
    learning_rate = read_value("learning_rate", learning_rate, number(0, above=True))
    age_loss_weight = read_value("age_loss_weight", age_loss_weight, number(0))
    gender_loss_weight = read_value("gender_loss_weight", gender_loss_weight, number(0))
    weights = {"age_years": age_loss_weight, "gender": gender_loss_weight}
    weights = {name: weights[name] for name in model.output}
    if not any(weights.values()):
        names = [f"{task}_loss_weight" for task in tasks_of(model)]
        verb = "are both" if len(names) > 1 else "is"
        raise InputError(f"{' and '.join(names)} {verb} 0: nothing is learnt")
    age_loss = read_value("age_loss", age_loss, str, is_text=True)
    try:
        losses = {"age_years": of_ranges(age_loss), "gender": "sparse_categorical_crossentropy"}
    except ValueError as error:
        raise InputError(f"age_loss: Keras has no loss {age_loss!r}; mae is one") from error
    # Keras puts the output's name before a metric's, but not where there is one output only.
    before = f"{next(iter(weights))}_" if len(weights) == 1 else ""
    metrics = {
        "age_years": [age_error(f"{before}mae")],  # age_years_mae, years
        "gender": [
            keras.metrics.SparseCategoricalCrossentropy(name=f"{before}cross_entropy"),
            keras.metrics.SparseCategoricalAccuracy(name=f"{before}accuracy"),
        ],
    }
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss={name: losses[name] for name in weights},
        loss_weights=weights,
        # Read these: Keras' own `age_years_loss` and `gender_loss` overweigh a short batch.
        # Weighted, for the images that fill up a batch for several devices weigh nothing.
        weighted_metrics={name: metrics[name] for name in weights},
        jit_compile=jit_compile(),
    )
    make_variables_of_fit(model, EXAMPLE_LABELS)


def callbacks(
    network: keras.Model,
    run_dir: str | PathLike,
    monitor: str = "val_loss",
    early_stopping_patience: int = 8,
    **learning_rate: Any,
) -> list[keras.callbacks.Callback]:
    """Makes what watches a training.

    The best epoch is the one with the lowest `val_loss`: the weighted sum of both heads' losses
    on the validation split, so that neither head alone decides.

    Args:
        network: The plain network; its best epoch is saved as `model.keras`.
        run_dir: Folder for `model.keras`, `history.csv` and TensorBoard's `logs/`.
        monitor: The quantity that decides, lower is better.
        early_stopping_patience: Epochs without a better one after which training ends; then, and
            at the regular end, the best epoch's weights are put back.
        **learning_rate: Keywords of `learning_rate_callbacks`.

    Returns:
        Callbacks for `fit`.

    Raises:
        InputError: A number is out of its range.
    """
    epochs = whole_number(1, MAX_EPOCHS)
    patience = read_value("early_stopping_patience", early_stopping_patience, epochs)
    run_dir = Path(run_dir)
    return [
        StopAtNaN(run_dir),
        SameStatistics(network),
        keras.callbacks.TensorBoard(run_dir / LOGS_DIR, write_graph=False),
        *learning_rate_callbacks(monitor, **learning_rate),
        keras.callbacks.EarlyStopping(
            monitor, mode="min", patience=patience, restore_best_weights=True
        ),
        RunFiles(network, run_dir, monitor),  # last: the others add to the history that it writes
    ]


def train(
    network: keras.Model,
    train_frame: pd.DataFrame,
    val_frame: pd.DataFrame,
    run_dir: str | PathLike,
    *,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    learning_rate: float = 1e-3,
    age_loss: str = "mae",
    age_loss_weight: float = 0.1,
    gender_loss_weight: float = 1.0,
    augmentation: dict | None = None,
    watching: dict | None = None,
    constants: Mapping[str, object] | None = None,
    verbose: int = 1,
) -> pd.DataFrame:
    """Fits a network: the pipelines, augmentation, losses and callbacks of this module in a row.

    Build the network under `strategy().scope()` for several GPUs. Afterwards it holds its best
    epoch's weights, and so does `run_dir/model.keras`. Stopped in between, `model.keras` holds
    the best epoch so far, and `history.csv` all that were finished. A training that is in the
    folder already is moved to `run_dir/earlier-1` and so on.

    Args:
        network: A model of the contract in `imdb_wiki.networks`; its input says the image size.
        train_frame: Rows of `read_split` to learn from; ages may be ranges and labels missing.
        val_frame: Rows of `read_split` that choose the best epoch.
        run_dir: Folder that the run writes to.
        epochs: Most epochs.
        batch_size: Images a step, over all devices together.
        seed: Seed of shuffling and augmentation; `seed_everything` seeds the rest.
        learning_rate: As for `compile_two_branch`, like the next three.
        age_loss: A Keras loss on years.
        age_loss_weight: Weight of the age loss, per year.
        gender_loss_weight: Weight of the cross-entropy.
        augmentation: Keywords of `augmentation_layers`; None for its defaults.
        watching: Keywords of `callbacks`, such as patience; None for their defaults.
        constants: Further settings to note in `run.json`, by name.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        The history: one row an epoch, as in `history.csv`.

    Raises:
        InputError: A keyword is out of its range; no face of a split has a label for one of the
            network's outputs; an image is missing or broken, the message names it; the loss became
            NaN; or another training is at work in the folder.
        OSError: A file cannot be written; the error names it.
    """
    run_dir = Path(run_dir)
    # All that can be wrong with the keywords is found before an earlier training is moved.
    epochs = read_value("epochs", epochs, whole_number(1, MAX_EPOCHS))
    image_size = network.input_shape[1:3]
    devices = devices_of(network)
    tasks = tasks_of(network)
    for split, frame in {"train": train_frame, "val": val_frame}.items():
        refuse_unlabelled(frame, split, tasks)
    shared = {"devices": devices, "tasks": tasks}
    train_data = make_dataset(train_frame, image_size, batch_size, True, seed, **shared)
    val_data = make_dataset(val_frame, image_size, batch_size, **shared)
    with variables_beside(network):
        fitted = with_fused_norms(network) if devices == 1 and can_fuse_norms() else network
        model = with_augmentation(fitted, seed, **(augmentation or {}))
        compile_two_branch(model, learning_rate, age_loss, age_loss_weight, gender_loss_weight)
    watchers = callbacks(network, run_dir, **(watching or {}))
    facts = {
        "data": " ".join(dict.fromkeys(train_frame.get("folder", []))),
        "network": network.name,
        "parameters": network.count_params(),
        "image_size": list(image_size) if len(set(image_size)) > 1 else image_size[0],
        "train_count": len(train_frame),
        "val_count": len(val_frame),
        "constants": dict(constants or {}),
    }
    with (
        at_work_in(run_dir),
        full_disk_or_memory_named(),
        named_broken_images(train_frame, val_frame),
    ):
        aside = set_aside(run_dir)
        if aside and verbose:
            print(f"the training that was in {run_dir} is now in {aside}")
        start_run(run_dir, facts)
        model.fit(
            train_data,
            validation_data=val_data,
            epochs=epochs,
            callbacks=[*watchers, EpochProgress(epochs, marks_best=True)] if verbose else watchers,
            shuffle=False,  # by Keras: the pipeline does it
            verbose=0,  # its bars are stored whole by notebooks, half a megabyte an epoch
        )
    return next(one for one in watchers if isinstance(one, RunFiles)).frame()
