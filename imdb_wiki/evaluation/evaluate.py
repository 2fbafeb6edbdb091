"""How good a model is, beside what needs no model: the training median and the majority gender.

As a command: python -m imdb_wiki evaluate MODEL PREPARED_DIR --split test --output_dir DIR
"""

import dataclasses
import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.bins import ranges_in
from imdb_wiki.evaluation.groups import by_group
from imdb_wiki.evaluation.metrics import score
from imdb_wiki.files import FIGURE_KIND, Kind, refuse_foreign, write_whole
from imdb_wiki.labels import TASK_OUTPUTS
from imdb_wiki.models.answers import predict
from imdb_wiki.models.description import read_description
from imdb_wiki.models.files import refuse_nan
from imdb_wiki.models.intervals import COVERAGE, age_interval, calibrate

if TYPE_CHECKING:  # not everything here needs TensorFlow; what does imports it itself
    import keras
    from matplotlib.figure import Figure


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
        interval's ends `age_low_years` and `age_high_years`. Columns of a task that was not
        predicted are absent.
    """
    table = frame
    if "age_years" in predictions:
        table = table.assign(
            predicted_age_years=predictions["age_years"],
            age_error_years=predictions["age_years"] - frame["age"].to_numpy(),
        )
    if "gender" in predictions:
        table = table.assign(
            female_probability=predictions["gender"][:, 0],
            male_probability=predictions["gender"][:, 1],
            predicted_gender=np.argmax(predictions["gender"], axis=-1),
        )
    if interval_constants:
        table["age_low_years"], table["age_high_years"] = age_interval(
            predictions["age_years"], predictions["age_distribution"], interval_constants
        )
    return table


def interval_constants_of(
    model: "keras.Model",
    path: str | Path,
    prepared_dirs: list[str | Path],
    batch_size: int = 64,
    flip_averaging: bool = False,
    left_out: str | PathLike = "",
) -> dict | None:
    """What the model's age intervals take: from its `.json`, else calibrated on `val`.

    The constants in the `.json` are those of one plain pass; for two, new ones are calibrated.

    Args:
        model: A model of the contract in `imdb_wiki.networks`.
        path: Its file; a `.json` of the same name beside it is read.
        prepared_dirs: Folders whose validation splits calibrate a model without constants.
        batch_size: Images a step.
        flip_averaging: As for `predict`.
        left_out: A list of faces that are not read, as for `read_split`; "" for none.

    Returns:
        Constants of `intervals.calibrate`; None for a model that answers no distribution.

    Raises:
        InputError: The `.json` is damaged, the validation split is too small, or the list is none.
    """
    if "age_distribution" not in model.output:
        return None
    description_path = Path(path).with_suffix(".json")
    if description_path.is_file() and not flip_averaging:
        constants = read_description(description_path).age_interval
        if constants is None:
            raise InputError(f"{description_path} holds no constants of an age interval")
        return constants
    from imdb_wiki.pipeline import read_split

    frame = read_split(prepared_dirs, "val", incomplete=True, left_out=left_out)
    return calibrate_on_validation(model, frame, batch_size, flip_averaging=flip_averaging)


def calibrate_on_validation(
    model: "keras.Model",
    frame: pd.DataFrame,
    batch_size: int = 64,
    coverage: float = COVERAGE,
    flip_averaging: bool = False,
) -> dict:
    """Finds the age intervals' constants on validation faces.

    Faces whose age is a range count only if there are no others, those without an age never.

    Args:
        model: A model that answers an `age_distribution`.
        frame: Their rows, of `read_split`.
        batch_size: Images a step.
        coverage: Share of true ages that the intervals are meant to contain.
        flip_averaging: As for `predict`.

    Returns:
        Constants of `intervals.calibrate`.

    Raises:
        InputError: They are too few.
    """
    exact = frame[frame["age"].notna()]
    frame = exact if len(exact) else ranges_in(frame)
    if frame.empty:
        raise InputError(
            "the validation split cannot calibrate an interval: it has no age; an evaluation of "
            "the genders alone needs none"
        )
    answers = predict(model, frame, batch_size, flip_averaging=flip_averaging)
    try:
        return calibrate(
            frame[["age_low", "age_high"]],
            answers["age_years"],
            answers["age_distribution"],
            coverage,
        )
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
    "metrics.json": Kind("evaluation", (b'"train_count"',)),
    "predictions.csv": Kind("table of predictions", (b"predicted_",)),
}


def look_first(output_dir: Path) -> None:
    """Refuses a folder in which an evaluation would replace somebody else's files.

    Raises:
        InputError: A file has the name of one of `write_evaluation`, which has not written it.
    """
    from imdb_wiki.evaluation.figures import FIGURE_NAMES

    for name, kind in _FILE_KINDS.items():
        refuse_foreign(output_dir / name, kind)
    for name in FIGURE_NAMES:
        refuse_foreign(output_dir / "figures" / f"{name}.png", FIGURE_KIND)


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
        InputError: An answer is NaN: the training of the model has failed. No face has a label of
            what was predicted. Or the folder holds files of the same names that this function has
            not written.
    """
    from imdb_wiki.evaluation.figures import all_figures
    from imdb_wiki.plots.style import save  # here: the measures need no matplotlib

    refuse_nan(predictions, "the network")
    output_dir = Path(output_dir)
    look_first(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    tables = by_group(frame, predictions, train_frame, interval_constants)
    metrics = score(frame, predictions, train_frame, interval_constants)
    if not {"age_mae_years", "age_bin_accuracy", "gender_accuracy"} & metrics.keys():
        asked = " or ".join(task for task, output in TASK_OUTPUTS.items() if output in predictions)
        raise InputError(f"nothing to score: no face, or none of the train split, has its {asked}")
    if interval_constants:
        metrics["age_interval"] = interval_constants
    for name, table in tables.items():
        # JSON knows no NaN; a group of one person has no interval
        # pyrefly: ignore[bad-argument-type]  # pandas' types lack None here
        rows = table.astype(object).where(table.notna(), None)
        metrics[f"by_{name}"] = rows.to_dict(orient="index")
    table = predictions_table(frame, predictions, interval_constants)
    figures = all_figures(table, tables)
    for name, figure in figures.items():
        save(figure, output_dir / "figures" / f"{name}.png")
    write_whole(output_dir / "predictions.csv", table.drop(columns="path").to_csv(index=False))
    text = json.dumps(metrics, indent=2, ensure_ascii=False)
    write_whole(output_dir / "metrics.json", text + "\n")  # last: it says that all is there
    return Evaluation(metrics, tables, table, figures)
