"""Own photos with a CSV file: one row a photo, the columns named by options."""

import numpy as np
import pandas as pd

from imdb_wiki.csv_files import read_csv_table
from imdb_wiki.datasets.dataset import (
    BOX_COLUMNS,
    Dataset,
    PhotoSource,
    ReadingOptions,
    Table,
)
from imdb_wiki.datasets.listed import read_labels, with_unknowns
from imdb_wiki.errors import InputError
from imdb_wiki.labels import GENDER_NAMES

_EDGES = ("left", "top", "right", "bottom")
COLUMNS = ("file", "age", "gender", "person")  # what each is for, and its name by default


def read_rows(photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the CSV file; either label and the person may be missing.

    Columns `left`, `top`, `right` and `bottom`, if all four are there, say where the face is.

    Args:
        photos: Where the photos are.
        options: `db_path` names the file, others its columns and what other genders mean.

    Raises:
        InputError: It cannot be read, lacks a column, or a column holds something else.
    """
    path = options.db_path
    if path is None or not path.is_file():
        raise InputError(f"{path}: no such file")
    names, rows, lines = read_csv_table(path)
    if not rows:
        raise InputError(f"{path}: holds no rows")
    plain = {name.strip().lower(): name for name in names}
    found = {}
    for role in COLUMNS:
        wanted = getattr(options, f"{role}_column")
        if wanted.strip().lower() in plain:
            found[role] = plain[wanted.strip().lower()]
        elif wanted != role or role == "file":
            raise InputError(
                f"{path}: has no column {wanted!r}, only {', '.join(names)}; --{role}_column "
                "names another"
            )
    if not {"age", "gender"} & set(found):
        raise InputError(
            f"{path}: has neither a column age nor a column gender, only {', '.join(names)}; "
            "--age_column and --gender_column name others"
        )
    table = pd.DataFrame(rows, lines, dtype=str)
    empty = pd.Series("", table.index)
    texts = {role: table[found[role]] if role in found else empty for role in COLUMNS}
    labels = read_labels(texts["age"], texts["gender"], path, options.gender_codes)
    photo = {"source": texts["file"].str.strip(), "identity": texts["person"].str.strip()}
    rows = with_unknowns(pd.DataFrame(photo).join(labels))
    edges = [plain[edge] for edge in _EDGES if edge in plain]
    if len(edges) == len(_EDGES):
        rows = rows.join(_boxes(table[edges]))
    return Table(rows.reset_index(drop=True), [], tuple(_notes(found, texts, labels)))


def _boxes(texts: pd.DataFrame) -> pd.DataFrame:
    """Columns of `BOX_COLUMNS` and `box_problem` from texts, (rows, 4); all empty: not known."""
    texts = texts.apply(lambda column: column.str.strip().str.replace(",", ".", regex=False))
    boxes = texts.apply(pd.to_numeric, errors="coerce").set_axis(BOX_COLUMNS, axis=1)
    left, top, right, bottom = boxes.to_numpy().T
    is_box = (left < right) & (top < bottom)  # False for NaN
    is_bad = ~is_box & (texts != "").any(axis=1)
    joined = texts.agg(" ".join, axis=1)
    boxes[~is_box] = np.nan
    return boxes.assign(box_problem=joined.where(is_bad, ""))


def _notes(found: dict, texts: dict, labels: pd.DataFrame):
    """How the columns were read, a line each."""
    for role in COLUMNS:
        if role not in found:
            yield f"{role}: no column {role}"
    if "age" in found:
        exact, known = labels["age"].notna().sum(), labels["age_low"].notna().sum()
        counts = f"{exact:,} exact, {known - exact:,} ranges, {len(labels) - known:,} without"
        yield f"age: from the column {found['age']}: {counts}"
    if "gender" in found:
        words = texts["gender"].str.strip().str.lower()
        read = [
            f"{word!r} as {name} ({count:,})"
            for gender, name in enumerate(GENDER_NAMES)
            for word, count in words[labels["gender"] == gender].value_counts().items()
        ]
        without = int(labels["gender"].isna().sum())
        yield f"gender: from the column {found['gender']}: {', '.join(read)}, {without:,} without"


OWN_CSV = Dataset(
    name="csv",
    help="own photos, with a CSV file of their labels in --db_path",
    read=read_rows,
    labels_name="faces.csv",
    needs_db_path=True,
    label_options=(*(f"{role}_column" for role in COLUMNS), "gender_codes"),
    may_lack_labels=True,
)
