"""The command `python -m imdb_wiki fine-tune`."""

from pathlib import Path
from typing import Any

from imdb_wiki.command import (
    OneLineParser,
    add_folders_argument,
    add_left_out_argument,
    add_run_dir_argument,
    says_errors_in_one_line,
    tell,
)
from imdb_wiki.errors import InputError
from imdb_wiki.fine_tuning.defaults import Choices
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.options import add_options, chosen_options
from imdb_wiki.processes import in_own_process, is_alone
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.terminal import print_anywhere


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    parser = OneLineParser(
        prog="python -m imdb_wiki fine-tune",
        description="Trains a network on, on own faces; stopped at any moment, the same command "
        "goes on. predict, page and export take the result like the network before.",
        usage="%(prog)s PREPARED_DIR [PREPARED_DIR ...] --run_dir DIR [options]",
    )
    add = parser.add_argument_group("data and result").add_argument
    add_folders_argument(add, "; of whole photos prepare with --faces detect")
    add_run_dir_argument(add, "for model.keras, its .json and the report")
    add_left_out_argument(add)
    add = parser.add_argument_group("the network before").add_argument
    add(
        "--start_from",
        type=Path,
        default=SHIPPED_MODEL,
        metavar="FILE",
        help="a .keras file with its .json beside it (default: models/compact.keras)",
    )
    add(
        "--old_dirs",
        nargs="+",
        default=[],
        metavar="PREPARED_DIR",
        help="folders of faces that it knew: what it loses is measured on their validation splits "
        "(default: none, not measured)",
    )
    add_options(parser, Choices)
    options = vars(parser.parse_args(arguments))
    choices = Choices(**chosen_options(Choices, options))
    folders = [*options["prepared_dirs"], *options["old_dirs"]]
    for folder in folders if is_alone() else []:  # else the others are told
        if not Path(folder, "val.csv").is_file():
            raise InputError(f"{folder} holds no val.csv: prepare it first")
    print_anywhere()
    return in_own_process(lambda: _fine_tune(options, choices))


def _fine_tune(options: dict[str, Any], choices: Choices) -> int:
    start_tensorflow(may_use_jax=True, joins=True)
    from imdb_wiki.fine_tuning.text import report_lines
    from imdb_wiki.fine_tuning.tune import fine_tune

    try:
        report = fine_tune(
            options["prepared_dirs"],
            options["run_dir"],
            options["start_from"],
            options["old_dirs"],
            choices,
            left_out=options["left_out"] or "",
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on after the last whole epoch") from None
    if not report:
        return 0
    print(*report_lines(report), sep="\n")
    tell(f"ready for use: {options['run_dir'] / 'model.keras'}")
    return 0
