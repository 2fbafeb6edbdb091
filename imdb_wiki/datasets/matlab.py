"""imdb.mat or wiki.mat → one row for each photo."""

import io
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.datasets.dataset import PhotoSource, ReadingOptions, Table
from imdb_wiki.datasets.mat_fields import with_fields
from imdb_wiki.errors import InputError
from imdb_wiki.labels import age_in_years
from imdb_wiki.parallel import CrashError, run_apart

# Named by https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/, which gives no digests of them.
ARCHIVE_URL = "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/static/{dataset}_crop.tar"
MAT_NAMES = ("imdb.mat", "wiki.mat")
MAX_MAT_BYTES = 1_000_000_000  # the original's have 30 million and, uncompressed, a fifth of this

# IMDB's .mat takes 0.9 GB to read; a compressed file of 8 MB may unpack to 8 GB.
_MAX_MEMORY_BYTES = 4_000_000_000
_TOO_MUCH_MEMORY = "takes more than 4 GB of memory to read, so it is not the data set's .mat"
STRUCT_NAMES = ("imdb", "wiki")
NUMBER_FIELDS = ("dob", "photo_taken", "gender", "face_score", "second_face_score")


def read_rows(struct_name: str, photos: PhotoSource, options: ReadingOptions) -> Table:
    """Reads the rows of IMDB or WIKI.

    Args:
        struct_name: `imdb` or `wiki`.
        photos: Where its photos are.
        options: `db_path` names the .mat; None if it is beside the photos.

    Raises:
        InputError: It cannot be read.
    """
    if options.db_path:
        mat, path = read_mat(options.db_path), options.db_path
    else:
        mat, path = photos.mat(f"{struct_name}.mat"), photos.path / f"{struct_name}.mat"
    try:
        # SciPy's reader can crash on damaged bytes, and needs many times the table's memory.
        rows = run_apart(table_of_mat, mat, path, struct_name, max_memory_bytes=_MAX_MEMORY_BYTES)
    except CrashError:
        raise InputError(f"{path}: not a readable MATLAB file (the reader crashed)") from None
    except MemoryError:
        raise InputError(f"{path}: {_TOO_MUCH_MEMORY}") from None
    return Table(rows, [])


def read_mat(path: Path) -> bytes:
    """Reads a .mat file.

    Raises:
        InputError: It is too large to be the data set's.
    """
    if path.stat().st_size > MAX_MAT_BYTES:
        raise InputError(f"{path}: has more than {MAX_MAT_BYTES:,} bytes")
    return path.read_bytes()


def load_mat(
    mat: bytes, path: Path, struct_name: str, wanted: Collection[str]
) -> dict[str, np.ndarray]:
    """Reads the MATLAB struct once.

    Args:
        mat: the content of a MATLAB 5 file.
        path: the file's name for error messages.
        struct_name: `imdb` or `wiki`, the variable inside.
        wanted: the fields to read; others may be left out.

    Returns:
        The struct's fields by name, each flattened to `(rows,)`.

    Raises:
        InputError: not a MATLAB 5 file, truncated, too large for the memory, or without the struct.
    """
    import scipy.io  # here: it takes a third of a second, and only a process apart needs it

    try:
        smaller = io.BytesIO(with_fields(mat, wanted))
        variables = scipy.io.loadmat(smaller, variable_names=[struct_name])
    except MemoryError:
        raise InputError(f"{path}: {_TOO_MUCH_MEMORY}") from None
    except NotImplementedError:
        raise InputError(
            f"{path}: a MATLAB 7.3 (HDF5) file; save it in MATLAB with -v7, as the original is"
        ) from None
    except Exception as error:  # damaged bytes make SciPy raise errors of many types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable MATLAB file ({reason})") from None
    struct = variables.get(struct_name)
    if struct is None or struct.dtype.names is None or struct.size != 1:
        raise InputError(
            f"{path}: holds no struct '{struct_name}'{_another_struct(mat, struct_name)}"
        )
    record = struct.reshape(-1)[0]
    return {name: np.asarray(record[name]).reshape(-1) for name in struct.dtype.names}


def _another_struct(mat: bytes, struct_name: str) -> str:
    """Says what to do if the file holds the other data set's struct."""
    import scipy.io

    try:
        inside = [name for name, _, _ in scipy.io.whosmat(io.BytesIO(mat))]
    except Exception:  # as above; the caller reports the error anyway
        return ""
    others = [name for name in STRUCT_NAMES if name in inside and name != struct_name]
    return f", but '{others[0]}': add --dataset {others[0]}" if others else ""


def table_of_mat(mat: bytes, path: Path, struct_name: str) -> pd.DataFrame:
    """Reads `imdb.mat` or `wiki.mat` into the rows of a `Table`.

    A person is a `celeb_id` in IMDB; WIKI has none, so a person is a name there.

    Args:
        mat: the content of a MATLAB 5 file.
        path: the file's name for error messages.
        struct_name: `imdb` or `wiki`, the variable inside.

    Raises:
        InputError: as `load_mat`; also if a field is missing or has the wrong type or length.
    """
    identity_field = "celeb_id" if struct_name == "imdb" else "name"
    wanted = (*NUMBER_FIELDS, "full_path", identity_field)
    fields = load_mat(mat, path, struct_name, wanted)
    missing = [name for name in wanted if name not in fields]
    if missing:
        raise InputError(f"{path}: struct '{struct_name}' has no field {', '.join(missing)}")
    lengths = {name: len(fields[name]) for name in wanted}
    if len(set(lengths.values())) != 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"{path}: fields of different lengths ({listed})")
    if lengths["full_path"] == 0:
        raise InputError(f"{path}: struct '{struct_name}' has no rows")

    numbers = {name: _as_numbers(path, name, fields[name]) for name in NUMBER_FIELDS}
    if identity_field == "celeb_id":
        celeb_ids = pd.Series(_as_numbers(path, "celeb_id", fields["celeb_id"]))
        known = np.isfinite(celeb_ids)
        identity = celeb_ids.where(known, 0).astype(np.int64).astype(str).where(known, "")
    else:
        identity = pd.Series(_as_texts(fields["name"])).str.strip()
    return pd.DataFrame(
        {
            "source": _as_texts(fields["full_path"]),
            "age": age_in_years(numbers["dob"], numbers["photo_taken"]),
            "gender": numbers["gender"],
            "identity": identity,
            "face_score": numbers["face_score"],
            "second_face_score": numbers["second_face_score"],
        }
    )


def _as_numbers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iufb":
        raise InputError(f"{path}: field '{name}' holds {values.dtype}, not numbers")
    return values.astype(np.float64)


def _as_texts(cells: np.ndarray) -> list[str]:
    """Converts MATLAB's cells of texts, `(rows,)` arrays of arrays; other values become ""."""
    if cells.dtype.kind != "O":
        return [str(cell) for cell in cells] if cells.dtype.kind == "U" else [""] * len(cells)
    return [
        str(cell.reshape(-1)[0]) if cell.dtype.kind == "U" and cell.size else ""
        for cell in map(np.asarray, cells)
    ]
