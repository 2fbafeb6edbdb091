"""Trains the compact network without a notebook; stopped at any moment, it goes on.

    python -m imdb_wiki train data/utkface data/wiki --run_dir runs/compact

If started again with the same arguments, it continues after the last complete epoch, with the
losses of a run that was never stopped: optimizer, schedule, averages are on disk, and all random
numbers come from the seed, the epoch and the step.

A second training may start from the first (`--start_from`), and take its answers, or those of a
larger network (`--teacher`), as part of the labels (`--teacher_weight`, `--gender_teacher_weight`);
those must have been trained on the same split.
"""

import contextlib
import dataclasses
import io
import math
import time
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from imdb_wiki.backend import (
    computing_alone,
    devices_of,
    share_batches,
)
from imdb_wiki.errors import InputError
from imdb_wiki.files import write_whole
from imdb_wiki.models.files import MODEL_FILE, load_model
from imdb_wiki.networks import tasks_of
from imdb_wiki.pipeline import (
    make_dataset,
    named_broken_images,
    read_split,
    refuse_unlabelled,
)
from imdb_wiki.processes import (
    all_or_none,
    is_first,
    lost_process_named,
    refuse_differences,
    rows_of_all,
    share,
    wait_for_all,
)
from imdb_wiki.progress import EpochProgress
from imdb_wiki.results.runs import at_work_in
from imdb_wiki.split_tables import digest_of_images
from imdb_wiki.training.compact.age_labels import with_targets
from imdb_wiki.training.compact.batches import (
    epoch_rows,
    labelled,
    size_of_epoch,
    teachers_answers,
    training_batches,
)
from imdb_wiki.training.compact.learning_rate import learning_rate_schedule
from imdb_wiki.training.compact.losses import (
    age_distribution_loss,
    gender_accuracy,
    smoothed_cross_entropy,
)
from imdb_wiki.training.compact.network import (
    SeedEachEpoch,
    build_network,
    finished,
    weights_for,
)
from imdb_wiki.training.compact.recipe import Recipe
from imdb_wiki.training.compact.state import (
    TEACHER_FILE,
    digest_of_network,
    digest_of_rows,
    keep_recipe,
    keep_state,
    read_teacher,
    restored,
)
from imdb_wiki.training.devices import (
    EXAMPLE_LABELS,
    jit_compile,
    make_variables_of_fit,
    seed_everything,
)
from imdb_wiki.training.ranges import age_error, of_ranges
from imdb_wiki.training.watchers import StopAtNaN, full_disk_or_memory_named


class _AveragingAdamW(keras.optimizers.AdamW):
    """Keeps averages beside the weights, which `fit` must not end with: each epoch is a `fit`.

    Keras puts the averages in the weights' place at the end of `fit`; the next epoch would start
    from them, a thousand steps behind. One `fit` over all epochs would do without this class, but
    not for this training: the size of its images, of the validation's too, changes between epochs,
    and `fit` takes one validation set; and the state that a stopped training goes on from would
    have to be written by a callback, before Keras' own callbacks put the weights back.
    """

    def finalize_variable_values(self, var_list):
        """Leaves the weights as they are."""

    def use_averages(self, var_list):
        """Puts the averages in the weights' place, at the end of all epochs."""
        super().finalize_variable_values(var_list)


def compile_compact(model: keras.Model, recipe: Recipe, steps_per_epoch: int) -> None:
    """Compiles a network of a recipe: AdamW, cosine schedule, averaged weights."""
    optimizer = _AveragingAdamW(
        learning_rate_schedule(recipe, steps_per_epoch),
        name="adamw",  # the class's own begins with an underscore, which TensorFlow refuses
        weight_decay=recipe.weight_decay,
        use_ema=recipe.average_momentum > 0,
        ema_momentum=recipe.average_momentum,
    )
    # Weight decay is for kernels. Biases and norms do not make a network more complicated.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    losses = {
        "age_years": (of_ranges("mae"), recipe.age_error_weight),
        "age_distribution": (age_distribution_loss, recipe.age_distribution_weight),
        "gender": (smoothed_cross_entropy(recipe.gender_smoothing), recipe.gender_weight),
    }
    # Keras puts the output's name before a metric's, but not where there is one output only.
    accuracy_name = "accuracy" if len(model.output) > 1 else "gender_accuracy"
    metrics = {
        "age_years": [age_error()],
        "gender": [gender_accuracy(accuracy_name)],
    }
    model.compile(
        optimizer=optimizer,
        loss={name: losses[name][0] for name in model.output},
        loss_weights={name: losses[name][1] for name in model.output},
        weighted_metrics={name: metrics[name] for name in model.output if name in metrics},
        jit_compile=jit_compile(),
    )
    make_variables_of_fit(model, with_targets(EXAMPLE_LABELS, recipe))


def train_compact(
    prepared_dirs: str | PathLike | list[str | PathLike],
    run_dir: str | PathLike,
    recipe: Recipe,
    verbose: int = 1,
    left_out: str | PathLike = "",
) -> keras.Model:
    """Trains, or goes on with a training that was stopped.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`, pooled; ages may be ranges, and labels
            missing.
        run_dir: Folder for `recipe.json`, `history.csv`, the state and at the end `model.keras`.
        recipe: What decides the training.
        verbose: Whether to show progress, 0 or 1.
        left_out: A list of faces that are not read, as for `read_split`; "" for none.

    Returns:
        The network with its averaged weights.

    Raises:
        InputError: The folder holds a training of another recipe or other data, or something else;
            no face has a label of one of the tasks; an image is broken; the loss became NaN; or
            several processes see different things.
        StoppedError: Another process that trains with this one is lost.
        OSError: A file cannot be written; the error names it.
    """
    run_dir = Path(run_dir)
    with lost_process_named(), contextlib.ExitStack() as at_work:
        with all_or_none():
            frames, facts = _frames_and_facts(prepared_dirs, recipe, left_out)
            if is_first():
                at_work.enter_context(at_work_in(run_dir))
            keep_recipe(run_dir, facts)
        refuse_differences(facts)
        return _trained(frames["train"], frames["val"], run_dir, recipe, verbose * is_first())


def is_finished(
    prepared_dirs: str | PathLike | list[str | PathLike],
    run_dir: str | PathLike,
    recipe: Recipe,
    left_out: str | PathLike = "",
) -> bool:
    """Whether a folder holds this training, finished.

    Args:
        prepared_dirs: As for `train_compact`, like the next three.
        run_dir: The training's folder.
        recipe: What decides the training.
        left_out: A list of faces that are not read.

    Raises:
        InputError: It holds a training of another recipe or other data.
    """
    if not (Path(run_dir) / MODEL_FILE).is_file():
        return False
    keep_recipe(Path(run_dir), _frames_and_facts(prepared_dirs, recipe, left_out)[1])
    return True


def _frames_and_facts(
    prepared_dirs: str | PathLike | list[str | PathLike],
    recipe: Recipe,
    left_out: str | PathLike = "",
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The rows of train and val, and what is kept of data and recipe."""
    if isinstance(prepared_dirs, str | PathLike):
        prepared_dirs = [prepared_dirs]
    folders = [str(folder) for folder in prepared_dirs]
    if len(recipe.folder_shares) != len(folders):
        raise InputError(
            f"{len(recipe.folder_shares)} folder shares for {len(folders)} prepared folders"
        )
    frames = {
        split: read_split(folders, split, incomplete=True, left_out=left_out)
        for split in ("train", "val")
    }
    for split, frame in frames.items():
        refuse_unlabelled(frame, split, recipe.tasks)
    facts: dict[str, Any] = {
        "data": folders,
        "data_digest": digest_of_rows(*frames.values()),
        "images_digest": digest_of_images(*frames.values()),
    }
    if left_out:
        facts["left_out"] = str(left_out)
    if recipe.start_from:
        facts["start_digest"] = digest_of_network(recipe.start_from)
    if recipe.teacher:
        facts["teacher_digest"] = digest_of_network(recipe.teacher)
    return frames, facts | dataclasses.asdict(recipe)


def _trained(
    train_frame: pd.DataFrame, val_frame: pd.DataFrame, run_dir: Path, recipe: Recipe, verbose: int
) -> keras.Model:
    """Trains the epochs that are left and writes the network; for the rest see `train_compact`."""
    seed_everything(recipe.seed)
    keras.mixed_precision.set_global_policy(
        "mixed_bfloat16" if recipe.mixed_precision else "float32"
    )
    share_batches()
    network = build_network(recipe, None)
    steps_per_epoch = math.ceil(len(epoch_rows(train_frame, recipe, 0)) / recipe.batch_size)
    compile_compact(network, recipe, steps_per_epoch)
    devices = devices_of(network)
    history, first_epoch = restored(network, run_dir)
    refuse_differences({f"the epochs that are finished in {run_dir}": first_epoch})
    if first_epoch == 0:
        _start(network, recipe, run_dir, train_frame, verbose)
        wait_for_all("the start is written")
    taught = read_teacher(run_dir, len(train_frame)) if recipe.is_taught else None
    callbacks: list[keras.callbacks.Callback] = [
        SeedEachEpoch(network, recipe.seed),
        StopAtNaN(run_dir),
    ]
    if recipe.average_momentum > 0:
        callbacks.append(keras.callbacks.SwapEMAWeights())  # validation sees the averages
    if verbose:
        callbacks.append(EpochProgress(recipe.epochs))
    for epoch in range(first_epoch, recipe.epochs):
        start_seconds = time.perf_counter()
        size = size_of_epoch(recipe, epoch)
        val_batches = make_dataset(
            val_frame,
            size,
            4 * recipe.batch_size,
            devices=devices,
            tasks=recipe.tasks,
            share=share(),
        )
        with full_disk_or_memory_named(), named_broken_images(train_frame, val_frame):
            logs = network.fit(
                training_batches(train_frame, recipe, epoch, taught, devices, share()),
                validation_data=val_batches.map(partial(labelled, recipe)),
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,  # its bars are stored whole by notebooks; `EpochProgress` shows them
            ).history
        seconds = round(time.perf_counter() - start_seconds, 1)
        row = {"epoch": epoch, "image_size": size}
        row |= {name: values[0] for name, values in logs.items()}
        history.append(row | {"seconds": seconds})
        keep_state(network, history, run_dir, epoch + 1)
    if recipe.average_momentum > 0:
        network.optimizer.use_averages(network.trainable_variables)
    return finished(network, train_frame, run_dir, recipe)


def _start(
    network: keras.Model,
    recipe: Recipe,
    run_dir: Path,
    train_frame: pd.DataFrame,
    verbose: int,
) -> None:
    """Sets the weights to a trained network's, and writes what the teacher says of `train`."""
    if recipe.start_from:
        start = load_model(recipe.start_from)
        try:
            network.set_weights(weights_for(network, start))
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{recipe.start_from} is not a {recipe.network} of this recipe"
            ) from error
    if recipe.is_taught:
        with all_or_none(), computing_alone():
            teacher_file = recipe.teacher or recipe.start_from
            teacher = load_model(teacher_file)
            if missing := set(recipe.tasks) - set(tasks_of(teacher)):
                raise InputError(f"{teacher_file} teaches no {', '.join(sorted(missing))}")
            answers = teachers_answers(teacher, train_frame, recipe, verbose, share())
        answers = rows_of_all(answers)[: len(train_frame)]
        if is_first():
            buffer = io.BytesIO()
            np.save(buffer, answers)
            write_whole(run_dir / TEACHER_FILE, buffer.getvalue())
