"""Makes a trained network ready for use: the model, and what its users must know.

    python -m imdb_wiki ship runs/compact data/utkface data/wiki --output models/compact

`models/compact.keras` can be loaded with Keras alone. `models/compact.json` says how faces must be
cut out, and has the constants of the age intervals, calibrated on the folders' validation splits.
`models/compact_split.json` lists, by digests of their names, the faces that it was not trained on:
with it, `imdb_wiki_preparation.py --split_file` makes the same splits on any machine.
"""

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imdb_wiki.command import OneLineParser, add_folders_argument, says_errors_in_one_line
from imdb_wiki.errors import InputError
from imdb_wiki.files import Kind, parse_json, refuse_foreign, write_together
from imdb_wiki.models.description import DESCRIPTION_KIND
from imdb_wiki.models.files import MODEL_FILE, MODEL_KIND, load_model, model_bytes, refuse_nan
from imdb_wiki.models.intervals import COVERAGE
from imdb_wiki.results.runs import RECIPE_FILE
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.terminal import print_anywhere

if TYPE_CHECKING:
    import keras
    import pandas as pd

SPLIT_LIST_KIND = Kind("list of the faces of a split", (b'"val": [', b'"test": ['))
# How a face must be cut out for the network: as in UTKFace. Of the two framings that it was trained
# on, this is the narrower one, in which the face has more pixels.
FRAMING = {
    "box": "chip",  # square, upright; the face is about 0.86 of its width and 1.07 of its height
    "margin": 0.0,  # of the chip's side, added on each of its sides
    "padding": "edge",  # outside of the photo, its edge is repeated
    "resampling": "area",  # as in `images.pixels.square`: areas are averaged when scaling down
}


def ship(run_dir: Path, prepared_dirs: list[str], output: Path, coverage: float = COVERAGE) -> dict:
    """Writes `<output>.keras`, `<output>.json` and `<output>_split.json`.

    Args:
        run_dir: Folder of the command `train`.
        prepared_dirs: Folders whose validation splits, pooled, calibrate the age intervals.
        output: Path of the files without their ending; it may have dots, as `compact.v2`.
        coverage: Share of true ages that the intervals are meant to hold.

    Returns:
        The content of the `.json`.

    Raises:
        FileNotFoundError: There is no such training, or no such prepared folder.
        InputError: The model answers no distribution or NaN, the validation splits are too small,
            or one of the files exists and was not written by this function.
        OSError: A file cannot be written; the error names it, and older files stay.
    """
    recipe, model_path = _look_first(run_dir, prepared_dirs, output), run_dir / MODEL_FILE
    from imdb_wiki.networks import tasks_of
    from imdb_wiki.split_tables import read_splits

    model = load_model(model_path)
    if "age_distribution" not in model.output and "age" in tasks_of(model):
        raise InputError(f"{model_path} answers no age_distribution")
    refuse_nan(model.predict_on_batch(np.zeros((1, *model.input_shape[1:]))), model_path)
    frames = read_splits(prepared_dirs)
    description, files = model_files(
        model, recipe, frames, frames["val"], output, coverage=coverage
    )
    write_together(files)
    return description


def model_files(
    model: "keras.Model",
    training: dict,
    frames: dict[str, "pd.DataFrame"],
    val_frame: "pd.DataFrame",
    output: Path,
    framing: dict | None = None,
    start_from: Path | None = None,
    coverage: float = COVERAGE,
) -> tuple[dict, dict[Path, str | bytes]]:
    """Makes the content of a model's three files.

    Args:
        model: A network with a distribution of ages, or for genders only.
        training: What decided its training, with `data`, the folders.
        frames: Rows of `read_split` by split: which faces it has not learnt from is listed.
        val_frame: Those that calibrate the age intervals.
        output: Path of the files without their ending.
        framing: How faces are cut for it; None: as in UTKFace.
        start_from: The network that the training has started from: what that has not learnt and
            this training neither, stays listed.
        coverage: Share of true ages that the intervals are meant to hold.

    Returns:
        The content of the `.json`, and of all three files by path.

    Raises:
        InputError: The faces that calibrate are too few.
    """
    import keras

    from imdb_wiki.evaluation.evaluate import calibrate_on_validation
    from imdb_wiki.networks import tasks_of
    from imdb_wiki.split_lists import list_beside, split_list_text

    interval = None  # without ages there is none
    if "age" in tasks_of(model):
        interval = calibrate_on_validation(model, val_frame, coverage=coverage)
    description = {
        "name": output.name,
        "network": model.name,
        "tasks": list(tasks_of(model)),
        "parameters": model.count_params(),
        "image_size": model.input_shape[1],
        "colour_order": "RGB",
        "value_range": [0, 255],
        "framing": framing or FRAMING,
        "age_interval": interval,
        "training": training | {"data": [Path(folder).name for folder in training["data"]]},
        "versions": {"python": platform.python_version(), "keras": keras.__version__},
    }
    older = list_beside(start_from) if start_from else None
    weights, description_path, list_path = model_paths(output)
    output.parent.mkdir(parents=True, exist_ok=True)  # Keras writes a draft there
    return description, {
        weights: model_bytes(model, weights),
        list_path: split_list_text(frames, older),
        description_path: json.dumps(description, indent=1, allow_nan=False) + "\n",
    }


def model_paths(output: Path) -> list[Path]:
    """The three files; `Path.with_suffix` would take `.v2` of `compact.v2` for an ending."""
    return [output.with_name(output.name + ending) for ending in (".keras", ".json", "_split.json")]


def _look_first(run_dir: Path, prepared_dirs: list[str], output: Path) -> dict:
    """Checks, before anything is computed, what is read and the names of what is written.

    Returns:
        The training's recipe.
    """
    for path in (run_dir / MODEL_FILE, *(Path(folder) / "val.csv" for folder in prepared_dirs)):
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    recipe_path = run_dir / RECIPE_FILE
    if not recipe_path.is_file():
        raise InputError(f"{run_dir} is not a folder of the command train: it lacks {RECIPE_FILE}")
    try:
        recipe = parse_json(recipe_path.read_text(encoding="utf-8"))
        if not all(isinstance(folder, str) for folder in recipe["data"]):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{recipe_path} is not a recipe of the command train") from error
    look_at_output(output)
    return recipe


def look_at_output(output: Path) -> None:
    """Refuses names under which `ship` would replace what it has not written.

    Args:
        output: Path of the files without their ending.

    Raises:
        InputError: It is a folder, one of the files is of another kind or without the others, or
            there can be no such folder.
    """
    if output.is_dir():
        raise InputError(f"{output} is a folder: give a name in it, such as {output / 'compact'}")
    there = next(folder for folder in output.absolute().parents if folder.exists())
    if not there.is_dir():
        raise InputError(f"{output} cannot be written: {there} is no folder")
    for path, kind in zip(
        model_paths(output), (MODEL_KIND, DESCRIPTION_KIND, SPLIT_LIST_KIND), strict=True
    ):
        refuse_foreign(path, kind)
    weights, description_path, _ = model_paths(output)
    if weights.exists() and not description_path.exists():  # what a training writes has no .json
        raise InputError(
            f"{weights} is a model without its .json, so it is not an earlier result of this "
            "command, and not replaced: give another name, or move it"
        )


def without_ending(output: Path) -> Path:
    """What `--output` names, also where it is the network's file itself."""
    return output.with_suffix("") if output.suffix == ".keras" else output


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input."""
    parser = OneLineParser(
        prog="python -m imdb_wiki ship",
        description="Makes a trained network ready for use: the model, a .json with the framing of "
        "faces and the constants of the 90% age intervals, and the list of the faces that it has "
        "not trained on.",
        epilog="A file that is there is replaced only if it is an earlier result of this command.",
    )
    add = parser.add_argument_group("training and data").add_argument
    add("run_dir", type=Path, metavar="RUN_DIR", help="folder of the command train")
    add_folders_argument(
        add,
        ", that it was trained on: the faces of their validation splits decide how wide the age "
        "intervals are",
    )
    add = parser.add_argument_group("result").add_argument
    add(
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="path of the files without their endings: for models/compact the command writes "
        "models/compact.keras, models/compact.json and models/compact_split.json",
    )
    options = parser.parse_args(arguments)
    print_anywhere()
    output = without_ending(options.output)
    _look_first(options.run_dir, options.prepared_dirs, output)
    start_tensorflow()
    description = ship(options.run_dir, options.prepared_dirs, output)
    interval = description["age_interval"]
    text = f"{output}.keras, .json and _split.json: {description['parameters']:,} parameters; "
    if interval:
        text += (
            f"{interval['coverage']:.0%} intervals reach {interval['factor']:.2f} times the spread "
            f"plus {interval['floor_years']:g} years, by {interval['count']:,} faces"
        )
    else:
        text += "genders only, so there are no age intervals"
    print(text)
    return 0
