"""What an audit says of the faces of a split, for the notebook."""

from os import PathLike
from pathlib import Path

import numpy as np
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
        The rows that the audit has, in its table's order, the most suspicious first, with its
        `wrong_probability` and what its network says; the index is the frame's.

    Raises:
        InputError: The folder is no audit's, or the audit has none of these faces.
    """
    path = Path(audit_dir) / SUSPECTS_FILE
    listed = read_listed(path, "table of suspects")
    names = naming_columns(listed, frame)
    numbers = [name for name in _NUMBERS if name in listed]
    listed = listed.drop_duplicates(names)
    said = listed[numbers].apply(pd.to_numeric)
    # Own folders have file names only: a plain index of them could not be looked up as pairs are.
    of_list, of_frame = (pd.MultiIndex.from_frame(t[names].astype(str)) for t in (listed, frame))
    places = of_list.get_indexer(of_frame)  # in the table; -1 of a face that is not there
    if (places < 0).all():
        raise InputError(f"{path} is of other folders: it has none of these {len(frame):,} faces")
    said = said.set_axis(of_list).reindex(of_frame).set_index(frame.index)
    order = np.argsort(places, kind="stable")
    order = order[said["wrong_probability"].notna().to_numpy()[order]]
    return frame.join(said).iloc[order]
