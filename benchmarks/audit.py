"""How well wrong labels are found: labels are exchanged between random faces, and sought.

    python benchmarks/audit.py --held_out data/utkface144 data/wiki --output runs/audit.csv

Of each folder the validation and test faces, which `--model` has not met, are predicted once; then
the age and gender labels of some faces are exchanged, with several seeds. Beside the audit: random
order, the absolute residual, a plain score, and cleanlab, if requirements-cleanlab.txt is there.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.tensorflow_start import start_tensorflow

FIRST = 100
CLEAR_YEARS = 10  # an exchange that changes the age by so much, or the gender, is a clear one
GENDER_WEIGHT = 0.7  # of the plain score


def exchanged(frame: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The rows with some labels exchanged, and columns `is_wrong` and `is_clear`."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(frame), round(share * len(frame)), replace=False)
    labels = ["age", "age_low", "age_high", "gender"]
    table, sources = frame.copy(), rng.permutation(rows)
    table.loc[rows.tolist(), labels] = frame.loc[sources, labels].to_numpy()
    is_wrong = np.zeros(len(frame), bool)
    is_wrong[rows] = rows != sources
    far = (table["age"] - frame["age"]).abs() >= CLEAR_YEARS
    clear = is_wrong & (far | (table["gender"] != frame["gender"]))
    return table.assign(is_wrong=is_wrong, is_clear=clear)


def roc_auc(scores: np.ndarray, wrong: np.ndarray) -> float:
    """Area under the ROC curve; ties count half."""
    ranks, count = rankdata(scores), int(wrong.sum())
    above = ranks[wrong].sum() - count * (count + 1) / 2
    return float(above / (count * (len(wrong) - count)))


def measures(scores: np.ndarray, table: pd.DataFrame) -> dict[str, float]:
    """The measures of one order of faces."""
    wrong, clear = table["is_wrong"].to_numpy(), table["is_clear"].to_numpy()
    # Ties in random order: some scores have many.
    order = np.lexsort((np.random.default_rng(0).permutation(len(scores)), -scores))
    hits = wrong[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    judged = ~wrong | clear
    return {
        "roc_auc": roc_auc(scores, wrong),
        "roc_auc_clear": roc_auc(scores[judged], wrong[judged]),
        "average_precision": float(precision[hits].mean()),
        "first_100": float(hits[:FIRST].mean()),
        "first_k": float(hits[: wrong.sum()].mean()),
    }


def other_scores(table: pd.DataFrame, answers: dict, seed: int) -> dict[str, np.ndarray]:
    """Scores to compare with, higher for more suspicious faces."""
    from imdb_wiki.models.intervals import age_spread_years

    age, gender = table["age"].to_numpy("float64"), table["gender"].to_numpy(int)
    given = np.clip(answers["gender"][np.arange(len(table)), gender], 1e-7, 1)
    residual = np.abs(age - answers["age_years"])
    spread = age_spread_years(answers["age_distribution"]) + 1
    scores = {
        "random": np.random.default_rng(seed).random(len(table)),
        "absolute residual": residual,
        "plain": residual / spread - GENDER_WEIGHT * np.log(given),
    }
    try:
        from cleanlab.rank import get_label_quality_scores
        from cleanlab.regression.rank import get_label_quality_scores as of_numbers
    except ImportError:
        return scores
    shares = np.asarray(answers["gender"], "float64")
    shares = shares / shares.sum(axis=1, keepdims=True)
    by_age = of_numbers(age, answers["age_years"].astype("float64"))
    by_gender = get_label_quality_scores(gender, shares)
    worse = np.minimum(rankdata(by_age), rankdata(by_gender))
    return scores | {
        "cleanlab regression": -by_age,
        "cleanlab gender": -by_gender,
        "cleanlab both": -worse - 1e-6 * rankdata(by_age),
    }


def add_model_argument(add: Callable) -> None:
    """Adds `--model`, of a benchmark whose faces a model answers."""
    add(
        "--model",
        type=Path,
        default=SHIPPED_MODEL,
        metavar="FILE",
        help="a .keras file that answers",
    )


def add_seeds_argument(add: Callable) -> None:
    """Adds `--seeds`, of a benchmark that exchanges labels."""
    add(
        "--seeds",
        nargs="+",
        type=whole_number(0),
        default=[0, 1, 2],
        metavar="SEED",
        help="seeds of the exchanges",
    )


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Measures and prints tables; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data and results").add_argument
    add(
        "--held_out",
        nargs="+",
        required=True,
        metavar="PREPARED_DIR",
        help="folders whose val and test faces the model has not met",
    )
    add_model_argument(add)
    add("--output", type=Path, metavar="FILE", help="CSV of all rows (default: none)")
    add = parser.add_argument_group("how it is measured").add_argument
    add(
        "--shares",
        nargs="+",
        type=number(0, 1, above=True, below=True),
        default=[0.05, 0.1, 0.2],
        metavar="SHARE",
        help="shares of the labels that are exchanged",
    )
    add_seeds_argument(add)
    options = parser.parse_args(arguments)
    start_tensorflow()
    from imdb_wiki.audit.calibration import evidence_of
    from imdb_wiki.audit.faces import read_faces, refuse_known
    from imdb_wiki.audit.mixture import audit
    from imdb_wiki.evaluation.metrics import people_of
    from imdb_wiki.models.answers import predict
    from imdb_wiki.models.files import load_model

    rows, model = [], load_model(options.model)
    for folder in options.held_out:
        everything = read_faces([folder], ("val", "test"))
        refuse_known(options.model, everything)
        everything_answers = predict(model, everything, verbose=1, flip_averaging=True)
        for splits in ("val", "test", "val+test"):
            chosen = everything["split"].isin(splits.split("+")).to_numpy()
            frame = everything[chosen].reset_index(drop=True)
            answers = {name: values[chosen] for name, values in everything_answers.items()}
            found = audit(evidence_of(frame, answers), people_of(frame))
            low, high = found.interval
            print(f"{folder} {splits} as it is: {found.wrong_share:.2%} ({low:.2%}–{high:.2%})")
            for share in options.shares if splits == "val+test" else [0.1]:
                for seed in options.seeds:
                    table = exchanged(frame, share, seed)
                    found = audit(evidence_of(table, answers), people_of(table), seed)
                    scores = other_scores(table, answers, seed) | {"audit": found.log_odds}
                    about = {"folder": folder, "splits": splits, "share": share, "seed": seed}
                    for name, values in scores.items():
                        row = about | {"score": name} | measures(values, table)
                        if name == "audit":
                            row["estimated"] = found.wrong_share
                        rows.append(row)
    results = pd.DataFrame(rows)
    if options.output:
        results.to_csv(options.output, index=False)
    keys = ["folder", "splits", "share", "score"]
    by_score = results.drop(columns="seed").groupby(keys, sort=False)
    means, spreads = by_score.mean(), by_score.std()
    lines = (means.index.to_list(), means.to_dict("records"), spreads.to_dict("records"))
    for key, mean, spread in zip(*lines, strict=True):
        cells = [
            f"{name} {value:.3f}±{spread[name]:.3f}"
            for name, value in mean.items()
            if not np.isnan(value)
        ]
        print(*key, *cells)
    return 0


if __name__ == "__main__":
    sys.exit(main())
