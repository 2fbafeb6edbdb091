"""What each data set is worth to the compact network: trained without it, judged on all of them.

    python benchmarks/data_sets.py data/utkface144 data/wiki data/fairface data/all_age_faces \
      --shares 1 0.4 0.6 1 --run_dir runs/data_sets

The same training on all folders, with several seeds, and without each folder in turn; every one
takes about as many steps. With `--also_without`, also without the faces that an audit lists. The
validation splits judge; the test splits are not read. Stopped at any moment, it goes on; finished
trainings are not repeated.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import pandas as pd

from imdb_wiki.command import (
    OneLineParser,
    add_batch_size_argument,
    add_folders_argument,
    add_run_dir_argument,
    number,
    says_errors_in_one_line,
    whole_number,
    yes_or_no,
)
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import score
from imdb_wiki.files import write_whole
from imdb_wiki.options import MAX_IMAGE_SIDE
from imdb_wiki.results.table import refuse_other_table
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.training.compact.recipe import Augmentation, Recipe

# What imports TensorFlow is imported where it is used, after the options are read.

# Of the included network's training: framings differ between the data sets by more than the default
# changes them.
AUGMENTATION = Augmentation(zoom=0.25, shift=0.07)
MEASURES = ("age_bin_accuracy", "age_mae_years", "gender_accuracy")  # of those that labels allow


class Variant(NamedTuple):
    """One training: its name in the table, its folders, and all that decides it."""

    name: str
    folders: list[str]
    recipe: Recipe
    left_out: str = ""


def variants(
    folders: list[str],
    shares: list[float],
    counts: list[int],
    whole: Recipe,
    seeds: int,
    left_out: str = "",
) -> Iterator[Variant]:
    """The trainings, the whole ones first.

    Args:
        folders: The prepared folders.
        shares: What part of each an epoch shows.
        counts: How many training faces each has.
        whole: The recipe for all of them; its `folder_shares` are replaced.
        seeds: With how many seeds all folders are trained on.
        left_out: A list of faces to leave out; "" for none.
    """
    shown = [share * count for share, count in zip(shares, counts, strict=True)]
    whole = replace(whole, folder_shares=tuple(shares))
    for seed in range(seeds):
        yield Variant(f"all, seed {seed}", folders, replace(whole, seed=seed))
    if left_out:
        yield Variant("all, without the listed faces", folders, whole, left_out)
    for place, folder in enumerate(folders):
        others = [number for number in range(len(folders)) if number != place]
        # Fewer faces make shorter epochs: with more of them the number of steps is the same.
        epochs = round(whole.epochs * sum(shown) / sum(shown[other] for other in others))
        recipe = replace(
            whole, epochs=epochs, folder_shares=tuple(shares[other] for other in others)
        )
        yield Variant(f"without {Path(folder).name}", [folders[other] for other in others], recipe)


def judged(model: Any, folder: str) -> dict[str, float]:
    """A network's numbers for the validation split of a folder, of what is labelled there."""
    from imdb_wiki.models.answers import predict
    from imdb_wiki.pipeline import read_split

    frame, trained = (read_split(folder, split, incomplete=True) for split in ("val", "train"))
    scores, name = score(frame, predict(model, frame), trained), Path(folder).name
    return {f"{name} {which}": round(scores[which], 4) for which in MEASURES if which in scores}


def measured(run_dir: Path, every: list[Variant], folders: list[str]) -> Iterator[dict]:
    """Trains what is not trained, one after the other, and judges each on every folder."""
    from imdb_wiki.results.runs import HISTORY_FILE
    from imdb_wiki.training.compact.train import train_compact

    for variant in every:
        own_dir = run_dir / variant.name.replace(",", "").replace(" ", "_")
        model = train_compact(
            list(variant.folders), own_dir, variant.recipe, verbose=1, left_out=variant.left_out
        )
        row: dict[str, Any] = {"trained on": variant.name, "epochs": variant.recipe.epochs}
        for folder in folders:
            row |= judged(model, folder)
        seconds = pd.read_csv(own_dir / HISTORY_FILE)["seconds"].sum()
        yield row | {"minutes": round(float(seconds) / 60, 1)}


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Trains what the command line asks for and prints the table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data and result").add_argument
    add_folders_argument(add, "; two or more")
    add_run_dir_argument(add, "for the trainings and data_sets.csv, the table")
    add(
        "--also_without",
        default="",
        metavar="FILE",
        help="list of faces, left_out.csv of an audit: one more training is without them "
        "(default: none)",
    )
    add = parser.add_argument_group("size of each training").add_argument
    add(
        "--shares",
        nargs="+",
        type=number(0, 1, above=True),
        metavar="SHARE",
        help="for each folder the share of its images that an epoch shows (default: 1 for each)",
    )
    add(
        "--epochs",
        type=whole_number(1, 10_000),
        default=12,
        metavar="EPOCHS",
        help="length of the training on all folders; the others have as many steps",
    )
    add(
        "--image_size",
        type=whole_number(16, MAX_IMAGE_SIDE),
        default=64,
        metavar="PIXELS",
        help="side of the network's images",
    )
    add_batch_size_argument(add)
    add(
        "--mixed_precision",
        type=yes_or_no,
        default=False,
        metavar="0|1",
        help="compute in bfloat16",
    )
    add(
        "--seeds",
        type=whole_number(1, 100),
        default=3,
        metavar="SEEDS",
        help="with how many seeds all folders are trained on: what the spread is",
    )
    options = parser.parse_args(arguments)
    folders = options.prepared_dirs
    shares = options.shares or [1.0] * len(folders)
    if len(folders) < 2:
        raise InputError("one folder cannot be left out of one: name two or more")
    if len(shares) != len(folders):
        raise InputError(f"{len(shares)} shares for {len(folders)} prepared folders")
    if len({Path(folder).name for folder in folders}) != len(folders):
        raise InputError("two of the folders have the same name")
    table_path = options.run_dir / "data_sets.csv"
    refuse_other_table(table_path, ["trained on"])
    start_tensorflow(may_use_jax=True)
    from imdb_wiki.pipeline import read_split

    whole = Recipe(
        image_size=options.image_size,
        first_image_size=options.image_size,  # a change of size late in a short training costs it
        epochs=options.epochs,
        batch_size=options.batch_size,
        warm_up_epochs=min(1.0, options.epochs / 2),
        mixed_precision=options.mixed_precision,
        augmentation=AUGMENTATION,
    )
    counts = [len(read_split(folder, "train", incomplete=True)) for folder in folders]
    read_split(folders, "train", incomplete=True, left_out=options.also_without)  # said at once
    every = list(variants(folders, shares, counts, whole, options.seeds, options.also_without))
    rows = []
    try:
        for row in measured(options.run_dir, every, folders):
            rows.append(row)
            # Only now: an earlier table stays if these trainings are refused.
            write_whole(table_path, pd.DataFrame(rows).to_csv(index=False))
            print(row, flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on after the last whole epoch") from None
    table = pd.DataFrame(rows)
    numbers = table[table["trained on"].str.startswith("all, seed")].iloc[:, 2:-1]
    print(table.to_string(index=False))
    print("largest minus smallest over the seeds:")
    print((numbers.max() - numbers.min()).round(3).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
