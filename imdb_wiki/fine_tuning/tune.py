"""Trains a network on for own faces, and keeps as much of the old one as serves them.

The result is a mean of the weights before and after: it loses less of what the network knew, and on
few faces is often better than either (Wortsman et al., https://arxiv.org/abs/2109.01903). How much
of each is chosen by the loss on the new validation faces.
"""

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from imdb_wiki.backend import (
    computing_alone,
    devices_of,
    share_batches,
)
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.comparison import changes
from imdb_wiki.export.shipping import model_files, model_paths
from imdb_wiki.face_lists import without_listed
from imdb_wiki.files import Kind, parse_json, refuse_foreign, write_together
from imdb_wiki.fine_tuning.defaults import Choices, recipe_for
from imdb_wiki.models.answers import predict
from imdb_wiki.models.description import find_description, read_description
from imdb_wiki.models.files import load_model
from imdb_wiki.networks import NETWORKS, tasks_of
from imdb_wiki.pipeline import has_labels_of, make_dataset, named_broken_images, read_split
from imdb_wiki.processes import is_first
from imdb_wiki.split_tables import read_splits
from imdb_wiki.training.compact.batches import labelled
from imdb_wiki.training.compact.network import mean_of_weights
from imdb_wiki.training.compact.recipe import Recipe
from imdb_wiki.training.compact.train import compile_compact, train_compact

TRAINING_DIR = "training"  # in the run's folder: what the training continues from
REPORT_FILE = "fine_tuning.json"
REPORT_KIND = Kind("report of a fine-tuning", (b'"start_shares"',))
# Shares of the old weights that are tried: 0 is the trained network, 1 the old one.
START_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def fine_tune(
    prepared_dirs: list[str | PathLike],
    run_dir: str | PathLike,
    start_from: str | PathLike,
    old_dirs: Sequence[str] = (),
    choices: Choices | None = None,
    verbose: int = 1,
    left_out: str | PathLike = "",
) -> dict:
    """Trains on, or goes on with a training that was stopped.

    Several processes may train together; the first one does the rest.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`, pooled, whose faces are framed as the
            network's are.
        run_dir: Folder for `model.keras`, `model.json`, `model_split.json` and `fine_tuning.json`.
        start_from: A `.keras` file with its `.json` beside it.
        old_dirs: Prepared folders of faces that it knew: what it loses is measured on their
            validation splits.
        choices: Length and seed.
        verbose: Whether to show progress, 0 or 1.
        left_out: A list of the new faces that are not read, as for `read_split`; "" for none.

    Returns:
        The content of `fine_tuning.json`; empty in the processes that only train.

    Raises:
        InputError: The network is not one that can be trained on, no face has a label of what it
            answers, or a file is not what this function writes.
    """
    run_dir, start_from = Path(run_dir), Path(start_from)
    output = run_dir / "model"
    refuse_foreign(run_dir / REPORT_FILE, REPORT_KIND)
    if not (run_dir / REPORT_FILE).exists():
        for path in model_paths(output):
            if path.exists():
                raise InputError(
                    f"{path} is there and no result of a fine-tuning: name another folder"
                )
    framing = framing_of(start_from)
    share_batches()
    with computing_alone():
        old = load_model(start_from)
    every = read_splits(prepared_dirs)
    frames = {split: every[split] for split in ("train", "val")}
    if left_out:
        frames = {split: without_listed(rows, split, left_out) for split, rows in frames.items()}
    tasks = tuple(
        task
        for task in tasks_of(old)
        if all(has_labels_of(frame, task) for frame in frames.values())
    )
    if not tasks:
        raise InputError(
            f"no task is left to learn: {start_from} answers {' and '.join(tasks_of(old))}, and of "
            "that the train and val splits have no labels"
        )
    network_name = old.name.removeprefix("transfer_")
    if network_name not in NETWORKS:
        raise InputError(
            f"{start_from} is a {old.name}; only {', '.join(NETWORKS)} can be trained on"
        )
    recipe = recipe_for(
        len(frames["train"]),
        len(prepared_dirs),
        str(start_from),
        old.input_shape[1],
        tasks,
        choices or Choices(),
        network_name,
    )
    trained = train_compact(prepared_dirs, run_dir / TRAINING_DIR, recipe, verbose, left_out)
    if not is_first():
        return {}
    network = keras.models.clone_model(trained)
    losses = _losses_by_share(network, trained, old, frames["val"], recipe)
    share = min(losses, key=lambda share: (losses[share], -share))
    network.set_weights(mean_of_weights(trained, old, share))
    report: dict[str, Any] = {
        "start_from": str(start_from),
        "data": [str(folder) for folder in prepared_dirs],
        "tasks": list(tasks),
        "train_count": len(frames["train"]),
        "val_count": len(frames["val"]),
        "epochs": recipe.epochs,
        "learning_rate": recipe.learning_rate,
        "seed": recipe.seed,
        "start_shares": {f"{share:g}": round(loss, 6) for share, loss in losses.items()},
        "start_share": share,
    }
    if left_out:
        report["left_out"] = str(left_out)
    places = {"new": list(prepared_dirs)} | {str(folder): [folder] for folder in old_dirs}
    report["changes"] = {}
    for place, folders in places.items():
        frame = frames["val"] if place == "new" else read_split(folders, "val", incomplete=True)
        answers = [predict(one, frame, verbose=verbose) for one in (old, network)]
        found = changes(frame, *answers)
        report["changes"][place] = {name: change._asdict() for name, change in found.items()}
        report["changes"][place]["count"] = len(frame)
    facts = {"data": [str(folder) for folder in prepared_dirs], **dataclasses.asdict(recipe)}
    facts["start_share"] = share
    _, files = model_files(network, facts, every, frames["val"], output, framing, start_from)
    # First the report: after a kill in between it says that the other files may be replaced.
    write_together({run_dir / REPORT_FILE: json.dumps(report, indent=1) + "\n", **files})
    return report


def framing_of(model_path: Path) -> dict:
    """How faces are cut for a network, as its `.json` has it.

    Raises:
        FileNotFoundError: There is no such network.
        InputError: It has no `.json`, or that is damaged.
    """
    if not model_path.is_file():
        raise FileNotFoundError(f"no such model: {model_path}")
    path = find_description(model_path)
    if path is None:
        raise InputError(
            f"{model_path} has no .json that says how its faces are cut: "
            "`python -m imdb_wiki ship` writes one"
        )
    read_description(path)  # checks it
    return parse_json(path.read_bytes())["framing"]


def _losses_by_share(
    network: keras.Model,
    trained: keras.Model,
    old: keras.Model,
    val_frame: pd.DataFrame,
    recipe: Recipe,
) -> dict[float, float]:
    """The training's loss on validation faces, for each share of the old weights.

    They are measured with `network`, one after the other: a network of its own for each would be
    compiled anew.
    """
    losses = {}
    batches = make_dataset(
        val_frame,
        recipe.image_size,
        64,
        devices=devices_of(trained),
        tasks=recipe.tasks,
    )
    batches = batches.map(partial(labelled, recipe))
    compile_compact(network, recipe, 1)
    for share in START_SHARES:
        network.set_weights(mean_of_weights(trained, old, share))
        with named_broken_images(val_frame):
            measured = network.evaluate(batches, verbose=0, return_dict=True)
        losses[share] = float(measured["loss"])
    return losses
