"""The table of suspects that an audit writes, read again: one row a face, in the file's order.

That is most suspicious first, as the audit ranks them; or the order of whoever sorted the file.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.csv_files import read_texts
from imdb_wiki.errors import InputError
from imdb_wiki.split_tables import SUSPECTS_FILE

COLUMNS = ("folder", "filename", "source", "age", "gender", "wrong_probability")
NAMING = ["folder", "filename"]  # what tells one face from all others
Key = tuple[str, str]  # these two of a face


class Suspects:
    """The faces in the table's order, each once; a face's row is its place in it."""

    def __init__(self, table: pd.DataFrame, mark: str):
        """Takes a table that has been checked.

        Args:
            table: Texts, with at least `COLUMNS`; of a face that is there twice, the first counts.
            mark: What tells this table from one that replaces it.
        """
        table = table[~table.duplicated(NAMING)].reset_index(drop=True)
        self.table, self.mark = table, mark
        self.keys: list[Key] = list(zip(table["folder"], table["filename"], strict=True))
        self.row_of = {key: row for row, key in enumerate(self.keys)}
        self.probabilities = pd.to_numeric(table["wrong_probability"]).to_numpy()

    def __len__(self) -> int:
        """How many faces there are."""
        return len(self.keys)

    def face(self, row: int) -> dict[str, str]:
        """What the table says of a face, by column."""
        return dict(zip(self.table.columns, self.table.iloc[row], strict=True))


def read_suspects(folder: Path) -> Suspects:
    """Reads the suspects of an audit's folder; a spreadsheet may have saved them.

    Raises:
        InputError: It is no table of suspects, or an empty or damaged one.
        OSError: It cannot be read.
    """
    path = folder / SUSPECTS_FILE
    if not path.exists():
        raise InputError(f"{folder} has no {SUSPECTS_FILE}: give the folder of an audit")
    data = path.read_bytes()
    table = read_texts(data, path)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(f"{path} is no table of suspects: it has no column {', '.join(missing)}")
    if not len(table):
        raise InputError(f"{path} lists no face")
    for name in (*NAMING, "source"):
        _refuse(path, name, table[name], table[name].str.contains(r"[\r\n]"), "has a line break")
    for name in NAMING:
        _refuse(path, name, table[name], table[name] == "", "is empty")
    texts = table["wrong_probability"]
    values = pd.to_numeric(texts, errors="coerce")
    wrong = ~values.between(0, 1) & (texts != "")
    _refuse(path, "wrong_probability", texts, wrong, "is not from 0 to 1")
    return Suspects(table, hashlib.sha256(data).hexdigest()[:16])


def _refuse(path: Path, name: str, texts: pd.Series, wrong: pd.Series, why: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        # Of a table without line breaks in cells: its line in the file.
        raise InputError(f"{path}, line {row + 2}: {name} {texts.iloc[row]!r} {why}")
