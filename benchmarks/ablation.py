"""What each ingredient of the compact network's training is worth, judged on the validation split.

    python benchmarks/ablation.py data/utkface data/wiki --run_dir runs/ablation

Every ingredient is turned off in turn, at 64 pixels, on half of each folder's images, for a few
epochs; the whole recipe is trained with several seeds, whose spread says which differences mean
anything. Averaged weights are left out: they need longer trainings. A second training, which starts
from the first, is tried with the first one's answers as part of the labels and without. Stopped at
any moment, it goes on; finished trainings are not repeated. The test split is never read.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pandas as pd

from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.evaluation.metrics import accuracy, age_mae_years
from imdb_wiki.models.answers import predict
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.training.compact.recipe import Augmentation, Recipe

# What imports TensorFlow is imported where it is used, after the options are read.

SEEDS = (0, 1, 2)  # of the whole recipe
PIXELS = 64  # a side, for all epochs


def variants(epochs: int, share: float, folders: int) -> dict[str, Recipe]:
    """The whole recipe with each seed, and with each ingredient off."""
    whole = Recipe(
        image_size=PIXELS,
        first_image_size=PIXELS,
        source_size=PIXELS + PIXELS // 4,
        epochs=epochs,
        warm_up_epochs=min(1.0, epochs / 2),
        average_momentum=0.0,  # they remember 1,000 steps, as many as such a small training has
        norm_batches=50,
        folder_shares=(share,) * folders,
    )

    def with_augmentation(**changes):
        return replace(whole, augmentation=replace(whole.augmentation, **changes))

    return {
        **{f"whole recipe, seed {seed}": replace(whole, seed=seed) for seed in SEEDS},
        "no squeeze-and-excitation": replace(whole, squeeze=False),
        "no label distribution: error alone": replace(whole, age_distribution_weight=0.0),
        "no age error: distribution alone": replace(whole, age_error_weight=0.0),
        "no weight decay": replace(whole, weight_decay=0.0),
        "no warm-up": replace(whole, warm_up_epochs=0.0),
        "no cosine schedule": replace(whole, cosine=False),
        "no gender smoothing": replace(whole, gender_smoothing=0.0),
        "no dropout": replace(whole, dropout=0.0),
        "norms as the training left them": replace(whole, norm_batches=0),
        "no augmentation at all": replace(whole, augmentation=Augmentation.none()),
        "no flip": with_augmentation(flip=False),
        "no crop, scale or rotation": with_augmentation(
            zoom=0.0, aspect=0.0, shift=0.0, rotation_degrees=0.0
        ),
        "no light or colour": with_augmentation(
            brightness=0.0, contrast=0.0, saturation=0.0, grey_share=0.0
        ),
        "no blur": with_augmentation(blur_share=0.0),
        "no erasing": with_augmentation(erase_share=0.0),
    }


def second_trainings(first: Recipe, first_model: Path) -> dict[str, Recipe]:
    """Trainings that go on from the first, at half its learning rate, taught by it and not."""
    second = replace(
        first,
        start_from=str(first_model),
        seed=len(SEEDS),  # other images and changes than in any first training
        learning_rate=first.learning_rate / 2,
    )
    return {
        "second training, taught by seed 0's": replace(second, teacher_weight=0.5),
        "second training, not taught": second,
    }


def measure(prepared_dirs: list[str], run_dir: Path, name: str, recipe: Recipe) -> dict:
    """Trains one variant, unless it is trained, and scores it on each folder's validation split."""
    from imdb_wiki.pipeline import read_split
    from imdb_wiki.results.runs import HISTORY_FILE
    from imdb_wiki.training.compact.train import train_compact

    model = train_compact(prepared_dirs, run_dir, recipe, verbose=0)
    row = {"variant": name}
    for prepared_dir in prepared_dirs:
        frame = read_split(prepared_dir, "val")
        answers = predict(model, frame)
        label = Path(prepared_dir).name
        row[f"{label} age_mae_years"] = round(age_mae_years(frame["age"], answers["age_years"]), 3)
        row[f"{label} gender_accuracy"] = round(accuracy(frame["gender"], answers["gender"]), 4)
    row["minutes"] = round(pd.read_csv(run_dir / HISTORY_FILE)["seconds"].sum() / 60, 1)
    return row


def measured(prepared_dirs: list[str], run_dir: Path, epochs: int, share: float) -> Iterator[dict]:
    """Measures all variants, one after the other: even so small a network fills two cores."""
    from imdb_wiki.models.files import MODEL_FILE

    first = variants(epochs, share, len(prepared_dirs))
    second = second_trainings(next(iter(first.values())), run_dir / "00" / MODEL_FILE)
    for index, (name, recipe) in enumerate((first | second).items()):
        yield measure(prepared_dirs, run_dir / f"{index:02}", name, recipe)


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Trains what the command line asks for and prints the table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data and result").add_argument
    add(
        "prepared_dirs",
        nargs="+",
        metavar="PREPARED_DIR",
        help="folders of imdb_wiki_preparation.py",
    )
    add(
        "--run_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the trainings and ablation.csv, the table",
    )
    add = parser.add_argument_group("size of each training").add_argument
    add(
        "--epochs",
        type=whole_number(1, 10_000),
        default=3,
        metavar="EPOCHS",
        help="length of each variant's training",
    )
    add(
        "--share",
        type=number(0, 1, above=True),
        default=0.5,
        metavar="SHARE",
        help="share of each folder's images that an epoch shows, up to 1",
    )
    options = parser.parse_args(arguments)
    start_tensorflow()
    from imdb_wiki.results.table import append_result

    table_path = options.run_dir / "ablation.csv"
    table_path.unlink(missing_ok=True)
    try:
        for row in measured(**vars(options)):
            append_result(table_path, row)
            print(row, flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on after the last whole epoch") from None
    table = pd.read_csv(table_path)
    columns = table.columns[1:-1]
    seeds = table[table["variant"].str.startswith("whole")][columns]
    print(table.to_string(index=False))
    print("whole recipe over seeds, mean:\n", seeds.mean().round(3).to_string(), sep="")
    print("largest minus smallest:\n", (seeds.max() - seeds.min()).round(3).to_string(), sep="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
