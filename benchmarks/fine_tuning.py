"""What fine-tuning brings on few faces: before it, after it, and a training from nothing.

    python benchmarks/fine_tuning.py data/aaf --run_dir runs/aaf --old_dirs data/utkface144

For each number of faces as many are drawn from the training split, and a fifth of that from the
validation split; all are scored on the same test split. A stopped run goes on.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from imdb_wiki.command import (
    OneLineParser,
    add_run_dir_argument,
    says_errors_in_one_line,
    whole_number,
)
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.tensorflow_start import start_tensorflow

# Of the training from nothing: as many steps as the fine-tuning has at least, and longer, since it
# has more to learn.
SCRATCH_EPOCHS, SCRATCH_SIDE = 42, 96


def drawn_folder(prepared_dir: Path, folder: Path, count: int, seed: int) -> Path:
    """A prepared folder of some of another one's faces; the test split is the same."""
    from imdb_wiki.split_tables import read_split, write_linked_folder

    frames = {}
    for split, wanted in {"train": count, "val": max(10, count // 5), "test": None}.items():
        rows = read_split(prepared_dir, split, incomplete=True)
        if wanted is not None:
            rows = rows.sample(min(wanted, len(rows)), random_state=seed)
        frames[split] = rows
    write_linked_folder(folder, frames)
    return folder


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Measures and prints a table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data and results").add_argument
    add("prepared_dir", type=Path, metavar="PREPARED_DIR", help="the faces to draw from")
    add_run_dir_argument(add, "for all runs")
    add(
        "--old_dirs",
        nargs="+",
        default=[],
        metavar="PREPARED_DIR",
        help="folders of faces that the network knew (default: none)",
    )
    add = parser.add_argument_group("how it is measured").add_argument
    add(
        "--counts",
        type=whole_number(10),
        nargs="+",
        default=[500, 5000],
        metavar="FACES",
        help="how many are learnt from",
    )
    add("--seed", type=whole_number(0, 20_000), default=0, metavar="SEED", help="of all chance")
    options = parser.parse_args(arguments)
    start_tensorflow()
    from imdb_wiki.evaluation import load_model, predict, score, summary
    from imdb_wiki.fine_tuning.defaults import Choices
    from imdb_wiki.fine_tuning.text import report_lines
    from imdb_wiki.fine_tuning.tune import fine_tune
    from imdb_wiki.pipeline import read_split
    from imdb_wiki.training import Recipe, train_compact

    test = read_split(options.prepared_dir, "test", incomplete=True)
    all_train = read_split(options.prepared_dir, "train", incomplete=True)

    def say(what: str, network, trained_on) -> None:
        print(f"{what}: {summary(score(test, predict(network, test), trained_on))}", flush=True)

    say("before", load_model(SHIPPED_MODEL), all_train)
    for faces in options.counts:
        place = options.run_dir / f"{faces}-seed-{options.seed}"
        folder = drawn_folder(options.prepared_dir, place / "data", faces, options.seed)
        train = read_split(folder, "train", incomplete=True)
        report = fine_tune(
            [folder], place / "tuned", SHIPPED_MODEL, options.old_dirs, Choices(seed=options.seed)
        )
        print(*report_lines(report), sep="\n", flush=True)
        say(f"{faces:,} faces, fine-tuned", load_model(place / "tuned" / "model.keras"), train)
        recipe = Recipe(
            image_size=SCRATCH_SIDE,
            epochs=SCRATCH_EPOCHS,
            batch_size=32 if faces < 2000 else 64,
            seed=options.seed,
        )
        network = train_compact([folder], place / "from_nothing", recipe)
        say(f"{faces:,} faces, from nothing", network, train)
    return 0


if __name__ == "__main__":
    sys.exit(main())
