"""Whether a person's other photos help to find wrong labels.

    python benchmarks/people.py data/imdb --model models/open.keras

Labels are exchanged between faces of different people, or between photos of one person, with
several seeds. The audit then runs twice: it knows who is in which photo, or it takes every photo
for another person. The folder needs people with several photos.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from benchmarks.audit import add_model_argument, add_seeds_argument, exchanged, measures
from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line
from imdb_wiki.errors import InputError
from imdb_wiki.tensorflow_start import start_tensorflow

MEASURES = ("roc_auc", "roc_auc_clear", "average_precision", "first_k")


def exchanged_within(
    frame: pd.DataFrame, people: np.ndarray, share: float, seed: int
) -> pd.DataFrame:
    """As `exchanged`, but each label goes to another photo of the same person.

    Args:
        frame: Rows of `read_split`.
        people: The person in each image, (count,).
        share: Of the labels of each person; who has a single photo keeps it.
        seed: Of what is drawn.
    """
    parts = [
        exchanged(rows.reset_index(drop=True), share, seed + number).set_index(rows.index)
        for number, (_, rows) in enumerate(frame.groupby(people))
    ]
    return pd.concat(parts).sort_index()


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Measures and prints a table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data").add_argument
    add("prepared_dir", metavar="PREPARED_DIR", help="faces that the model has not met")
    add_model_argument(add)
    add = parser.add_argument_group("how it is measured").add_argument
    share = number(0, 1, above=True, below=True)
    add("--share", type=share, default=0.2, metavar="SHARE", help="of the labels, exchanged")
    add_seeds_argument(add)
    options = parser.parse_args(arguments)
    start_tensorflow()
    from imdb_wiki.audit.calibration import evidence_of
    from imdb_wiki.audit.faces import read_faces, refuse_known
    from imdb_wiki.audit.mixture import audit
    from imdb_wiki.evaluation.metrics import people_of
    from imdb_wiki.models.answers import predict
    from imdb_wiki.models.files import load_model

    frame = read_faces([options.prepared_dir], ())
    people = people_of(frame)
    if frame.groupby(people).size().max() < 2:
        raise InputError(f"{options.prepared_dir}: nobody has several photos there")
    refuse_known(options.model, frame)
    model = load_model(options.model)
    answers = predict(model, frame, verbose=1, flip_averaging=True)
    print(f"{len(frame):,} photos of {len(np.unique(people)):,} people")
    rows = []
    for seed in options.seeds:
        ways = {
            "between all": exchanged(frame, options.share, seed),
            "within people": exchanged_within(frame, people, options.share, seed),
        }
        for way, table in ways.items():
            evidence = evidence_of(table, answers)
            for who, known in (("known", people), ("not known", np.arange(len(frame)))):
                found = audit(evidence, known, seed)
                about = {"labels exchanged": way, "people": who, "wrong": table["is_wrong"].mean()}
                about |= {"estimated": found.wrong_share}
                told = measures(found.log_odds, table)
                rows.append(about | {name: told[name] for name in MEASURES})
    results = pd.DataFrame(rows).groupby(["labels exchanged", "people"], sort=False)
    means, spreads = results.mean(), results.std(ddof=1)
    print(means.round(3).to_string())
    if len(options.seeds) > 1:
        print("standard deviations over the seeds:")
        print(spreads.round(3).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
