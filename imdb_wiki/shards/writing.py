"""Copies a prepared folder's faces and labels into shards.

A shard is a tar file in WebDataset's form (https://github.com/webdataset/webdataset): for each face
a `.jpg` and a `.json` of the same name, one after the other. `tar` reads it, and so do the loaders
that train on hundreds of millions of images.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from imdb_wiki.errors import InputError
from imdb_wiki.files import LOCK_NAME, PART_ENDING, locked, part_of
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.shards.index import (
    PACKAGE_MISSING,
    SplitOfShards,
    face_name,
    made_of,
    whole_sizes,
    write_index,
)
from imdb_wiki.split_tables import (
    digest_of_images,
    has_plain_labels,
    labels_and_known,
    read_splits,
)

_WHOLE_NUMBERS = ("age", "gender", "age_low", "age_high")
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def write_shards(
    prepared_dirs: Sequence[str | PathLike],
    output_dir: Path,
    faces_per_shard: int,
    seed: int = 0,
    verbose: int = 1,
) -> dict[str, SplitOfShards]:
    """Writes the shards of all splits; started again after a kill it continues.

    The faces are dealt at random, so each shard is a fair sample: who reads some of them one after
    the other, through a small buffer, sees the data set well shuffled.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`, pooled.
        output_dir: Folder for `train-000000.tar`, `train-000001.tar` and so on, and `shards.json`.
        faces_per_shard: How many faces a shard has; the last one may have fewer.
        seed: What the dealing is drawn from.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        What `shards.json` says, by split.

    Raises:
        InputError: The folder holds something else, another run writes shards there, a crop is no
            whole JPEG, or WebDataset is not installed.
        OSError: A crop is missing, or a file cannot be written; the error names it.
    """
    try:
        import webdataset  # noqa: F401 - said before the work begins
    except ImportError as error:
        raise InputError(PACKAGE_MISSING) from error
    folders = [str(folder) for folder in prepared_dirs]
    frames = read_splits(folders)
    wanted = {
        "rows": {name: _digest(frame) for name, frame in frames.items()},
        "images": {name: digest_of_images(frame) for name, frame in frames.items()},
        "faces_per_shard": faces_per_shard,
        "seed": seed,
    }
    _refuse_other_contents(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    lock = locked(output_dir / LOCK_NAME)
    if lock is None:
        raise InputError(f"{output_dir}: another run is writing shards there now")
    with lock:
        _refuse_other_shards(output_dir, wanted)
        if not any(output_dir.glob("*.tar")):  # else it is there, and says the same
            write_index(output_dir, wanted, None)
        known = whole_sizes(output_dir)
        total = sum(map(len, frames.values()))
        with tqdm(total=total, unit=" faces", desc="shards", disable=not verbose) as bar:
            splits = {
                name: _write_split(frame, name, output_dir, faces_per_shard, seed, bar, known)
                for name, frame in frames.items()
            }
        if not known:
            write_index(output_dir, wanted, splits)
    return splits


def _digest(frame: pd.DataFrame) -> str:
    """Digest of what comes into the shards, but for the images' own bytes."""
    text = frame.drop(columns=["path", "folder"]).to_csv(index=False)
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()


def _refuse_other_contents(output_dir: Path) -> None:
    if made_of(output_dir) is None and any(
        path.name != LOCK_NAME and not path.name.endswith(PART_ENDING)
        for path in output_dir.glob("*")
    ):
        raise InputError(f"{output_dir} holds something else: name another folder")


def _refuse_other_shards(output_dir: Path, wanted: dict) -> None:
    found = made_of(output_dir)
    if found is None or not any(output_dir.glob("*.tar")):
        return  # begun, and ended before the first shard, such as by a broken crop
    differing = [name for name, value in wanted.items() if found.get(name) != value]
    if differing:
        raise InputError(
            f"{output_dir} holds other shards ({differing[0].replace('_', ' ')} differ): "
            "remove it, or name another folder"
        )


def _write_split(
    frame: pd.DataFrame,
    split: str,
    folder: Path,
    faces_per_shard: int,
    seed: int,
    bar: tqdm,
    known: dict[str, int],
) -> SplitOfShards:
    rng = np.random.default_rng((seed, SPLIT_NAMES.index(split)))
    order = rng.permutation(len(frame))
    bytes_of = {}
    for number in range(math.ceil(len(frame) / faces_per_shard)):
        path = folder / f"{split}-{number:06}.tar"
        first = number * faces_per_shard
        rows = frame.iloc[order[first : first + faces_per_shard]]
        # One that is there was written by an earlier run, whole, and may have been damaged since.
        if not path.is_file() or path.stat().st_size != known.get(path.name, path.stat().st_size):
            _write_shard(path, rows, first)
        bytes_of[path.name] = path.stat().st_size
        bar.update(len(rows))
    has_ranges = labels_and_known(frame)[0]["age_years"].shape[1] > 1
    return SplitOfShards(len(frame), has_plain_labels(frame), has_ranges, bytes_of)


def _write_shard(path: Path, rows: pd.DataFrame, first: int) -> None:
    """Writes one shard under another name until it is whole; same faces, same bytes."""
    import webdataset

    labels = rows.drop(columns=["path", "folder"])
    part = part_of(path)
    try:
        # Neither the time nor the user's name: the bytes are those of any other run.
        plain = {"user": "", "group": "", "mtime": 0, "encoder": False}
        with part.open("wb") as file:
            with webdataset.TarWriter(file, **plain) as tar:
                for number, (crop, row) in enumerate(
                    zip(rows["path"], labels.to_dict("records"), strict=True), start=first
                ):
                    known = {name: value for name, value in row.items() if not pd.isna(value)}
                    known |= {name: int(known[name]) for name in _WHOLE_NUMBERS if name in known}
                    text = json.dumps(known).encode()
                    tar.write({"__key__": face_name(number), "jpg": _jpeg(crop), "json": text})
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()  # of a shard that is not whole: the disk may be full


def _jpeg(path: str) -> bytes:
    content = Path(path).read_bytes()
    if not content.startswith(_JPEG_START) or not content.rstrip(b"\0").endswith(_JPEG_END):
        raise InputError(f"not a readable JPEG image: {path}")
    return content
