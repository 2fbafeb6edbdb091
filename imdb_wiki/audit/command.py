"""The command `python -m imdb_wiki audit`."""

import argparse
from pathlib import Path

from imdb_wiki.audit.report import look_first
from imdb_wiki.command import (
    OneLineParser,
    add_folders_argument,
    number,
    one_of,
    says_errors_in_one_line,
    tell,
    whole_number,
)
from imdb_wiki.errors import InputError
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.terminal import print_anywhere

_FOLDS = 5


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    if options.model and options.folds:
        raise InputError("--model and --folds: one of them answers, not both")
    for folder in options.prepared_dirs:
        if not any(Path(folder, f"{split}.csv").is_file() for split in SPLIT_NAMES):
            raise InputError(f"{folder} holds no train.csv: prepare it first")
    look_first(options.output_dir)
    if options.model and not options.model.is_file():
        raise FileNotFoundError(f"no such model: {options.model}")
    start_tensorflow()
    print_anywhere()
    from imdb_wiki.audit.run import run_audit

    try:
        facts = run_audit(
            options.prepared_dirs,
            options.output_dir,
            model_path=options.model,
            folds=options.folds or _FOLDS,
            splits=options.splits or (),
            left_out=options.left_out,
            epochs=options.epochs or 0,
            image_size=options.image_size,
            seed=options.seed,
        )
    except KeyboardInterrupt:
        last = "the last whole part of the answers" if options.model else "the last whole epoch"
        raise KeyboardInterrupt(f"the same command goes on after {last}") from None
    counts = facts["counts_above"]
    for note in facts["notes"]:
        print(f"note: {note}")
    print(
        f"{facts['labelled_count']:,} faces: about {facts['wrong_share']:.1%} of the labels are "
        f"wrong (95% interval {facts['wrong_share_low']:.1%} to {facts['wrong_share_high']:.1%})"
    )
    print(", ".join(f"{count:,} with probability {limit}" for limit, count in counts.items()))
    tell(f"most suspicious first: {options.output_dir / 'suspects.csv'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m imdb_wiki audit",
        description="Says of every face how probably its age or gender label is wrong, by networks "
        "that have not learnt from it; stopped at any moment, the same command goes on.",
        usage="%(prog)s PREPARED_DIR [PREPARED_DIR ...] --output_dir DIR [options]",
    )
    add = parser.add_argument_group("data and result").add_argument
    add_folders_argument(add)
    add(
        "--output_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for suspects.csv, audit.json and the figures",
    )
    add(
        "--splits",
        nargs="+",
        type=one_of(*SPLIT_NAMES),
        metavar="SPLIT",
        help="which splits are audited (default: all that there are)",
    )
    add(
        "--left_out",
        type=number(0, 1, above=True),
        metavar="PROBABILITY",
        help="write left_out.csv, the faces that are wrong with at least this probability; where "
        "DIR/decisions.csv has a person's decision, that counts (default: no list)",
    )
    add = parser.add_argument_group("who answers").add_argument
    add(
        "--model",
        type=Path,
        metavar="FILE",
        help="a .keras file that has never met these faces (default: none, --folds)",
    )
    add(
        "--folds",
        type=whole_number(2, 50),
        metavar="NUMBER",
        help=f"train so many small networks, each on all parts but one (default: {_FOLDS})",
    )
    add(
        "--epochs",
        type=whole_number(1, 1000),
        metavar="EPOCHS",
        help="length of each of these trainings (default: by the number of faces, 8 to 40)",
    )
    add(
        "--image_size",
        type=whole_number(32, 512),
        default=48,
        metavar="PIXELS",
        help="side of their square images",
    )
    add(
        "--seed",
        type=whole_number(0, 20_000),
        default=0,
        metavar="SEED",
        help="whole number that all chance is drawn from",
    )
    return parser
