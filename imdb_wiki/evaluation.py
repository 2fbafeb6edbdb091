"""How good a model is, beside what needs no model: the training median and the majority gender.

As a command: python -m imdb_wiki.evaluation MODEL PREPARED_DIR --split test --output_dir DIR
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from imdb_wiki.command import run_command

    run_command("imdb_wiki.evaluation")

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imdb_wiki.command import (
    OneLineParser,
    says_errors_in_one_line,
    start_tensorflow,
    whole_number,
)
from imdb_wiki.errors import InputError
from imdb_wiki.framing import read_card
from imdb_wiki.intervals import COVERAGE, age_interval, calibrate
from imdb_wiki.journal import write_whole
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.metrics import by_group, score
from imdb_wiki.metrics_text import summary
from imdb_wiki.model_files import load_model, refuse_nan
from imdb_wiki.own_files import Kind, refuse_foreign
from imdb_wiki.results import (
    count_test_reading,
    current_commit,
    hardware,
    now,
    rounded,
    training_facts,
)
from imdb_wiki.results_table import SPARE_TABLE, append_result, refuse_other_table
from imdb_wiki.splits import warning_of_seen_faces

if TYPE_CHECKING:  # not everything here needs TensorFlow; what does imports it itself
    import keras
    from matplotlib.figure import Figure


def predict(
    model: "keras.Model",
    frame: pd.DataFrame,
    batch_size: int = 64,
    verbose: int = 0,
    flip_averaging: bool = False,
) -> dict[str, np.ndarray]:
    """Predicts every image once, in the frame's order, the last short batch included.

    Args:
        model: A model of the contract in `networks.py`; its input says the image size.
        frame: Rows of `read_split`.
        batch_size: Images a step.
        verbose: Whether to show progress where it takes more than some seconds, 0 or 1.
        flip_averaging: Whether the answer is the mean of two passes, for the image and its mirror.

    Returns:
        `age_years` (count,), `gender` (count, 2), probabilities of female and male, and where the
        model has one `age_distribution` (count, 101).

    Raises:
        InputError: An image is missing or broken; the message names it.
    """
    from imdb_wiki.pipeline import make_dataset, named_broken_images
    from imdb_wiki.progress import StepProgress

    def answers(dataset) -> dict[str, np.ndarray]:
        watchers = [StepProgress("predicting", len(dataset))] if verbose else []
        outputs = model.predict(dataset, verbose=0, callbacks=watchers)
        # Without the images that only fill up the last batch, where several devices share it.
        return {name: values[: len(frame)] for name, values in outputs.items()}

    devices = model.distribute_strategy.num_replicas_in_sync
    dataset = make_dataset(frame, model.input_shape[1:3], batch_size, devices=devices)
    with named_broken_images(frame):
        outputs = answers(dataset)
        if flip_averaging:
            second = answers(dataset.map(lambda images, *rest: (images[:, :, ::-1], *rest)))
            outputs = {name: (outputs[name] + second[name]) / 2 for name in outputs}
    return outputs | {"age_years": outputs["age_years"][:, 0]}


def predictions_table(
    frame: pd.DataFrame, predictions: dict, interval_constants: dict | None = None
) -> pd.DataFrame:
    """Puts predictions beside the labels, one row an image.

    Args:
        frame: Rows of `read_split`.
        predictions: Of `predict`, for the same rows.
        interval_constants: Of `intervals.calibrate`, to add the ages' intervals.

    Returns:
        The frame with `predicted_age_years`, `age_error_years` (predicted − true),
        `female_probability`, `male_probability`, `predicted_gender`, and with constants the
        interval's ends `age_low_years` and `age_high_years`.
    """
    table = frame.assign(
        predicted_age_years=predictions["age_years"],
        age_error_years=predictions["age_years"] - frame["age"].to_numpy(),
        female_probability=predictions["gender"][:, 0],
        male_probability=predictions["gender"][:, 1],
        predicted_gender=np.argmax(predictions["gender"], axis=-1),
    )
    if interval_constants:
        table["age_low_years"], table["age_high_years"] = age_interval(
            predictions["age_years"], predictions["age_distribution"], interval_constants
        )
    return table


def evaluate(
    model: "keras.Model",
    frame: pd.DataFrame,
    train_frame: pd.DataFrame,
    batch_size: int = 64,
    verbose: int = 0,
) -> dict:
    """Predicts and scores in one call.

    Args:
        model: A model of the contract in `networks.py`.
        frame: Rows of `read_split` to evaluate on.
        train_frame: Rows of the training split; only its labels are used.
        batch_size: Images a step.
        verbose: As for `predict`.

    Returns:
        As `score`, e.g. `count`, `age_mae_years`, `median_age_mae_years`, `gender_accuracy`.
    """
    return score(frame, predict(model, frame, batch_size, verbose), train_frame)


def interval_constants_of(
    model: "keras.Model",
    path: str | Path,
    prepared_dirs: list[str | Path],
    batch_size: int = 64,
    flip_averaging: bool = False,
) -> dict | None:
    """What the model's age intervals take: from its `.json`, else calibrated on `val`.

    The constants in the `.json` are those of one plain pass; for two, new ones are calibrated.

    Args:
        model: A model of the contract in `networks.py`.
        path: Its file; a `.json` of the same name beside it is read.
        prepared_dirs: Folders whose validation splits calibrate a model without constants.
        batch_size: Images a step.
        flip_averaging: As for `predict`.

    Returns:
        Constants of `intervals.calibrate`; None for a model that answers no distribution.

    Raises:
        InputError: The `.json` is damaged, or the validation split is too small.
    """
    if "age_distribution" not in model.output:
        return None
    card_path = Path(path).with_suffix(".json")
    if card_path.is_file() and not flip_averaging:
        constants = read_card(card_path).age_interval
        if constants is None:
            raise InputError(f"{card_path} holds no constants of an age interval")
        return constants
    return calibrate_on_validation(model, prepared_dirs, batch_size, flip_averaging=flip_averaging)


def calibrate_on_validation(
    model: "keras.Model",
    prepared_dirs: list[str | Path],
    batch_size: int = 64,
    coverage: float = COVERAGE,
    flip_averaging: bool = False,
) -> dict:
    """Finds the age intervals' constants on validation splits, pooled.

    Args:
        model: A model that answers an `age_distribution`.
        prepared_dirs: Folders of `imdb_wiki_preparation.py`.
        batch_size: Images a step.
        coverage: Share of true ages that the intervals are meant to contain.
        flip_averaging: As for `predict`.

    Returns:
        Constants of `intervals.calibrate`.

    Raises:
        InputError: The validation splits are too small.
    """
    from imdb_wiki.pipeline import read_split

    frame = read_split(prepared_dirs, "val")
    answers = predict(model, frame, batch_size, flip_averaging=flip_averaging)
    try:
        return calibrate(frame["age"], answers["age_years"], answers["age_distribution"], coverage)
    except ValueError as error:
        raise InputError(f"the validation split cannot calibrate an interval: {error}") from error


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found, computed and drawn once."""

    metrics: dict  # the content of `metrics.json`: of `score`, and `by_…` tables as JSON
    tables: dict[str, pd.DataFrame]  # of `by_group`
    table: pd.DataFrame  # of `predictions_table`
    figures: "dict[str, Figure]"  # by the name of their file


# How the files of an evaluation are recognized, each by its name.
_FILE_KINDS = {
    "metrics.json": Kind("evaluation", (b'"age_mae_years"',)),
    "predictions.csv": Kind("table of predictions", (b"predicted_age_years",)),
}
_FIGURE_KIND = Kind("figure", (b"Matplotlib",))


def look_first(output_dir: Path) -> None:
    """Refuses a folder in which an evaluation would replace somebody else's files.

    Raises:
        InputError: A file has the name of one of `write_evaluation`, which has not written it.
    """
    from imdb_wiki.evaluation_plots import FIGURE_NAMES

    for name, kind in _FILE_KINDS.items():
        refuse_foreign(output_dir / name, kind)
    for name in FIGURE_NAMES:
        refuse_foreign(output_dir / "figures" / f"{name}.png", _FIGURE_KIND)


def write_evaluation(
    output_dir: str | Path,
    frame: pd.DataFrame,
    predictions: dict,
    train_frame: pd.DataFrame,
    interval_constants: dict | None = None,
) -> Evaluation:
    """Scores predictions, and writes `metrics.json`, `predictions.csv` and the figures.

    Args:
        output_dir: Folder to write to; made if it does not exist.
        frame: Rows of `read_split` that were predicted.
        predictions: Of `predict`, for the same rows.
        train_frame: Rows of the training split.
        interval_constants: Of `intervals.calibrate`, to score the ages' intervals too.

    Returns:
        All that was written.

    Raises:
        InputError: An answer is NaN: the training of the model has failed. Or the folder holds
            files of the same names that this function has not written.
    """
    from imdb_wiki import evaluation_plots, plots  # here: the measures need no matplotlib

    refuse_nan(predictions, "the network")
    output_dir = Path(output_dir)
    look_first(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    tables = by_group(frame, predictions, train_frame, interval_constants)
    metrics = score(frame, predictions, train_frame, interval_constants)
    if interval_constants:
        metrics["age_interval"] = interval_constants
    for name, table in tables.items():
        # JSON knows no NaN; a group of one person has no interval
        rows = table.astype(object).where(table.notna(), None)
        metrics[f"by_{name}"] = rows.to_dict(orient="index")
    table = predictions_table(frame, predictions, interval_constants)
    figures = evaluation_plots.all_figures(table, tables)
    for name, figure in figures.items():
        plots.save(figure, output_dir / "figures" / f"{name}.png")
    write_whole(output_dir / "predictions.csv", table.drop(columns="path").to_csv(index=False))
    text = json.dumps(metrics, indent=2, ensure_ascii=False)
    write_whole(output_dir / "metrics.json", text + "\n")  # last: it says that all is there
    return Evaluation(metrics, tables, table, figures)


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input."""
    parser = OneLineParser(
        prog="python -m imdb_wiki.evaluation",
        description="Evaluates a saved model on a split of prepared folders.",
    )
    add = parser.add_argument_group("model and data").add_argument
    add("model", type=Path, metavar="MODEL", help="a .keras file, with its .json if there is one")
    add(
        "prepared_dirs",
        nargs="+",
        metavar="PREPARED_DIR",
        help="folders of imdb_wiki_preparation.py, pooled",
    )
    add("--split", choices=SPLIT_NAMES, default="test", help="which part of them is predicted")
    add = parser.add_argument_group("results").add_argument
    add(
        "--output_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for metrics.json, predictions.csv and figures",
    )
    add(
        "--results_csv",
        type=Path,
        metavar="FILE",
        help="table that gets a row (default: results.csv in --output_dir)",
    )
    add = parser.add_argument_group("computation").add_argument
    add(
        "--batch_size",
        type=whole_number(1, 65_536),
        default=64,
        metavar="IMAGES",
        help="images a step",
    )
    add(
        "--flip_averaging",
        action="store_true",
        help="answer with the mean of two passes, for the image and its mirror image",
    )
    options = parser.parse_args(arguments)
    look_first(options.output_dir)
    table_path = options.results_csv or options.output_dir / SPARE_TABLE
    refuse_other_table(table_path, ["age_mae_years"])
    start_tensorflow()
    from imdb_wiki.pipeline import read_split

    frame = read_split(options.prepared_dirs, options.split)
    train_frame = read_split(options.prepared_dirs, "train")  # for the constant answers
    model = load_model(options.model)
    warning = warning_of_seen_faces(options.model, frame)
    training = training_facts(options.model)
    constants = interval_constants_of(
        model,
        options.model,
        options.prepared_dirs,
        options.batch_size,
        options.flip_averaging,
    )
    predictions = predict(model, frame, options.batch_size, 1, options.flip_averaging)
    metrics = write_evaluation(
        options.output_dir, frame, predictions, train_frame, constants
    ).metrics
    row = {
        "time": now(),
        "data": " ".join(options.prepared_dirs),
        "split": options.split,
        "model": str(options.model),
        "network": model.name,
        "parameters": model.count_params(),
        "image_size": model.input_shape[1],
        "flip_averaging": options.flip_averaging,
        **rounded(metrics),
        "hardware": hardware(),
        "commit": current_commit(),
    }
    row |= {name: value for name, value in training.items() if name not in row}
    append_result(table_path, row)
    print(summary(metrics))
    if options.split == "test":
        print(*count_test_reading(options.prepared_dirs, options.model), sep="\n")
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    return 0
