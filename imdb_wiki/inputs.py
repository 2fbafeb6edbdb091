"""What a preparation reads: the table of its rows, and whether its photos are there."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from imdb_wiki.crop_names import leads_outside
from imdb_wiki.errors import InputError, StoppedError
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.parallel import CrashError, run_apart
from imdb_wiki.photos import PhotoFolder, Photos, is_image_name, read_mat
from imdb_wiki.sources import (
    MAX_MEMORY_BYTES,
    TOO_MUCH_MEMORY,
    table_of_mat,
    table_of_utkface,
)


class Table(NamedTuple):
    """One row a photo, and what was found beside the photos."""

    rows: pd.DataFrame
    passed_over: list[str]  # files that are no photos by their names, and linked folders


def read_table(photos: Photos, dataset: str, db_path: Path | None) -> Table:
    """Reads the rows of a data set.

    Args:
        photos: where its photos are.
        dataset: `imdb`, `wiki`, `utkface` or `sample`.
        db_path: the .mat; None if it is beside the photos, or if the data set has none.

    Raises:
        InputError: it cannot be read.
    """
    if dataset == "utkface":
        names = photos.all_names()
        images = [name for name in names if is_image_name(name)]
        if not images:
            raise InputError(f"{photos.path}: holds no images")
        return Table(table_of_utkface(images), [n for n in names if not is_image_name(n)])
    struct_name = "wiki" if dataset == "wiki" else "imdb"
    if db_path:
        mat, path = read_mat(db_path), db_path
    else:
        mat, path = photos.mat(f"{struct_name}.mat"), photos.path / f"{struct_name}.mat"
    try:
        # SciPy's reader can crash on damaged bytes, and needs many times the table's memory.
        rows = run_apart(table_of_mat, mat, path, struct_name, max_memory_bytes=MAX_MEMORY_BYTES)
    except CrashError:
        raise InputError(f"{path}: not a readable MATLAB file (the reader crashed)") from None
    except MemoryError:
        raise InputError(f"{path}: {TOO_MUCH_MEMORY}") from None
    return Table(rows, [])


def refuse_vanished_photos(table: pd.DataFrame, photos: Photos) -> None:
    """Stops where photos are missing because their folder has gone, as when a disk is unplugged.

    Args:
        table: with the `rule` of each row, "" where its photo was read.
        photos: where they are.

    Raises:
        StoppedError: none of the photos that were read is there any more.
    """
    if not isinstance(photos, PhotoFolder) or not (table["rule"] == "missing_file").any():
        return
    read = table.loc[table["rule"] == "", "source"]
    some = read.iloc[[0, len(read) // 2, -1]] if len(read) else read
    if not photos.path.is_dir() or (len(read) and not any(map(photos.holds, some))):
        raise StoppedError(f"{photos.path}: the photos are not there any more")


def count_come_since(photo_dir: Path | None, dataset: str, output_dir: Path) -> int:
    """Counts photos that are there now and were not when a finished folder was prepared.

    Args:
        photo_dir: where the photos are. An archive of the same size is taken for the same.
        dataset: `imdb`, `wiki`, `utkface` or `sample`.
        output_dir: the prepared folder.
    """
    if photo_dir is None or not photo_dir.is_dir():
        return 0
    try:
        rejects = pd.read_csv(output_dir / "rejects.csv", dtype=str, keep_default_na=False)
        missing = rejects.loc[rejects["rule"] == "missing_file", "source"]
        known = [rejects["source"]]
        if dataset == "utkface":
            paths = [output_dir / f"{split}.csv" for split in SPLIT_NAMES]
            known += [
                pd.read_csv(path, usecols=["source"], dtype=str, keep_default_na=False)["source"]
                for path in paths
                if path.is_file()
            ]
    except (OSError, ValueError, KeyError):  # removed or edited since
        return 0
    photos = PhotoFolder(photo_dir)
    missing = missing[(missing != "") & ~leads_outside(missing)]
    count = sum(map(photos.holds, missing))
    if dataset == "utkface":
        # As the CSVs write what is no UTF-8.
        names = [name.encode(errors="backslashreplace").decode() for name in photos.all_names()]
        images = np.array([name for name in names if is_image_name(name)], dtype=object)
        count += int((~np.isin(images, np.concatenate(known))).sum())
    return count
