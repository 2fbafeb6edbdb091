"""The command `python -m imdb_wiki reproduce`: from prepared folders to a network ready for use."""

from os import PathLike
from pathlib import Path

from imdb_wiki.command import OneLineParser, add_run_dir_argument, says_errors_in_one_line, tell
from imdb_wiki.errors import InputError
from imdb_wiki.processes import all_or_none, in_own_process, is_alone, is_first
from imdb_wiki.recipes.chain import BEFORE, Chain, read_chain
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.terminal import print_anywhere


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    parser = OneLineParser(
        prog="python -m imdb_wiki reproduce",
        description="Runs a chain of trainings, step by step, and makes its network ready for use; "
        "stopped at any moment, the same command goes on.",
    )
    add = parser.add_argument_group("chain and result").add_argument
    add("chain", type=Path, metavar="CHAIN", help="a .json file: folders, steps and their recipes")
    add_run_dir_argument(add, "for what each step continues from: step-1, step-2 and so on")
    add(
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="path of the network's files without their endings, such as models/compact",
    )
    options = parser.parse_args(arguments)
    chain = read_chain(options.chain)
    if is_alone():  # else the others are told
        _look_first(chain)
    print_anywhere()
    from imdb_wiki.export.shipping import without_ending

    output = without_ending(options.output)
    return in_own_process(lambda: _reproduce(chain, options.run_dir, output))


def _look_first(chain: Chain) -> None:
    """Refuses, before hours of training, files, folders and lists that cannot be used."""
    from imdb_wiki.split_tables import read_split, read_splits

    for number, step in enumerate(chain.steps, start=1):
        for name, path in step.files.items():
            if not Path(path).is_file():
                raise InputError(
                    f"step {number}: {name}: {path!r} is no file, nor {BEFORE!r}, nor a step such "
                    "as 'step 1'"
                )
    for folders, left_out in dict.fromkeys((step.folders, step.left_out) for step in chain.steps):
        for split in ("train", "val"):
            read_split(folders, split, incomplete=True, left_out=left_out)
    read_splits(chain.calibrate_on)  # as it is made ready for use, the test split is listed, too


def _reproduce(chain: Chain, run_dir: Path, output: Path) -> int:
    start_tensorflow(may_use_jax=True, joins=True)
    try:
        run_chain(chain, run_dir, output)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on after the last whole epoch") from None
    return 0


def run_chain(chain: Chain, run_dir: Path, output: Path, verbose: int = 1) -> dict:
    """Trains all steps, or those that are left, and ships the last one's network.

    Several processes may train together; the first one ships.

    Args:
        chain: Of `read_chain`.
        run_dir: Folder of the steps' folders.
        output: Path of the network's files without their endings.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        The content of the network's `.json`; empty in the processes that only train.

    Raises:
        InputError: As `train_compact` and `ship`; what is wrong with the output is said first.
    """
    from imdb_wiki.export.shipping import look_at_output, ship
    from imdb_wiki.models.files import MODEL_FILE
    from imdb_wiki.training.compact.train import is_finished, train_compact

    with all_or_none():
        if is_first():
            look_at_output(output)
    before: list[str] = []
    for number, step in enumerate(chain.steps, start=1):
        folder = run_dir / f"step-{number}"
        folders: list[str | PathLike] = [*step.folders]
        recipe = step.recipe(before)
        if not is_finished(folders, folder, recipe, step.left_out):
            if verbose and is_first():
                tell(f"step {number} of {len(chain.steps)}: {' '.join(step.folders)}")
            train_compact(folders, folder, recipe, verbose, step.left_out)
        before.append(str(folder / MODEL_FILE))
    if not is_first():
        return {}
    description = ship(run_dir / f"step-{len(chain.steps)}", list(chain.calibrate_on), output)
    if verbose:
        tell(f"ready for use: {output}.keras")
    return description
