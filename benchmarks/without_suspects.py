"""Whether a training is better without the faces whose labels an audit suspects.

    python benchmarks/without_suspects.py data/wiki_detect --judged_by data/aaf --run_dir runs/out

The training faces are audited by networks that have not learnt from them: one a fold, or `--model`,
which has never met the data set. Then the compact network is trained with each seed on (a) all of
them, (b) those that are not suspected, (c) all but as many that are drawn at random, and (d) all,
each counted by the probability that its labels are right. The validation and test faces of other
data sets judge: the audit has not seen their labels. With `--exchanged 0.2` the labels of a fifth
of the training faces are exchanged first. A stopped run goes on.
"""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.audit import exchanged, roc_auc
from imdb_wiki.command import (
    OneLineParser,
    add_run_dir_argument,
    number,
    says_errors_in_one_line,
    whole_number,
    yes_or_no,
)
from imdb_wiki.evaluation.metrics import bootstrap_interval
from imdb_wiki.labels import age_errors_years
from imdb_wiki.tensorflow_start import start_tensorflow

ARMS = {
    "all": "(a) all",
    "without": "(b) without the suspects",
    "random": "(c) without as many at random",
    "weighted": "(d) counted by probability",
}
COMPARED = [("without", "all"), ("without", "random"), ("weighted", "all"), ("weighted", "random")]


def arms_of(
    train: pd.DataFrame, wrong: np.ndarray, suspected: np.ndarray, seed: int
) -> dict[str, pd.DataFrame]:
    """The training rows of each arm.

    Args:
        train: Rows of `read_split`.
        wrong: How probably each row's labels are wrong, (count,).
        suspected: Whether each is a suspect, (count,).
        seed: Of the faces that are left out at random.
    """
    drawn = np.random.default_rng(seed).permutation(len(train))[: suspected.sum()]
    return {
        "all": train,
        "without": train[~suspected],
        "random": train.drop(train.index[drawn]),
        "weighted": train.assign(weight=np.round(1 - wrong, 4)),
    }


def errors_of(model, frame: pd.DataFrame) -> np.ndarray:
    """Each face's age error in years and whether its gender is wrong, (2, count)."""
    from imdb_wiki.models.answers import predict

    answers = predict(model, frame)
    years = age_errors_years(answers["age_years"], frame["age_low"], frame["age_high"])
    return np.stack([years, answers["gender"].argmax(axis=1) != frame["gender"]]).astype("float64")


def mean_and_interval(differences: np.ndarray, people: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95% interval of a difference between two arms.

    The interval holds what other faces would change (bootstrap) and what other seeds would
    (Student's t); both are independent, so their squares add up.

    Args:
        differences: Of each seed's networks on each face, (seeds, faces).
        people: The person in each image, (faces,).

    Returns:
        Mean, lower and upper end; with a single seed the interval is of the faces alone.
    """
    seeds, by_seed = len(differences), differences.mean(axis=1)
    mean, over_seeds = float(by_seed.mean()), 0.0
    if seeds > 1:
        over_seeds = stats.t.ppf(0.975, seeds - 1) * by_seed.std(ddof=1) / np.sqrt(seeds)
    low, high = bootstrap_interval(differences.mean(axis=0), people)
    return mean, mean - np.hypot(mean - low, over_seeds), mean + np.hypot(high - mean, over_seeds)


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Audits, trains and prints a table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data and results").add_argument
    add("prepared_dir", type=Path, metavar="PREPARED_DIR", help="the faces to train on")
    add("--judged_by", nargs="+", required=True, metavar="PREPARED_DIR", help="other data sets")
    add_run_dir_argument(add, "for all runs")
    add = parser.add_argument_group("how it is measured").add_argument
    share, probability = number(0, 1, below=True), number(0, 1, above=True)
    add("--exchanged", type=share, default=0.0, metavar="SHARE", help="labels exchanged first")
    add("--limit", type=probability, default=0.5, metavar="PROBABILITY", help="of a suspect")
    add("--folds", type=whole_number(2), default=3, metavar="FOLDS", help="networks that audit")
    add(
        "--audit_epochs",
        type=whole_number(0),
        default=0,
        metavar="EPOCHS",
        help="of each of these networks; 0 for as many as an audit takes",
    )
    add("--model", type=Path, metavar="FILE", help="that audits (default: --folds networks)")
    add("--epochs", type=whole_number(1), default=12, metavar="EPOCHS", help="of each training")
    add("--image_size", type=whole_number(32), default=64, metavar="PIXELS", help="a side")
    add("--mixed_precision", type=yes_or_no, default=False, metavar="0|1", help="in bfloat16")
    add(
        "--seeds",
        type=whole_number(0),
        nargs="*",
        default=[0, 1, 2],
        metavar="SEED",
        help="of the trainings; without any, only the audit is judged",
    )
    options = parser.parse_args(arguments)
    start_tensorflow(may_use_jax=True)
    from imdb_wiki.audit.run import run_audit
    from imdb_wiki.audit.worst import suspects_in
    from imdb_wiki.evaluation.metrics import people_of
    from imdb_wiki.split_tables import pooled, read_split, write_linked_folder
    from imdb_wiki.training import Augmentation, Recipe, train_compact

    place = options.run_dir / f"exchanged-{options.exchanged:g}"
    train = read_split(options.prepared_dir, "train", incomplete=True)
    is_wrong = np.zeros(len(train), bool)
    if options.exchanged:
        train = exchanged(train, options.exchanged, seed=0)
        is_wrong = train["is_wrong"].to_numpy()
        train = train.drop(columns=["is_wrong", "is_clear"])
    val, audited = read_split(options.prepared_dir, "val", incomplete=True), place / "audited"
    write_linked_folder(audited, {"train": train, "val": val})
    facts = run_audit(
        [str(audited)],
        place / "audit",
        options.model,
        options.folds,
        ["train"],
        epochs=options.audit_epochs,
    )
    told = suspects_in(read_split(audited, "train", incomplete=True), place / "audit")
    wrong = told["wrong_probability"].reindex(range(len(train)), fill_value=0.0).to_numpy()
    suspected = wrong >= options.limit
    print(
        f"{len(train):,} faces, {facts['wrong_share']:.1%} estimated wrong; "
        f"{suspected.sum():,} suspects",
        flush=True,
    )
    if is_wrong.any():
        print(
            f"{is_wrong.sum():,} faces have exchanged labels, {(is_wrong & suspected).sum():,} of "
            f"them are suspects; ROC area {roc_auc(wrong, is_wrong):.3f}",
            flush=True,
        )
    if not options.seeds:
        return 0
    recipe = Recipe(
        image_size=options.image_size,
        first_image_size=options.image_size,
        epochs=options.epochs,
        warm_up_epochs=min(1.0, options.epochs / 4),
        average_momentum=0.99,
        mixed_precision=options.mixed_precision,
        # another data set's faces are framed in another way
        augmentation=Augmentation(zoom=0.4),
    )
    judges = {
        folder: pooled([read_split(folder, s, incomplete=True) for s in ("val", "test")])
        for folder in options.judged_by
    }
    errors: dict[tuple[str, str], list[np.ndarray]] = {}
    for seed in options.seeds:
        for arm, rows in arms_of(train, wrong, suspected, seed).items():
            folder = place / arm
            write_linked_folder(folder, {"train": rows, "val": val})
            run_dir = place / f"{arm}-seed-{seed}"
            model = train_compact([folder], run_dir, dataclasses.replace(recipe, seed=seed))
            for judge, frame in judges.items():
                found = errors_of(model, frame)
                errors.setdefault((judge, arm), []).append(found)
                years, wrongly = found.mean(axis=1)
                print(
                    f"{judge}, {ARMS[arm]}, seed {seed}: {years:.2f} years, {1 - wrongly:.1%}",
                    flush=True,
                )
    for judge, frame in judges.items():
        for arm, name in ARMS.items():
            by_seed = np.mean(errors[judge, arm], axis=2)  # (seeds, 2)
            means = by_seed.mean(axis=0)
            spreads = by_seed.std(axis=0, ddof=1) if len(by_seed) > 1 else np.zeros(2)
            print(
                f"{judge}, {name}: {means[0]:.2f} ± {spreads[0]:.2f} years, "
                f"{1 - means[1]:.1%} ± {spreads[1]:.1%} of {len(by_seed)} seeds"
            )
        people = people_of(frame)
        for better, worse in COMPARED:
            difference = np.array(errors[judge, better]) - np.array(errors[judge, worse])
            texts = []
            for task, (name, form) in enumerate((("years", "+.2f"), ("gender wrong", "+.2%"))):
                mean, low, high = mean_and_interval(difference[:, task], people)
                texts.append(f"{mean:{form}} [{low:{form}} to {high:{form}}] {name}")
            print(f"{judge}: {ARMS[better]} minus {ARMS[worse]}: {', '.join(texts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
