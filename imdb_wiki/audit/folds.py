"""Answers of networks that have not learnt from the face: each part is answered by another one.

K small networks, each trained on all parts but one. A person, and a picture that is there twice, is
in one part only. What is finished is on disk: a killed audit goes on.
"""

import dataclasses
import json
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.audit.answers import put_answers, read_answers, what_is_noted, write_answers
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import people_of
from imdb_wiki.files import write_whole
from imdb_wiki.models.answers import predict
from imdb_wiki.preparation.duplicates import joined, same_picture_pairs
from imdb_wiki.preparation.hashes import perceptual_hashes
from imdb_wiki.preparation.splits import split_groups
from imdb_wiki.split_tables import digest_of_images, write_linked_folder
from imdb_wiki.training.compact.recipe import Recipe
from imdb_wiki.training.compact.state import digest_of_rows

_WATCHED_FACES = 400  # of the part left out, whose error the progress shows; they decide nothing
_BATCH_SIZE, _WANTED_STEPS = 64, 2_500
_LEAST_EPOCHS, _MOST_EPOCHS = 8, 40
FOLDS_DIR, ABOUT_FILE, ANSWERS_FILE = "folds", "folds.json", "answers.npz"


def epochs_for(count: int, folds: int) -> int:
    """How many epochs a network of so many faces needs: few faces make few steps an epoch."""
    steps = max(1, count * (folds - 1) // folds // _BATCH_SIZE)
    return min(_MOST_EPOCHS, max(_LEAST_EPOCHS, round(_WANTED_STEPS / steps)))


def fold_recipe(tasks: tuple[str, ...], epochs: int, image_size: int, seed: int) -> Recipe:
    """A short training on small images: what it must tell is wrong labels, not years exactly."""
    return Recipe(
        tasks=tasks,
        image_size=image_size,
        first_image_size=image_size,  # a change of size late in so short a training costs it much
        epochs=epochs,
        batch_size=_BATCH_SIZE,
        norm_batches=50,
        average_momentum=0.99,  # remembers 100 steps of a training that has few
        warm_up_epochs=min(1.0, epochs / 4),
        seed=seed,
    )


def folds_of(frame: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """Assigns faces to parts of about equal size, whole people and same pictures together.

    Args:
        frame: Of `read_faces`.
        folds: How many parts.
        seed: Changes who is where.

    Returns:
        The part of each face, (count,).

    Raises:
        InputError: There are fewer people than parts, so that one is empty.
    """
    people = people_of(frame)
    paths = frame["path"].tolist()
    digests, hashes = [], []
    for path in paths:  # one at a time: photos are not kept in memory
        try:
            content = Path(path).read_bytes()
            hashes.append(perceptual_hashes([content])[0])
        except (OSError, ValueError) as error:
            raise InputError(f"not a readable JPEG image: {path}") from error
        digests.append(blake2b(content, digest_size=8).hexdigest())
    pairs = same_picture_pairs(pd.Series(digests), np.array(hashes), paths, Path("/"))
    groups = joined(pd.factorize(people)[0], pairs)
    keys = pd.Series(
        [f"{name} {person}" for name, person in zip(frame["filename"], people, strict=True)]
    )
    parts = split_groups(groups, keys, (1 / folds,) * folds, seed)
    if len(np.unique(parts)) < folds:
        raise InputError(f"{len(np.unique(groups))} people are too few for {folds} folds")
    return parts


def answers_by_folds(
    frame: pd.DataFrame,
    output_dir: Path,
    tasks: tuple[str, ...],
    folds: int,
    epochs: int,
    image_size: int,
    seed: int,
    verbose: int = 1,
) -> dict[str, np.ndarray]:
    """Trains the networks and lets each answer the faces that it has not learnt from.

    Args:
        frame: Of `read_faces`.
        output_dir: Of the audit; all of this is in its `folds`.
        tasks: What is audited.
        folds: How many networks.
        epochs: Of each training.
        image_size: Side in pixels.
        seed: Of all chance.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        As of `predict`, for the frame's rows.

    Raises:
        InputError: The folder holds an audit of other data or with other settings, or an image is
            broken.
    """
    place = output_dir / FOLDS_DIR
    recipe = fold_recipe(tasks, epochs, image_size, seed)
    about = {
        "folds": folds,
        "data_digest": digest_of_rows(frame),
        "images_digest": digest_of_images(frame),
        **dataclasses.asdict(recipe),
    }
    parts = _kept_parts(place, frame, folds, seed, about)
    answers: dict[str, np.ndarray] = {}
    for fold in range(folds):
        rows = np.flatnonzero(parts == fold)
        found = _answers_of_fold(frame, parts, fold, place / f"{fold}", recipe, verbose)
        put_answers(answers, found, rows, len(frame))
    return answers


def _kept_parts(place: Path, frame: pd.DataFrame, folds: int, seed: int, about: dict) -> np.ndarray:
    path = place / ABOUT_FILE
    noted = what_is_noted(path, about)
    if noted is not None:
        try:
            return np.array(noted["parts"])
        except KeyError as error:
            raise InputError(f"{path} is not an audit's: name another folder") from error
    parts = folds_of(frame, folds, seed)
    place.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(about | {"parts": parts.tolist()}) + "\n")
    return parts


def _answers_of_fold(
    frame: pd.DataFrame, parts: np.ndarray, fold: int, place: Path, recipe: Recipe, verbose: int
) -> dict[str, np.ndarray]:
    from imdb_wiki.terminal import print_anywhere
    from imdb_wiki.training.compact.train import train_compact

    path = place / ANSWERS_FILE
    left_out = frame[parts == fold]
    kept = read_answers(path, len(left_out))
    if kept is not None:
        return kept
    print_anywhere()
    if verbose:
        print(f"network {fold + 1} of {parts.max() + 1}", flush=True)
    data = place / "data"
    rows = {"train": frame[parts != fold], "val": watched_rows(left_out, recipe.seed)}
    write_linked_folder(data, {name: some.drop(columns="split") for name, some in rows.items()})
    network = train_compact([data], place / "training", recipe, verbose)
    answers = predict(network, left_out.reset_index(drop=True), 256, verbose, flip_averaging=True)
    write_answers(path, answers)
    return answers


def watched_rows(left_out: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The rows of the part left out that a training is watched by."""
    watched = left_out.sample(min(_WATCHED_FACES, len(left_out)), random_state=seed)
    unlabelled = [c for c in ("age_low", "gender") if watched[c].isna().all()]
    return left_out if unlabelled else watched  # rare labels: all that there are
