"""Lists of faces that an audit or a review wrote, and which rows of a split they name."""

from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from imdb_wiki.csv_files import read_texts
from imdb_wiki.errors import InputError


def read_listed(path: Path, what: str) -> pd.DataFrame:
    """Reads what an audit or a review wrote about faces, and a spreadsheet may have saved.

    Args:
        path: A CSV with the columns `filename`, `wrong_probability` and perhaps `folder`, `source`.
        what: What the message calls such a file.

    Raises:
        InputError: The file cannot be read, or lacks one of these columns.
    """
    try:
        listed = read_texts(path.read_bytes(), path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    needed = ("filename", "wrong_probability")
    if not set(needed) <= set(listed):
        raise InputError(f"{path} is no {what}: it lacks one of {', '.join(needed)}")
    return listed


def without_listed(frame: pd.DataFrame, split: str, left_out: str | PathLike) -> pd.DataFrame:
    """Leaves out the faces that a list names, as `places_in_list` tells them.

    Args:
        frame: Rows of `read_split`.
        split: Of `read_split`.
        left_out: A CSV with the columns `filename`, `wrong_probability` and perhaps `folder`,
            `source`.

    Raises:
        InputError: The file is no such list; it names faces, but none of these folders', or one
            that several of them may hold; or it leaves nothing of the split.
    """
    path = Path(left_out)
    listed = read_listed(path, "list of faces to leave out")
    there = places_in_list(frame, listed, path) >= 0
    if not there.any() and _is_of_others(frame, listed, split):
        raise InputError(
            f"{path} is a list of other folders: it names no face of the {split} split"
        )
    if there.all():
        raise InputError(f"{path} leaves no face of the {split} split")
    return frame[~there].reset_index(drop=True)


def places_in_list(frame: pd.DataFrame, listed: pd.DataFrame, path: Path) -> np.ndarray:
    """Finds the faces of a split in a list.

    A row whose `folder` is one of the split's, however it is written, names the face there with its
    `filename`, and its `source` where both say it. The folder of any other row may have been moved,
    or its photos prepared in another way: such a row names the face with its `filename` and
    `source` in those of the split's folders that the list has no row of. Without a source it names
    none, for other photos may be called the same; but a row that says no folder needs none.

    Args:
        frame: Rows of `read_split`.
        listed: Of `read_listed`.
        path: Its file, for the message.

    Returns:
        Of each face its first row in the list, counted from 0; -1 if it is not there. (count,)

    Raises:
        InputError: A row of another folder names faces in several of these folders, or rows of
            several other folders name the same face.
    """
    names = ["filename", "source"] if _says_sources(frame, listed) else ["filename"]
    homes = _homes(frame, listed)
    keys = listed[names].assign(home=homes.of_rows)[homes.can_name]
    first = keys[~keys.duplicated()]
    of_first, of_rows, of_faces = (
        pd.MultiIndex.from_frame(table)
        for table in (first, keys, frame[names].astype(str).assign(home=homes.of_faces))
    )
    row_of = np.append(first.index, -1)  # -1, the place of what is not there, is its last
    places, places_of_rows = (row_of[of_first.get_indexer(of)] for of in (of_faces, of_rows))
    guessed = np.where(homes.of_faces == "", places, -1)
    _refuse_several(path, listed, guessed, frame["folder"])
    is_found = np.isin(places_of_rows, guessed)
    _refuse_several(
        path, listed, np.where(is_found, places_of_rows, -1), homes.said.loc[keys.index]
    )
    return places


class _Homes(NamedTuple):
    of_faces: pd.Series  # each face's folder, an absolute path; "" if the list has no row of it
    of_rows: pd.Series  # each row's folder; "" if it is none of the split's
    said: pd.Series  # the same, also where it is none of these; "" where the row says none
    can_name: pd.Series  # whether the row says enough to name a face


def _homes(frame: pd.DataFrame, listed: pd.DataFrame) -> _Homes:
    of_faces = _places(frame["folder"])
    said = _places(listed["folder"]) if "folder" in listed else pd.Series("", listed.index)
    of_rows = said.where(said.isin(of_faces), "")
    tells_photo = listed["source"] != "" if _says_sources(frame, listed) else False
    can_name = (of_rows != "") | (said == "") | tells_photo
    return _Homes(of_faces.where(of_faces.isin(of_rows), ""), of_rows, said, can_name)


def _places(folders: pd.Series) -> pd.Series:
    """Folders as absolute paths; "" stays."""
    return folders.map({name: name and str(Path(name).resolve()) for name in folders.unique()})


def _says_sources(frame: pd.DataFrame, listed: pd.DataFrame) -> bool:
    return "source" in listed and "source" in frame


def _refuse_several(
    path: Path, listed: pd.DataFrame, places: np.ndarray, folders: pd.Series
) -> None:
    """Refuses a row of the list, by its place, that belongs to several folders."""
    pairs = pd.DataFrame({"place": places, "folder": folders.to_numpy()}).drop_duplicates()
    pairs = pairs[pairs["place"] >= 0]
    several = pairs[pairs.duplicated("place", keep=False)]
    if len(several):
        place = several["place"].iloc[0]
        named = several["folder"][several["place"] == place]
        raise InputError(
            f"{path} does not tell which {listed['filename'][place]} it means, that of "
            f"{' or of '.join(named)}: say it in its column folder"
        )


def _is_of_others(frame: pd.DataFrame, listed: pd.DataFrame, split: str) -> bool:
    """Whether a list in which no face of a split is found should name some, were it of its folders.

    The preparation's file names begin with their split.
    """
    homes = _homes(frame, listed)
    if len(listed) and not homes.can_name.any():
        return True
    is_here = homes.of_rows != ""
    rows = listed[is_here] if is_here.any() else listed
    return bool(rows["filename"].str.startswith(f"{split}/").any())
