"""CSV files that a spreadsheet may have saved."""

import csv
import io
import re
import warnings
from pathlib import Path

import pandas as pd

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError

_WITH_POINT = r"^(-?\d+),(\d+)$", r"\1.\2"  # a number's decimal comma, and what replaces it


def read_csv_table(path: Path) -> tuple[list[str], list[dict[str, str]], list[int]]:
    """Reads a CSV file that a spreadsheet may have saved.

    With a byte order mark, semicolons or tabs, decimal commas, any line ends, in UTF-8, UTF-16 or
    Windows-1252. Empty rows are left out.

    Args:
        path: The file.

    Returns:
        Its columns, its rows by column, and the line in which each row begins; the file's first is
        1. A column without a name, or with one that is there already, is called by its number.

    Raises:
        InputError: It is no table, or a damaged one.
    """
    return read_csv_text(decoded(path.read_bytes()), path)


def read_csv_text(text: str, path: Path) -> tuple[list[str], list[dict[str, str]], list[int]]:
    """As `read_csv_table`, of a text; `path` is for messages."""
    delimiter = _delimiter(text, path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines, line = [], 1
    try:
        for row in reader:
            if any(row):
                rows.append(row)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path} is damaged in line {reader.line_num}: {error}") from error
    if not rows:
        return [], [], []
    if delimiter != ",":  # then the comma is the decimal mark
        rows = [[re.sub(*_WITH_POINT, cell) for cell in row] for row in rows]
    width = max(map(len, rows))
    filled = [row + [""] * (width - len(row)) for row in rows]
    columns: dict[str, tuple[str, ...]] = {}  # by name, the cells of each that holds something
    for number, (name, *cells) in enumerate(zip(*filled, strict=True), start=1):
        if name or any(cells):
            unique = name if name and name not in columns else f"{name or 'remark'}_{number}"
            columns[unique] = tuple(cells)
    names = list(columns)
    by_row = zip(*columns.values(), strict=True)
    return names, [dict(zip(names, row, strict=True)) for row in by_row], lines[1:]


def read_texts(data: bytes, path: Path) -> pd.DataFrame:
    """Reads a large table that a program wrote and a spreadsheet may have saved.

    Args:
        data: The file's content.
        path: Its name, for messages.

    Returns:
        All cells as they are written, an empty one as "".

    Raises:
        InputError: It is no table, an empty or a damaged one.
    """
    text = decoded(data)
    delimiter = _delimiter(text, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # the first row is too long
            table = pd.read_csv(
                io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False, index_col=False
            )
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}") from None
    table = table.fillna("")
    if delimiter != ",":  # then the comma is the decimal mark
        table = table.replace(*_WITH_POINT, regex=True)
    return table


def _delimiter(text: str, path: Path) -> str:
    """What stands most often between the names of the columns; `path` is for the message.

    Raises:
        InputError: It is no text, so no table.
    """
    if "\0" in text:
        raise InputError(f"{path} is no CSV table")
    header = text.lstrip("\r\n").split("\n", 1)[0]
    return max(",;\t", key=header.count)


def decoded(data: bytes) -> str:
    """The text of a file that Windows' spreadsheets may have written."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
