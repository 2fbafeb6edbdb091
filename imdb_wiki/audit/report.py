"""What an audit writes: a row for each face, the counts, the list of those to leave out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.audit.calibration import Evidence, chunks, log_odds_of_male
from imdb_wiki.audit.decisions import DECISIONS_NAME, Decisions
from imdb_wiki.audit.left_out import faces_to_leave_out, write_left_out
from imdb_wiki.audit.mixture import KINDS, Found
from imdb_wiki.audit.suspects import read_suspects
from imdb_wiki.errors import InputError
from imdb_wiki.files import FIGURE_KIND, Kind, refuse_foreign, write_whole
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.models.intervals import COVERAGE
from imdb_wiki.split_tables import LEFT_OUT_FILE, LEFT_OUT_KIND, SUSPECTS_FILE

AUDIT_FILE = "audit.json"
THRESHOLDS = (0.5, 0.9, 0.99)
FILE_KINDS = {
    SUSPECTS_FILE: Kind("table of suspects", (b"wrong_probability",)),
    AUDIT_FILE: Kind("audit", (b'"wrong_share"',)),
    LEFT_OUT_FILE: LEFT_OUT_KIND,
}
FIGURE_NAMES = ("most_suspicious", "least_suspicious", "probabilities")


def look_first(output_dir: Path) -> None:
    """Refuses a folder in which an audit would replace somebody else's files.

    Raises:
        InputError: A file has the name of one of an audit's, which has not written it; or it is a
            prepared folder; or its decisions cannot be read.
    """
    if (output_dir / "train.csv").exists():
        raise InputError(f"{output_dir} is a prepared folder: name another one for the audit")
    for name, kind in FILE_KINDS.items():
        refuse_foreign(output_dir / name, kind)
    for name in FIGURE_NAMES:
        refuse_foreign(output_dir / f"{name}.png", FIGURE_KIND)
    Decisions(output_dir / DECISIONS_NAME)


def suspects_table(
    frame: pd.DataFrame, answers: dict, evidence: Evidence, found: Found
) -> pd.DataFrame:
    """All faces, the most suspicious first.

    Args:
        frame: Of `read_faces`.
        answers: Of the networks, for its rows.
        evidence: Of these rows and answers.
        found: Of `mixture.audit`.

    Returns:
        The frame's rows with the probabilities of `Found`, `predicted_age_years`, the interval
        `age_low_years` to `age_high_years` that holds nine of ten right ages, and
        `male_probability`, the last three calibrated; faces without a label come last.
    """
    table = frame.assign(
        wrong_probability=found.wrong,
        wrong_age_probability=found.wrong_age,
        wrong_gender_probability=found.wrong_gender,
    )
    if "source" not in table:
        table["source"] = ""
    if "age_years" in answers:
        low, high = calibrated_interval(evidence, found)
        table = table.assign(
            predicted_age_years=answers["age_years"], age_low_years=low, age_high_years=high
        )
    if "gender" in answers:
        odds = log_odds_of_male(answers)
        table["male_probability"] = found.calibration.genders(odds, np.ones(len(odds)))
    order = np.argsort(-np.nan_to_num(found.log_odds, nan=-np.inf), kind="stable")
    first = ["filename", "source", "age", "gender", "wrong_probability"]
    first += ["wrong_age_probability", "wrong_gender_probability"]
    others = [name for name in table if name not in first]
    return table.iloc[order][first + others]


def calibrated_interval(evidence: Evidence, found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval that holds nine of ten right ages, in years, each (count,)."""
    low, high = [], []
    for rows in chunks(len(evidence)):
        sums = np.cumsum(found.calibration.ages(evidence.log_ages[rows]), axis=1)
        low.append((sums < (1 - COVERAGE) / 2).sum(axis=1))
        high.append((sums < (1 + COVERAGE) / 2).sum(axis=1))
    return np.concatenate(low), np.minimum(np.concatenate(high), AGES_YEARS[-1])


def audit_facts(frame: pd.DataFrame, found: Found, how: dict, notes: list[str]) -> dict:
    """The content of `audit.json`.

    Args:
        frame: Of `read_faces`.
        found: Of `mixture.audit`.
        how: By which networks, on which data.
        notes: What was not audited, and why.
    """
    wrong = found.wrong[~np.isnan(found.wrong)]
    names = ("exponent", "shift", "slope", "width", "growth")
    age = {n: round(v, 4) for n, v in zip(names, found.calibration.age, strict=True)}
    factor, shift = (round(value, 4) for value in found.calibration.gender)
    return {
        "count": len(frame),
        "labelled_count": len(wrong),
        "wrong_share": round(found.wrong_share, 5),
        "wrong_share_low": round(found.interval[0], 5),
        "wrong_share_high": round(found.interval[1], 5),
        "shares": {n: round(float(s), 5) for n, s in zip(KINDS, found.shares, strict=True)},
        "expected_wrong": round(float(wrong.sum()), 1),
        "counts_above": {f"{limit:g}": int((wrong >= limit).sum()) for limit in THRESHOLDS},
        "calibration": {
            "age": age,
            "gender": {"factor": factor, "shift": shift},
            "people_differ": found.offsets._asdict(),
        },
        "notes": notes,
        **how,
    }


def write_report(output_dir: Path, table: pd.DataFrame, facts: dict, limit: float | None) -> None:
    """Writes the table, the counts and, with a limit, the list of faces to leave out.

    Args:
        output_dir: Where to. A list that is there is of earlier suspects: it is removed.
        table: Of `suspects_table`.
        facts: Of `audit_facts`.
        limit: From which probability on a face that nobody has decided about is in the list; what
            a person has decided, in `decisions.csv`, counts above it. None writes no list.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / LEFT_OUT_FILE).unlink(missing_ok=True)
    rounded = table.drop(columns="path").round(
        {name: 6 for name in table if str(name).endswith("_probability")}
    )
    whole = [name for name in ("age", "age_low", "age_high", "gender") if name in rounded]
    rounded = rounded.astype(dict.fromkeys(whole, "Int64"))
    write_whole(output_dir / SUSPECTS_FILE, rounded.to_csv(index=False))
    write_whole(output_dir / AUDIT_FILE, json.dumps(facts, indent=1) + "\n")
    if limit is not None:  # from the file, as the review does
        decided = Decisions(output_dir / DECISIONS_NAME).standing
        write_left_out(output_dir, faces_to_leave_out(read_suspects(output_dir), decided, limit))
