"""The command `python -m imdb_wiki evaluate`."""

import sys
from pathlib import Path

from imdb_wiki.command import (
    OneLineParser,
    add_batch_size_argument,
    add_folders_argument,
    add_left_out_argument,
    says_errors_in_one_line,
)
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.evaluate import interval_constants_of, look_first, write_evaluation
from imdb_wiki.evaluation.text import summary
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.models.answers import predict
from imdb_wiki.models.files import load_model
from imdb_wiki.results.provenance import current_commit, hardware, now
from imdb_wiki.results.runs import rounded, training_facts
from imdb_wiki.results.table import (
    SPARE_TABLE,
    append_result,
    count_test_reading,
    refuse_other_table,
)
from imdb_wiki.split_lists import warning_of_seen_faces
from imdb_wiki.tensorflow_start import start_tensorflow


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input."""
    parser = OneLineParser(
        prog="python -m imdb_wiki evaluate",
        description="Evaluates a saved model on a split of prepared folders.",
    )
    add = parser.add_argument_group("model and data").add_argument
    add("model", type=Path, metavar="MODEL", help="a .keras file, with its .json if there is one")
    add_folders_argument(add)
    add("--split", choices=SPLIT_NAMES, default="test", help="which part of them is predicted")
    add_left_out_argument(add)
    add(
        "--constants_from",
        metavar="PREPARED_DIR",
        help="folder whose train split says what the constant answers are and which age ranges "
        "there are, for one folder that is nearly all test split (default: each folder's own)",
    )
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
    add_batch_size_argument(add)
    add(
        "--flip_averaging",
        action="store_true",
        help="answer with the mean of two passes, for the image and its mirror image; the age "
        "intervals are then calibrated on these folders' validation splits",
    )
    options = parser.parse_args(arguments)
    if options.constants_from and len(options.prepared_dirs) > 1:  # each may have other age ranges
        raise InputError("--constants_from serves one prepared folder, and several are given")
    look_first(options.output_dir)
    table_path = options.results_csv or options.output_dir / SPARE_TABLE
    refuse_other_table(table_path, ["age_mae_years", "age_bin_accuracy", "gender_accuracy"])
    start_tensorflow(may_use_jax=True)
    from imdb_wiki.pipeline import read_split

    left_out = options.left_out or ""
    frame = read_split(options.prepared_dirs, options.split, incomplete=True, left_out=left_out)
    if options.constants_from:
        train_frame = read_split(options.constants_from, "train", incomplete=True)
        train_frame["folder"] = options.prepared_dirs[0]  # it stands for the folder's own
    else:
        train_frame = read_split(options.prepared_dirs, "train", incomplete=True, left_out=left_out)
    model = load_model(options.model)
    warning = warning_of_seen_faces(options.model, frame)
    training = training_facts(options.model)
    constants = interval_constants_of(
        model,
        options.model,
        options.prepared_dirs,
        options.batch_size,
        options.flip_averaging,
        left_out,
    )
    predictions = predict(model, frame, options.batch_size, 1, options.flip_averaging)
    metrics = write_evaluation(
        options.output_dir, frame, predictions, train_frame, constants
    ).metrics
    row = {
        "time": now(),
        "data": " ".join(options.prepared_dirs),
        "split": options.split,
        **({"left_out": str(left_out)} if left_out else {}),
        **({"constants_from": options.constants_from} if options.constants_from else {}),
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
