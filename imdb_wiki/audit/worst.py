"""What an audit says of the faces of a split, for the notebook."""

from os import PathLike
from pathlib import Path

import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.split_tables import SUSPECTS_FILE, naming_columns, read_listed

_NUMBERS = ("wrong_probability", "predicted_age_years", "male_probability")


def suspects_in(frame: pd.DataFrame, audit_dir: str | PathLike) -> pd.DataFrame:
    """Finds the faces of a split in an audit.

    Args:
        frame: Rows of `read_split`.
        audit_dir: Folder of an audit of these prepared folders.

    Returns:
        The rows that the audit has, the most suspicious first, with its `wrong_probability` and
        what its network says; the index is the frame's.

    Raises:
        InputError: The folder is no audit's, or the audit has none of these faces.
    """
    path = Path(audit_dir) / SUSPECTS_FILE
    listed = read_listed(path, "table of suspects")
    names = naming_columns(listed, frame)
    numbers = [name for name in _NUMBERS if name in listed]
    said = listed.drop_duplicates(names).set_index(names)[numbers].apply(pd.to_numeric)
    of_frame = pd.MultiIndex.from_frame(frame[names].astype(str))
    if not of_frame.isin(said.index).any():
        raise InputError(f"{path} is of other folders: it has none of these {len(frame):,} faces")
    said = said.reindex(of_frame).set_index(frame.index)
    told = frame.join(said)[said["wrong_probability"].notna()]
    return told.sort_values("wrong_probability", ascending=False, kind="stable")
