"""The command `python -m imdb_wiki train`: reads its options, then imports TensorFlow.

A module of its own, because that import takes seconds: wrong options, `--help` and Ctrl-C are
answered before it.
"""

from os import PathLike
from pathlib import Path

from imdb_wiki.command import (
    OneLineParser,
    add_folders_argument,
    add_left_out_argument,
    add_run_dir_argument,
    says_errors_in_one_line,
    tell,
)
from imdb_wiki.errors import InputError
from imdb_wiki.processes import in_own_process, is_alone, is_first
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.training.compact.recipe import Recipe, add_recipe_arguments, recipe_of


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    parser = OneLineParser(
        prog="python -m imdb_wiki train",
        description="Trains the compact network without a notebook; stopped at any moment, the "
        "same command goes on.",
        usage="%(prog)s PREPARED_DIR [PREPARED_DIR ...] --run_dir DIR [options]",
        epilog="A SHARE is a number from 0 to 1; 0|1 turns something off or on.",
    )
    add = parser.add_argument_group("data and result").add_argument
    add_folders_argument(add)
    add_run_dir_argument(add, "that the training writes to; at the end it holds model.keras")
    add_left_out_argument(add)
    add_recipe_arguments(parser)
    options = vars(parser.parse_args(arguments))
    folders = options["prepared_dirs"]
    options["folder_shares"] = options["folder_shares"] or [1.0] * len(folders)
    if len(options["folder_shares"]) != len(folders):
        parser.error(
            f"argument --folder_shares: {len(options['folder_shares'])} for {len(folders)} folders"
        )
    recipe = recipe_of(options)
    for folder in folders if is_alone() else []:  # else the others are told, once they are there
        if not Path(folder, "train.csv").is_file():
            raise InputError(f"{folder} holds no train.csv: prepare it first")
    return in_own_process(lambda: _train(folders, options["run_dir"], recipe, options["left_out"]))


def _train(folders: list[str | PathLike], run_dir: Path, recipe: Recipe, left_out: Path) -> int:
    start_tensorflow(may_use_jax=True, joins=True)
    from imdb_wiki.models.files import MODEL_FILE
    from imdb_wiki.training.compact.train import train_compact

    try:
        train_compact(folders, run_dir, recipe, left_out=left_out or "")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on after the last whole epoch") from None
    if is_first():
        tell(f"trained: {run_dir / MODEL_FILE}")  # as progress, no answer to be piped
    return 0
