"""Whether the photos of a preparation are there."""

from pathlib import Path

import numpy as np
import pandas as pd

from imdb_wiki.errors import StoppedError
from imdb_wiki.images.names import is_image_name
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.preparation.crop_names import leads_outside
from imdb_wiki.preparation.crops import MISSING_FILE
from imdb_wiki.preparation.photos import PhotoFolder, Photos


def refuse_vanished_photos(table: pd.DataFrame, photos: Photos) -> None:
    """Stops where photos are missing because their folder has gone, as when a disk is unplugged.

    Args:
        table: with the `rule` of each row, "" where its photo was read.
        photos: where they are.

    Raises:
        StoppedError: none of the photos that were read is there any more.
    """
    if not isinstance(photos, PhotoFolder) or not (table["rule"] == MISSING_FILE).any():
        return
    read = table.loc[table["rule"] == "", "source"].tolist()
    some = [read[0], read[len(read) // 2], read[-1]] if read else []
    if not photos.path.is_dir() or (read and not any(map(photos.holds, some))):
        raise StoppedError(f"{photos.path}: the photos are not there any more")


def count_come_since(photo_dir: Path | None, lists_folder: bool, output_dir: Path) -> int:
    """Counts photos that are there now and were not when a finished folder was prepared.

    Args:
        photo_dir: where the photos are. An archive of the same size is taken for the same.
        lists_folder: whether the rows are simply all photos that are there.
        output_dir: the prepared folder.
    """
    if photo_dir is None or not photo_dir.is_dir():
        return 0
    try:
        rejects = pd.read_csv(output_dir / "rejects.csv", dtype=str, keep_default_na=False)
        missing = rejects.loc[rejects["rule"] == MISSING_FILE, "source"]
        known = [rejects["source"]]
        if lists_folder:
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
    if lists_folder:
        # As the CSVs write what is no UTF-8.
        names = [name.encode(errors="backslashreplace").decode() for name in photos.all_names()]
        images = np.array([name for name in names if is_image_name(name)], dtype=object)
        count += int((~np.isin(images, np.concatenate(known))).sum())
    return count
