"""The measures of ages, genders and intervals, beside what constant answers get, by group."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from imdb_wiki.evaluation.bins import bin_table
from imdb_wiki.labels import GENDER_NAMES, known_ages, with_age_ranges
from imdb_wiki.models.intervals import age_interval

CS_YEARS = 5  # CS@5, the cumulative score at 5 years, is the literature's second measure of age
CALIBRATION_BINS = 10  # of the surer probability, 0.5–1: 5 points each, enough faces in most
BOOTSTRAP_SAMPLES = 2000  # the ends of a 95% interval then vary by a few per cent of its width
BOOTSTRAP_SEED = 0


def age_mae_years(true_years: ArrayLike, predicted_years: ArrayLike) -> float:
    """Mean absolute error in years of ages (count,) against predictions (count,) or one number."""
    return float(np.mean(np.abs(np.subtract(predicted_years, true_years, dtype="float64"))))


def age_bias_years(true_years: ArrayLike, predicted_years: ArrayLike) -> float:
    """Mean error in years, positive if predictions are too old."""
    return float(np.mean(np.subtract(predicted_years, true_years, dtype="float64")))


def median_age_error_years(frame: pd.DataFrame, train_frame: pd.DataFrame) -> float | None:
    """Mean error in years of always answering the training median; of ranges, the distance.

    Args:
        frame: Rows of `read_split`.
        train_frame: Rows of the training split.

    Returns:
        What a training's `age_years_mae` stands beside; None if there are no ages.
    """
    trained = known_ages(train_frame)
    ends = with_age_ranges(frame)[["age_low", "age_high"]].dropna()
    if trained.empty or ends.empty:
        return None
    nearest = np.clip(trained.median(), ends["age_low"], ends["age_high"])
    return float((nearest - trained.median()).abs().mean())


def cumulative_score(
    true_years: ArrayLike, predicted_years: ArrayLike, within_years: float = CS_YEARS
) -> float:
    """Share of predictions that are at most `within_years` off, the border included."""
    errors = np.abs(np.subtract(predicted_years, true_years, dtype="float64"))
    return float(np.mean(errors <= within_years))


def accuracy(true_gender: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of images for which the gender with the higher probability, (count, 2), is right."""
    return float(np.mean(np.argmax(probabilities, axis=-1) == true_gender))


def balanced_accuracy(true_gender: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of each gender's own accuracy: a majority that is answered always gets 0.5."""
    # In scikit-learn, too; one line is no reason to install it.
    right = np.argmax(probabilities, axis=-1) == true_gender
    return float(np.mean([right[true_gender == gender].mean() for gender in set(true_gender)]))


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


def reliability(true_gender: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """How often the likelier gender is right, by how sure the answer was.

    Args:
        true_gender: (count,).
        probabilities: (count, 2), or (2,) for the same answer every time.

    Returns:
        One row a bin that holds images: `count`, mean `confidence`, `accuracy`.
    """
    probabilities = np.broadcast_to(probabilities, (len(true_gender), len(GENDER_NAMES)))
    confidence = probabilities.max(axis=-1).astype("float64")
    table = pd.DataFrame(
        {
            "confidence": confidence,
            "accuracy": np.argmax(probabilities, axis=-1) == true_gender,
            "bin": np.minimum((confidence - 0.5) * 2 * CALIBRATION_BINS, CALIBRATION_BINS - 1),
        }
    )
    groups = table.groupby(table.pop("bin").astype(int))
    return groups.mean().assign(count=groups.size())


def calibration_error(true_gender: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy over the bins.

    Guo et al., https://arxiv.org/abs/1706.04599; 0 when 80% sure answers are right 80% of the time.
    """
    # scikit-learn has no such error, and its `calibration_curve` does not say how many a bin holds.
    bins = reliability(true_gender, probabilities)
    gaps = (bins["confidence"] - bins["accuracy"]).abs()
    return float(np.average(gaps, weights=bins["count"]))


def bootstrap_interval(values: np.ndarray, people: np.ndarray) -> tuple[float, float]:
    """95% interval of a mean, from samples of people with all of their images.

    Images of one person err together; drawing them apart would make the interval too narrow.

    Args:
        values: What each image contributes, (count,), such as its absolute error.
        people: The person in each image, (count,); without names each image is its own person.

    Returns:
        Lower and upper end; both NaN for a single person.
    """
    sums = pd.DataFrame({"value": values, "one": 1.0}).groupby(np.asarray(people), sort=False).sum()
    if len(sums) < 2:
        return float("nan"), float("nan")
    result = stats.bootstrap(
        (sums["value"].to_numpy(), sums["one"].to_numpy()),
        lambda value, one, axis: value.sum(axis=axis) / one.sum(axis=axis),
        n_resamples=BOOTSTRAP_SAMPLES,
        paired=True,
        vectorized=True,
        method="percentile",
        batch=max(1, 2_000_000 // len(sums)),  # samples at a time: bounds the memory to 32 MB
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def people_of(frame: pd.DataFrame) -> np.ndarray:
    """The person in each row of `read_split`: its identity; without one, a person of its own."""
    rows = np.arange(len(frame)).astype(str)
    if "identity" not in frame:
        return rows
    names = frame["identity"].fillna("").to_numpy(str)  # pooled rows may lack one
    return np.where(names == "", np.char.add("row ", rows), np.char.add("person ", names))


def score(
    frame: pd.DataFrame,
    predictions: dict,
    train_frame: pd.DataFrame,
    interval_constants: dict | None = None,
    whole_frame: pd.DataFrame | None = None,
) -> dict:
    """Scores predictions, each measure beside what a constant answer gets.

    The constant answers come from the training split: its median age (of a range, its middle
    counts), its most frequent range, its majority gender and, for the cross-entropy and the
    calibration, its gender frequencies.

    Args:
        frame: Rows of `read_split` that were predicted.
        predictions: Of `evaluation.predict`, for the same rows.
        train_frame: Rows of the training split; only its labels are used.
        interval_constants: Of `intervals.calibrate`, to score the ages' intervals too.
        whole_frame: All rows of the split, where `frame` is a group of them: an answer is judged
            among the age ranges of all.

    Returns:
        Plain numbers by name, as in `metrics.json`; ages in years, shares from 0 to 1; `_low` and
        `_high` are the ends of a 95% bootstrap interval. What the predictions do not answer, or no
        label can judge, is absent. Where not all faces have a label, `age_count` are those of an
        exact age, `age_range_count` those of a range, `gender_count` those of a gender.
    """
    scores: dict[str, Any] = {"count": len(frame)}
    people = people_of(frame)
    facts: dict[str, Any] = {"train_count": len(train_frame)}
    train_ages, train_genders = known_ages(train_frame), train_frame["gender"].dropna()
    if "age_years" in predictions and len(train_ages):
        median_age = float(train_ages.median())
        facts["train_median_age_years"] = median_age
        scores |= _exact_age_scores(frame, predictions, median_age, people)
        scores |= _range_scores(frame, predictions, train_frame, people, whole_frame)
    if "gender" in predictions and len(train_genders):
        frequencies = np.bincount(train_genders.astype(int), minlength=2) / len(train_genders)
        facts["train_majority_gender"] = GENDER_NAMES[int(np.argmax(frequencies))]
        scores |= _gender_scores(frame, predictions["gender"], frequencies, people)
    scores |= facts
    if interval_constants:
        scores |= _interval_scores(frame, predictions, interval_constants)
    return scores


def _exact_age_scores(
    frame: pd.DataFrame, predictions: dict, median_age: float, people: np.ndarray
) -> dict:
    known = frame["age"].notna().to_numpy()
    if not known.any():
        return {}
    age, predicted_age = frame["age"].to_numpy()[known], predictions["age_years"][known]
    errors = np.abs(np.subtract(predicted_age, age, dtype="float64"))
    return {
        **({} if known.all() else {"age_count": int(known.sum())}),
        "age_mae_years": age_mae_years(age, predicted_age),
        **_ends("age_mae_years", errors, people[known]),
        "median_age_mae_years": age_mae_years(age, median_age),
        "age_cs5": cumulative_score(age, predicted_age),
        **_ends("age_cs5", errors <= CS_YEARS, people[known]),
        "median_age_cs5": cumulative_score(age, median_age),
        "age_bias_years": age_bias_years(age, predicted_age),
        "median_age_bias_years": age_bias_years(age, median_age),
    }


def _range_scores(
    frame: pd.DataFrame,
    predictions: dict,
    train_frame: pd.DataFrame,
    people: np.ndarray,
    whole_frame: pd.DataFrame | None,
) -> dict:
    frame = frame.reset_index(drop=True)  # a row's place
    table = bin_table(frame, predictions["age_years"], train_frame, whole_frame)
    if table.empty:
        return {}
    people, means = people[table.index], table.mean()
    return {
        "age_range_count": len(table),
        "age_bin_accuracy": float(means["exact"]),
        **_ends("age_bin_accuracy", table["exact"].to_numpy("float64"), people),
        "majority_bin_accuracy": float(means["constant_exact"]),
        "age_bin_one_off": float(means["one_off"]),
        **_ends("age_bin_one_off", table["one_off"].to_numpy("float64"), people),
        "majority_bin_one_off": float(means["constant_one_off"]),
        "age_range_error_years": float(means["error_years"]),
    }


def _gender_scores(
    frame: pd.DataFrame, probabilities: np.ndarray, frequencies: np.ndarray, people: np.ndarray
) -> dict:
    known = frame["gender"].notna().to_numpy()
    if not known.any():
        return {}
    gender, probabilities = frame["gender"].to_numpy()[known].astype(int), probabilities[known]
    right = np.argmax(probabilities, axis=-1) == gender
    return {
        **({} if known.all() else {"gender_count": int(known.sum())}),
        "gender_accuracy": accuracy(gender, probabilities),
        **_ends("gender_accuracy", right, people[known]),
        "majority_accuracy": accuracy(gender, frequencies),
        "gender_balanced_accuracy": balanced_accuracy(gender, probabilities),
        "majority_balanced_accuracy": balanced_accuracy(
            gender, np.broadcast_to(frequencies, (len(gender), 2))
        ),
        "gender_cross_entropy": cross_entropy(gender, probabilities),
        "frequency_cross_entropy": cross_entropy(gender, frequencies),
        "gender_calibration_error": calibration_error(gender, probabilities),
        "frequency_calibration_error": calibration_error(gender, frequencies),
    }


def _interval_scores(frame: pd.DataFrame, predictions: dict, constants: dict) -> dict:
    low, high = age_interval(predictions["age_years"], predictions["age_distribution"], constants)
    scores = {"age_interval_width_years": float(np.mean(high - low))}
    known = frame["age"].notna().to_numpy()
    if known.any():
        age = frame["age"].to_numpy()
        held = ((low <= age) & (age <= high))[known]
        scores = {"age_interval_coverage": float(np.mean(held)), **scores}
    return scores


def _ends(name: str, values: np.ndarray, people: np.ndarray) -> dict:
    low, high = bootstrap_interval(values, people)
    return {f"{name}_low": low, f"{name}_high": high}
