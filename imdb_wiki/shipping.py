"""Makes a trained network ready for use: its weights, and what its user must know, side by side.

    python -m imdb_wiki.shipping runs/compact data/utkface data/wiki --output models/compact

`models/compact.keras` loads with Keras alone; `models/compact.json` says how a face must be framed
and holds the constants of the age intervals, calibrated on the folders' validation splits.
`models/compact_split.json` lists, by digests of their names, the faces that it has not learnt from:
with it `imdb_wiki_preparation.py --split_file` makes the same splits anywhere.
"""

import json
import platform
import sys
from pathlib import Path

import keras

from imdb_wiki.command import OneLineParser, says_errors_in_one_line
from imdb_wiki.compact_state import RECIPE_FILE
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation import calibrate_on_validation, load_model
from imdb_wiki.intervals import COVERAGE
from imdb_wiki.journal import write_whole
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.model_files import save_model
from imdb_wiki.pipeline import read_split
from imdb_wiki.results import MODEL_FILE
from imdb_wiki.splits import write_split_list

# How a face must be cut out for the network: as UTKFace's chips are, the tighter of the two
# framings that it learnt, which leaves most of the pixels to the face.
FRAMING = {
    "box": "chip",  # square, upright; the face is about 0.86 of its width and 1.07 of its height
    "margin": 0.0,  # of the chip's side, added on each of its sides
    "padding": "edge",  # what lies outside of the photo repeats its edge
    "resampling": "area",  # as `crops.square`: areas are averaged when shrinking
}


def ship(run_dir: Path, prepared_dirs: list[str], output: Path, coverage: float = COVERAGE) -> dict:
    """Writes `<output>.keras`, `<output>.json` and `<output>_split.json`.

    Args:
        run_dir: Folder of `compact_training`.
        prepared_dirs: Folders whose validation splits, pooled, calibrate the age intervals.
        output: Path of the files without their ending.
        coverage: Share of true ages that the intervals shall hold.

    Returns:
        What stands in the `.json`.

    Raises:
        InputError: The model has no distribution, or the validation splits are too small.
    """
    model = load_model(run_dir / MODEL_FILE)
    if "age_distribution" not in model.output:
        raise InputError(f"{run_dir / MODEL_FILE} answers no age_distribution")
    recipe_path = run_dir / RECIPE_FILE
    if not recipe_path.is_file():
        raise InputError(f"{run_dir} is no folder of compact_training: it lacks {RECIPE_FILE}")
    recipe = json.loads(recipe_path.read_text(encoding="utf-8"))
    interval = calibrate_on_validation(model, prepared_dirs, coverage=coverage)
    card = {
        "name": output.name,
        "network": model.name,
        "parameters": model.count_params(),
        "image_size": model.input_shape[1],
        "colour_order": "RGB",
        "value_range": [0, 255],
        "framing": FRAMING,
        "age_interval": interval,
        "training": recipe | {"data": [Path(folder).name for folder in recipe["data"]]},
        "versions": {"python": platform.python_version(), "keras": keras.__version__},
    }
    frames = {
        split: read_split(prepared_dirs, split)
        for split in SPLIT_NAMES[1:]
        if all((Path(folder) / f"{split}.csv").is_file() for folder in prepared_dirs)
    }
    save_model(model, output.with_suffix(".keras"))
    write_split_list(output.with_name(f"{output.name}_split.json"), frames)
    write_whole(output.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    return card


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input."""
    parser = OneLineParser(prog="python -m imdb_wiki.shipping", description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path, help="folder of imdb_wiki.compact_training")
    parser.add_argument("prepared_dirs", nargs="+", help="folders whose val splits calibrate")
    parser.add_argument("--output", type=Path, required=True, help="path without an ending")
    options = parser.parse_args(arguments)
    card = ship(options.run_dir, options.prepared_dirs, options.output)
    interval = card["age_interval"]
    print(
        f"{options.output}.keras, .json and _split.json: {card['parameters']:,} parameters; "
        f"{interval['coverage']:.0%} intervals reach {interval['factor']:.2f} times the spread "
        f"plus {interval['floor_years']:g} years, by {interval['count']:,} faces"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
