"""The faces to leave out: a person's decisions, and the network's where a person has none."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from imdb_wiki.audit.decisions import NOT_A_FACE, RIGHT, WRONG, Decision
from imdb_wiki.audit.suspects import Key, Suspects
from imdb_wiki.files import refuse_foreign, write_whole
from imdb_wiki.split_tables import (
    LEFT_OUT_COLUMNS,
    LEFT_OUT_FILE,
    LEFT_OUT_KIND,
    PROBABLY_WRONG,
)

DECIDED_WRONG, DECIDED_NO_FACE = "decided_wrong", "decided_not_a_face"
REASONS = {WRONG: DECIDED_WRONG, NOT_A_FACE: DECIDED_NO_FACE}
Row = tuple[str, str, str, str, str]  # of `LEFT_OUT_COLUMNS`


def faces_to_leave_out(
    suspects: Suspects, standing: dict[Key, Decision], least: float
) -> list[Row]:
    """Lists the faces that a training shall not see.

    Args:
        suspects: All faces, with how probably their labels are wrong.
        standing: What a person decided, by face.
        least: Of the faces without a decision, and of unsure ones, those with this
            `wrong_probability` or more are left out; above 1 none of them.

    Returns:
        A row a face, the most suspicious first; at the end those that a person decided about and
        that this table of suspects does not know.
    """
    rows = []
    for row, key in enumerate(suspects.keys):
        decision = standing[key].decision if key in standing else None
        reason = REASONS.get(decision or "")
        if reason is None and decision != RIGHT and suspects.probabilities[row] >= least:
            reason = PROBABLY_WRONG
        if reason:
            face = suspects.face(row)
            rows.append((*key, face["source"], face["wrong_probability"], reason))
    for key, one in standing.items():
        if key not in suspects.row_of and one.decision in REASONS:
            rows.append((*key, one.source, "", REASONS[one.decision]))
    return rows


def write_left_out(folder: Path, rows: Iterable[Row]) -> Path:
    """Writes the list beside the suspects.

    Raises:
        InputError: Another file has its name.
        OSError: It cannot be written; an older one is as it was.
    """
    path = folder / LEFT_OUT_FILE
    refuse_foreign(path, LEFT_OUT_KIND)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([LEFT_OUT_COLUMNS, *rows])
    write_whole(path, text.getvalue())
    return path


def summary(rows: Iterable[Row], count: int) -> str:
    """Says how many faces are left out, and why.

    Args:
        rows: Of `faces_to_leave_out`.
        count: How many faces there are.
    """
    by_reason = Counter(row[-1] for row in rows)
    return (
        f"{by_reason.total():,} of {count:,} faces are left out: {by_reason[DECIDED_WRONG]:,} "
        f"decided wrong, {by_reason[DECIDED_NO_FACE]:,} decided not a face, "
        f"{by_reason[PROBABLY_WRONG]:,} probably wrong"
    )
