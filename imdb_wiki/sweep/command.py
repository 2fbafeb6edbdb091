"""The command `python -m imdb_wiki sweep`."""

import importlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imdb_wiki.command import (
    OneLineParser,
    add_folders_argument,
    add_run_dir_argument,
    says_errors_in_one_line,
    tell,
    whole_number,
)
from imdb_wiki.errors import InputError
from imdb_wiki.sweep.measures import DEFAULT, MEASURES, read_measure
from imdb_wiki.sweep.notebook import read_notebook
from imdb_wiki.sweep.space import LOG_RATIO, read_space
from imdb_wiki.sweep.storage import STORAGE_FILE
from imdb_wiki.terminal import print_anywhere

if TYPE_CHECKING:
    from imdb_wiki.sweep.trials import Sweep

TRIALS = 20
_MOST_TRIALS, _MOST_SEED = 10_000, 2**32 - 1


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    parser = OneLineParser(
        prog="python -m imdb_wiki sweep",
        description="Trains the notebook's network with other constants, many times, and keeps "
        "those that are best on the validation split; the test split is not scored. Stopped at "
        "any moment, the same command goes on.",
        usage="%(prog)s PREPARED_DIR [...] --run_dir DIR --vary NAME=VALUES [...] [options]",
    )
    add = parser.add_argument_group("data and result").add_argument
    add_folders_argument(add)
    add_run_dir_argument(add, "for the trials, their table trials.csv and the picture sweep.png")
    add = parser.add_argument_group("constants of imdb_wiki_gpu.ipynb").add_argument
    add(
        "--vary",
        nargs="+",
        action="extend",
        required=True,
        metavar="NAME=VALUES",
        help="what is tried: a range, LEARNING_RATE=1e-4..1e-2, by magnitude if it starts above 0 "
        f"and its end is {LOG_RATIO} times its start or more; or a list, BATCH_SIZE=16,32 or "
        "AGE_LOSS=mae,huber or 'AGE_FILTERS=[8,16,32],[16,32,64]'",
    )
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="what all trials have, such as EPOCHS=3 IMAGE_SIZE=64 (default: as in the notebook)",
    )
    add = parser.add_argument_group("search").add_argument
    add(
        "--trials",
        type=whole_number(1, _MOST_TRIALS),
        default=TRIALS,
        metavar="COUNT",
        help="how many trainings in all, with those of earlier commands in the same folder; if "
        "there are not more combinations than that, each is tried once",
    )
    add(
        "--measure",
        choices=tuple(MEASURES),
        metavar="NAME",
        help=f"what is compared, on the validation split at the epoch that is kept, the one with "
        f"the lowest val_loss: {', '.join(MEASURES)} (default: {DEFAULT}; none if what it adds up "
        "is varied)",
    )
    add(
        "--seed",
        type=whole_number(0, _MOST_SEED),
        default=0,
        metavar="NUMBER",
        help="of what is tried; that of the trainings is the notebook's SEED",
    )
    options = vars(parser.parse_args(arguments))
    notebook = read_notebook()
    space = read_space(options["vary"], options["set"], notebook.constants, notebook.deciding)
    measure = read_measure(options["measure"], space, notebook.constants)
    print_anywhere()
    for package in ("optuna", "papermill"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise InputError(f"{error}: pip install -r requirements-sweep.txt") from None
    _refuse_folders(options["prepared_dirs"], options["run_dir"])
    from imdb_wiki.sweep.trials import Sweep

    folders = [str(Path(folder)) for folder in options["prepared_dirs"]]
    trials, seed = options["trials"], options["seed"]
    return _run(Sweep(folders, options["run_dir"], space, measure, trials, seed, notebook))


def _refuse_folders(prepared_dirs: list[str], run_dir: Path) -> None:
    """Refuses folders that hold something else than they should."""
    from imdb_wiki.results.runs import holds_training

    for folder in prepared_dirs:
        for name in ("train.csv", "val.csv"):
            if not Path(folder, name).is_file():
                raise InputError(f"{folder} holds no {name}: prepare it first")
    if run_dir.exists() and not run_dir.is_dir():
        raise InputError(f"{run_dir} is a file: name a folder")
    if (run_dir / "train.csv").exists():
        raise InputError(f"{run_dir} is a prepared folder: name another one for the sweep")
    if holds_training(run_dir):
        raise InputError(f"{run_dir} holds a training: name another folder for the sweep")
    own = (run_dir / name for name in ("trials", "trials.csv", "sweep.png"))
    other = next((path for path in own if path.exists()), None)
    if other and not (run_dir / STORAGE_FILE).exists():
        raise InputError(f"{other} is there and of no sweep: name another folder")


def _run(sweep: "Sweep") -> int:
    from imdb_wiki.sweep.report import (
        papermill_command,
        trial_count,
        trial_line,
        trial_name,
        values_text,
        write_report,
    )
    from imdb_wiki.sweep.trials import best_of, run_trials

    on_terminal = sys.stdout is not None and sys.stdout.isatty()

    def began(number: int, values: dict[str, Any]) -> None:
        if on_terminal:
            name = trial_name(number, trial_count(trials, sweep))
            line = f"{name}  {values_text(values)}  ·  at work"
            print(line[: shutil.get_terminal_size().columns - 1], end="", flush=True)

    trials = []
    try:
        for step, trials in enumerate(run_trials(sweep, began)):
            if trials:
                write_report(trials, sweep)
            if step:
                start = "\r\x1b[K" if on_terminal else ""
                print(start + trial_line(trials, sweep), flush=True)
            elif trials:
                left = trial_count(trials, sweep) - len(trials)
                print(f"{len(trials)} trials are there, {left} to go", flush=True)
    except KeyboardInterrupt:
        if on_terminal:
            print()  # below the trial that was at work
        raise KeyboardInterrupt("the same command goes on after the last whole trial") from None
    best = best_of(trials, sweep.measure)
    if best is None:
        reason = trials[-1].reason
        raise InputError(f"no trial has worked, {len(trials)} failed; the last: {reason}")
    print(
        f"best of {len(trials)}, trial {best.number}: {sweep.measure.column} {best.measured:.4f} "
        f"with {values_text(best.values)}; the whole notebook with these constants:"
    )
    print(papermill_command(best.values, sweep))
    tell(f"table and picture: {sweep.run_dir / 'trials.csv'}, {sweep.run_dir / 'sweep.png'}")
    return 0
