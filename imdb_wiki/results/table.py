"""The results table: a CSV file that gets a row for each run, whoever else uses it."""

import contextlib
import csv
import fcntl
import io
import os
from collections.abc import Generator, Iterable, Mapping
from os import PathLike
from pathlib import Path

from imdb_wiki.command import tell
from imdb_wiki.csv_files import read_csv_table
from imdb_wiki.errors import InputError
from imdb_wiki.files import write_whole
from imdb_wiki.layout import TEST_READINGS_FILE
from imdb_wiki.results.provenance import now

SPARE_TABLE = "results.csv"  # in a run's folder


def append_result(csv_path: str | PathLike, row: Mapping[str, object]) -> Path | None:
    """Appends one row to the results table.

    A column that the table does not have yet is added to its end, and stays empty for older rows.
    Several runs may append at the same time. A table that a spreadsheet has saved (with a byte
    order mark, semicolons, decimal commas, in Windows-1252 or UTF-16) is read as what it is, and
    written as plain CSV again.

    A row is not lost if the table cannot take it: one with a `run_dir` then gets into `results.csv`
    in that folder, and one line on standard error says so.

    Args:
        csv_path: The table; made if it does not exist. An empty text: no table is kept.
        row: Column names and values.

    Returns:
        The table that has the row now; None if none is kept.

    Raises:
        OSError: The table cannot be written, and there is no other place for the row.
        InputError: The table is damaged or holds something else, such as the rows of a prepared
            folder, and there is no other place; it stays as it is.
    """
    if not str(csv_path):
        return None
    try:
        _append(Path(csv_path), row)
        return Path(csv_path)
    except (OSError, InputError) as error:
        if "run_dir" not in row:
            raise
        spare = Path(str(row["run_dir"])) / SPARE_TABLE
        if spare.resolve() == Path(csv_path).resolve():
            raise
        _append(spare, row)
        why = error.strerror if isinstance(error, OSError) else error
        tell(f"{csv_path} cannot take this run's row ({why}): it is in {spare}")
        return spare


def _append(csv_path: Path, row: Mapping[str, object]) -> None:
    csv_path = csv_path.resolve()  # a link stays a link
    csv_path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(csv_path.parent):
        columns, rows, _ = read_csv_table(csv_path) if csv_path.exists() else ([], [], [])
        _refuse_other_kind(csv_path, columns, row)
        columns += [name for name in row if name not in columns]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
        write_whole(csv_path, text.getvalue())


def refuse_other_table(csv_path: Path, row: Iterable[str]) -> None:
    """Refuses a file that is no table for such rows, before what they tell is computed.

    Args:
        csv_path: The table; it need not exist.
        row: Columns that only such rows have.

    Raises:
        InputError: It is damaged or holds something else, such as the rows of a prepared folder.
    """
    if csv_path.exists():
        _refuse_other_kind(csv_path, read_csv_table(csv_path)[0], row)


def _refuse_other_kind(csv_path: Path, columns: list[str], row: Iterable[str]) -> None:
    own = set(row) - {"time", "data"}  # many tables have columns of these names
    if columns and not own & set(columns):
        raise InputError(f"{csv_path} is another kind of table: it begins with {columns[0]}")


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Lets one process or thread at a time change the folder's tables; leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network folders know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which unlocks


def count_test_reading(prepared_dirs: list[str | PathLike], model: str | PathLike) -> list[str]:
    """Notes that test splits were read, and says how often that was.

    If one looks at the test split after each change, one tunes to it, and its numbers become too
    good. So each look is counted, in the prepared folder itself.

    Args:
        prepared_dirs: Folders whose test splits were read.
        model: What was scored.

    Returns:
        A sentence a folder.
    """
    sentences = []
    for folder in map(Path, prepared_dirs):
        path = folder / TEST_READINGS_FILE
        try:
            _append(path, {"time": now(), "model": str(model)})
            count = len(read_csv_table(path)[1])
        except (OSError, InputError) as error:  # a folder may be read-only, such as a shared one
            why = error.strerror if isinstance(error, OSError) else error
            sentences.append(f"{path} cannot be written ({why}): not counted")
            continue
        times = "once, now" if count == 1 else f"{count} times, this one included"
        sentences.append(f"the test split of {folder} has been read {times} ({path})")
    return sentences
