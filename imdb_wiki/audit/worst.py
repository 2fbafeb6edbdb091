"""What an audit says of the faces of a split, for the notebook."""

from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.audit.decisions import DECISIONS_NAME, RIGHT, Decisions
from imdb_wiki.audit.left_out import REASONS
from imdb_wiki.errors import InputError
from imdb_wiki.face_lists import places_in_list, read_listed
from imdb_wiki.split_tables import SUSPECTS_FILE

_DECIDED = {RIGHT: np.nan} | dict.fromkeys(REASONS, 1.0)  # else the network's probability counts
_NUMBERS = ("wrong_probability", "predicted_age_years", "male_probability")


def suspects_in(frame: pd.DataFrame, audit_dir: str | PathLike) -> pd.DataFrame:
    """Finds the faces of a split in an audit.

    Args:
        frame: Rows of `read_split`.
        audit_dir: Folder of an audit of these prepared folders.

    Returns:
        The rows that the audit has, in its table's order, the most suspicious first, with its
        `wrong_probability` and what its network says; the index is the frame's. Where a person has
        decided about the audit's faces, those with right labels are not among them, and the
        probability of wrong ones, and of what is no face, is 1.

    Raises:
        InputError: The folder is no audit's, the audit has none of these faces or does not tell
            which of several folders' it has, or the decisions are damaged.
    """
    path = Path(audit_dir) / SUSPECTS_FILE
    listed = read_listed(path, "table of suspects")
    numbers = [name for name in _NUMBERS if name in listed]
    said = listed[numbers].apply(pd.to_numeric)
    if "folder" in listed:
        said["wrong_probability"] = _decided(listed, said["wrong_probability"], path.parent)
    places = places_in_list(frame, listed, path)
    if (places < 0).all():
        raise InputError(f"{path} is of other folders: it has none of these {len(frame):,} faces")
    said = said.reindex(places).set_index(frame.index)
    order = np.argsort(places, kind="stable")
    order = order[said["wrong_probability"].notna().to_numpy()[order]]
    return frame.join(said).iloc[order]


def _decided(listed: pd.DataFrame, probabilities: pd.Series, audit_dir: Path) -> np.ndarray:
    """The probabilities after a person's decisions: NaN of right labels, 1 of wrong ones."""
    standing = Decisions(audit_dir / DECISIONS_NAME).standing
    decided = probabilities.to_numpy("float64", copy=True)
    for place, key in enumerate(zip(listed["folder"], listed["filename"], strict=True)):
        if key in standing:
            decided[place] = _DECIDED.get(standing[key].decision, decided[place])
    return decided
