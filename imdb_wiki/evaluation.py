"""How good a model is, beside what needs no model: the training median and the majority gender.

As a command: python -m imdb_wiki.evaluation MODEL PREPARED_DIR --split test --output_dir DIR
"""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.labels import GENDER_NAMES, MAX_AGE_YEARS, SPLIT_NAMES

if TYPE_CHECKING:  # the measures need no TensorFlow; what does imports it itself
    import keras

CS_YEARS = 5  # CS@5, the cumulative score at 5 years, is the literature's second measure of age


def age_mae_years(true_years: np.ndarray, predicted_years: np.ndarray) -> float:
    """Mean absolute error in years of ages (count,) against predictions (count,) or one number."""
    return float(np.mean(np.abs(np.subtract(predicted_years, true_years, dtype="float64"))))


def age_bias_years(true_years: np.ndarray, predicted_years: np.ndarray) -> float:
    """Mean error in years, positive if predictions are too old."""
    return float(np.mean(np.subtract(predicted_years, true_years, dtype="float64")))


def cumulative_score(
    true_years: np.ndarray, predicted_years: np.ndarray, within_years: float = CS_YEARS
) -> float:
    """Share of predictions that are at most `within_years` off, the border included."""
    errors = np.abs(np.subtract(predicted_years, true_years, dtype="float64"))
    return float(np.mean(errors <= within_years))


def accuracy(true_gender: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of images whose likelier gender, of probabilities (count, 2), is the true one."""
    return float(np.mean(np.argmax(probabilities, axis=-1) == true_gender))


def cross_entropy(true_gender: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of −ln of the probability given to the true gender.

    Args:
        true_gender: 0 female, 1 male, (count,).
        probabilities: Of female and male, (count, 2), or (2,) for the same answer every time.

    Returns:
        0 for certain and right; ln 2 = 0.693 for a coin.
    """
    probabilities = np.broadcast_to(probabilities, (len(true_gender), len(GENDER_NAMES)))
    given = probabilities[np.arange(len(true_gender)), true_gender].astype("float64")
    # Keras' own bound: one sure and wrong answer must not make the mean infinite.
    return float(np.mean(-np.log(np.clip(given, 1e-7, 1.0))))


def predict(
    model: "keras.Model", frame: pd.DataFrame, batch_size: int = 64, verbose: int | str = 0
) -> dict[str, np.ndarray]:
    """Predicts every image once, in the frame's order, the last short batch included.

    Args:
        model: A model of the contract in `networks.py`; its input says the image size.
        frame: Rows of `read_split`.
        batch_size: Images a step.
        verbose: As for `keras.Model.predict`.

    Returns:
        `age_years` (count,) and `gender` (count, 2), probabilities of female and male.

    Raises:
        InputError: An image is missing or broken; the message names it.
    """
    from imdb_wiki.pipeline import make_dataset, named_broken_images

    dataset = make_dataset(frame, model.input_shape[1:3], batch_size)
    with named_broken_images(frame):
        outputs = model.predict(dataset, verbose=verbose)
    return {"age_years": outputs["age_years"][:, 0], "gender": outputs["gender"]}


def score(frame: pd.DataFrame, predictions: dict, train_frame: pd.DataFrame) -> dict:
    """Scores predictions, each measure beside what a constant answer gets.

    The constant answers come from the training split: its median age, its majority gender and,
    for the cross-entropy, its gender frequencies.

    Args:
        frame: Rows of `read_split` that were predicted.
        predictions: Of `predict`, for the same rows.
        train_frame: Rows of the training split; only its labels are used.

    Returns:
        Plain numbers by name, as in `metrics.json`; ages in years, shares from 0 to 1.
    """
    age, gender = frame["age"].to_numpy(), frame["gender"].to_numpy()
    predicted_age, probabilities = predictions["age_years"], predictions["gender"]
    median_age = float(train_frame["age"].median())
    frequencies = np.bincount(train_frame["gender"], minlength=2) / len(train_frame)
    return {
        "count": len(frame),
        "age_mae_years": age_mae_years(age, predicted_age),
        "median_age_mae_years": age_mae_years(age, median_age),
        "age_cs5": cumulative_score(age, predicted_age),
        "median_age_cs5": cumulative_score(age, median_age),
        "age_bias_years": age_bias_years(age, predicted_age),
        "median_age_bias_years": age_bias_years(age, median_age),
        "gender_accuracy": accuracy(gender, probabilities),
        "majority_accuracy": accuracy(gender, frequencies),
        "gender_cross_entropy": cross_entropy(gender, probabilities),
        "frequency_cross_entropy": cross_entropy(gender, frequencies),
        "train_count": len(train_frame),
        "train_median_age_years": median_age,
        "train_majority_gender": GENDER_NAMES[int(np.argmax(frequencies))],
    }


def predictions_table(frame: pd.DataFrame, predictions: dict) -> pd.DataFrame:
    """Puts predictions beside the labels, one row an image.

    Args:
        frame: Rows of `read_split`.
        predictions: Of `predict`, for the same rows.

    Returns:
        The frame with `predicted_age_years`, `age_error_years` (predicted − true),
        `female_probability`, `male_probability` and `predicted_gender`.
    """
    return frame.assign(
        predicted_age_years=predictions["age_years"],
        age_error_years=predictions["age_years"] - frame["age"].to_numpy(),
        female_probability=predictions["gender"][:, 0],
        male_probability=predictions["gender"][:, 1],
        predicted_gender=np.argmax(predictions["gender"], axis=-1),
    )


def by_group(frame: pd.DataFrame, predictions: dict, train_frame: pd.DataFrame) -> dict:
    """Scores each age decade and each gender apart, with counts.

    Args:
        frame: Rows of `read_split` that were predicted.
        predictions: Of `predict`, for the same rows.
        train_frame: Rows of the training split.

    Returns:
        `age_decade` and `gender`, each a table whose index names the group, `20–29` or `female`,
        and whose columns are those measures of `score` that differ by group.
    """
    decade = frame["age"].to_numpy() // 10 * 10
    groups = {
        "age_decade": (
            decade,
            lambda first: f"{first}–{first + 9}" if first < MAX_AGE_YEARS else str(first),
        ),
        "gender": (frame["gender"].to_numpy(), lambda code: GENDER_NAMES[code]),
    }
    tables = {}
    for name, (keys, label) in groups.items():
        rows = {}
        for key in np.unique(keys):
            chosen = keys == key
            part = {output: values[chosen] for output, values in predictions.items()}
            scores = score(frame[chosen], part, train_frame)
            rows[label(key)] = {k: v for k, v in scores.items() if not k.startswith("train_")}
        tables[name] = pd.DataFrame.from_dict(rows, orient="index").rename_axis(name)
    return tables


def evaluate(
    model: "keras.Model",
    frame: pd.DataFrame,
    train_frame: pd.DataFrame,
    batch_size: int = 64,
    verbose: int | str = 0,
) -> dict:
    """Predicts and scores in one call.

    Args:
        model: A model of the contract in `networks.py`.
        frame: Rows of `read_split` to evaluate on.
        train_frame: Rows of the training split; only its labels are used.
        batch_size: Images a step.
        verbose: As for `keras.Model.predict`.

    Returns:
        As `score`, e.g. `count`, `age_mae_years`, `median_age_mae_years`, `gender_accuracy`.
    """
    return score(frame, predict(model, frame, batch_size, verbose), train_frame)


def load_model(path: str | Path) -> "keras.Model":
    """Loads a saved model and checks that it keeps the contract in `networks.py`.

    Args:
        path: A `.keras` file.

    Returns:
        The model, uncompiled.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no model, or one with another input or other outputs.
    """
    import keras

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such model: {path}")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever one of the file's parts raises
        raise InputError(f"{path} is not a saved Keras model: {_first_line(error)}") from error
    inputs = model.input_shape if isinstance(model, keras.Model) else None
    if not (isinstance(inputs, tuple) and len(inputs) == 4 and inputs[3] == 3):
        raise InputError(f"{path} takes {inputs}, not one image (batch, height, width, 3)")
    if None in inputs[1:]:
        raise InputError(f"{path} does not say its image size: it takes {inputs}")
    outputs = model.output
    shapes = {k: v.shape for k, v in outputs.items()} if isinstance(outputs, dict) else {}
    if shapes.get("age_years", ())[1:] != (1,) or shapes.get("gender", ())[1:] != (2,):
        answers = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no dictionary"
        wanted = "age_years (batch, 1) and gender (batch, 2)"
        raise InputError(f"{path} answers {answers}, not {wanted}")
    return model


def write_evaluation(
    output_dir: str | Path, frame: pd.DataFrame, predictions: dict, train_frame: pd.DataFrame
) -> dict:
    """Writes `metrics.json`, `predictions.csv` and the evaluation's figures.

    Args:
        output_dir: Folder to write to; made if it does not exist.
        frame: Rows of `read_split` that were predicted.
        predictions: Of `predict`, for the same rows.
        train_frame: Rows of the training split.

    Returns:
        What stands in `metrics.json`: `score` and, under `by_age_decade` and `by_gender`, the
        tables of `by_group`.
    """
    from imdb_wiki import plots  # here: the metrics themselves need no matplotlib

    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    tables = by_group(frame, predictions, train_frame)
    metrics = score(frame, predictions, train_frame)
    for name, table in tables.items():
        metrics[f"by_{name}"] = table.to_dict(orient="index")
    text = json.dumps(metrics, indent=2, ensure_ascii=False)
    (output_dir / "metrics.json").write_text(text + "\n", encoding="utf-8")
    table = predictions_table(frame, predictions)
    table.drop(columns="path").to_csv(output_dir / "predictions.csv", index=False)
    figures = {
        "predicted_against_true": plots.predicted_against_true(table),
        "error_by_group": plots.error_by_group(tables),
        "best_and_worst_faces": plots.best_and_worst_faces(table),
        "gender_confusion": plots.gender_confusion(table),
    }
    for name, figure in figures.items():
        plots.save(figure, output_dir / "figures" / f"{name}.png")
    return metrics


def summary(metrics: dict) -> str:
    """Says the metrics in one line, each beside its baseline."""
    return (
        "{count:,} images · age error {age_mae_years:.2f} years (always the median "
        "{median_age_mae_years:.2f}) · within 5 years {age_cs5:.1%} ({median_age_cs5:.1%}) · "
        "gender accuracy {gender_accuracy:.1%} (always the majority {majority_accuracy:.1%}) · "
        "cross-entropy {gender_cross_entropy:.3f} ({frequency_cross_entropy:.3f})"
    ).format(**metrics)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextlib.contextmanager
def _quiet_tensorflow():
    """Mutes standard error: on import, TensorFlow's C++ talks past its own log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what is wrong is raised as well
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m imdb_wiki.evaluation", description="Evaluates a saved model on a split."
    )
    parser.add_argument("model", type=Path, help="a .keras file")
    parser.add_argument("prepared_dir", type=Path, help="folder of imdb_wiki_preparation.py")
    parser.add_argument(
        "--split", choices=SPLIT_NAMES, default="test", help="which part (default: test)"
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for the results")
    parser.add_argument("--batch_size", type=int, default=64, help="images a step (default: 64)")
    options = parser.parse_args(arguments)
    with _quiet_tensorflow():
        import tensorflow as tf

        from imdb_wiki.pipeline import read_split

        tf.config.list_physical_devices()  # the first look for a GPU is what it talks about
    try:
        if options.batch_size < 1:
            raise InputError(f"--batch_size is {options.batch_size}, not a number from 1")
        frame = read_split(options.prepared_dir, options.split)
        train_frame = read_split(options.prepared_dir, "train")  # for the constant answers
        model = load_model(options.model)
        predictions = predict(model, frame, options.batch_size)
        metrics = write_evaluation(options.output_dir, frame, predictions, train_frame)
    except (InputError, OSError) as error:
        print(f"error: {_first_line(error)}", file=sys.stderr)
        return 2
    print(summary(metrics))
    return 0


if __name__ == "__main__":
    sys.exit(main())
