"""What a preparation leaves in its folder, and what there is somebody else's."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.files import PART_ENDING, parse_json, part_of
from imdb_wiki.labels import GENDER_NAMES, SPLIT_NAMES, UNLABELLED
from imdb_wiki.layout import CROP_NAME, REPORT_NAME, TEST_READINGS_FILE

WORK_NAME = ".preparing"  # the folder of a preparation that is not finished
SAMPLE_NAME = "imdb_crop"  # where the sample is drawn; any other preparation's input is not ours

_FILE_NAMES = (
    REPORT_NAME,  # first: without it the rest is no finished preparation
    *(*(f"{split}.csv" for split in SPLIT_NAMES), "rejects.csv"),
    TEST_READINGS_FILE,
)
_CLASS_FOLDERS = (*GENDER_NAMES, UNLABELLED)
# The files in each folder, as regular expressions.
_FOLDER_FILES = {
    CROP_NAME: rf"(?:{'|'.join(SPLIT_NAMES)})/(?:{'|'.join(_CLASS_FOLDERS)})/[^/]+\.jpg",
    "figures": rf"preparation\.png(?:{re.escape(PART_ENDING)})?",
}
_SAMPLE_FILES = {SAMPLE_NAME: r"imdb\.mat|[0-9]{2}/[^/]+\.jpg"}
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")  # put into every folder that one looks at


def holds_anything(output_dir: Path) -> bool:
    """Whether there is more in a folder than a preparation's work."""
    ignored = {WORK_NAME, *_LITTER}
    return output_dir.is_dir() and any(path.name not in ignored for path in output_dir.iterdir())


def earlier_arguments(path: Path) -> dict[str, Any] | None:
    """The arguments of an earlier preparation; None where there is no such file.

    Args:
        path: a report, or a file of arguments alone.

    Raises:
        InputError: no preparation wrote it.
    """
    if not path.is_file():
        return None
    try:
        content = parse_json(path.read_bytes())
        arguments = content["arguments"] if path.name == REPORT_NAME else content
        if {"dataset", "min_score", "img_size", "seed"} <= arguments.keys():
            return arguments
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{path}: is not what a preparation writes; name another folder")


def refuse_foreign_files(output_dir: Path, arguments: dict[str, Any] | None) -> None:
    """Refuses to go on where the folder holds more than its preparation: it would be lost.

    Args:
        output_dir: the folder.
        arguments: of the preparation in the folder; None if there is none.

    Raises:
        InputError: something there is not the preparation's.
    """
    foreign = next(_foreign_files(output_dir, arguments), None)
    if foreign is not None:
        is_link = " (a link)" if (output_dir / foreign).is_symlink() else ""
        raise InputError(
            f"{output_dir}: holds {foreign}{is_link}, which no preparation wrote; "
            "move it away or name another folder"
        )


def remove_outputs(output_dir: Path, arguments: dict[str, Any] | None) -> None:
    """Removes a preparation, the report first, and nothing else.

    Args:
        output_dir: the folder, which `refuse_foreign_files` has looked at.
        arguments: of the preparation in the folder; None if there is none.
    """
    for name in _FILE_NAMES:
        (output_dir / name).unlink(missing_ok=True)
        part_of(output_dir / name).unlink(missing_ok=True)
    for name in _folder_files(arguments):
        if (output_dir / name).is_dir():
            shutil.rmtree(output_dir / name)


def _folder_files(arguments: dict[str, Any] | None) -> dict[str, str]:
    drawn = arguments is not None and arguments["dataset"] == "sample"
    return _FOLDER_FILES | _SAMPLE_FILES if drawn else _FOLDER_FILES


def _foreign_files(output_dir: Path, arguments: dict[str, Any] | None) -> Iterator[str]:
    """Paths in the folder that no preparation wrote, relative to it."""
    if not output_dir.is_dir():
        return
    folders = _folder_files(arguments)
    for entry in sorted(os.scandir(output_dir), key=lambda entry: entry.name):
        is_folder, is_file = (test(follow_symlinks=False) for test in (entry.is_dir, entry.is_file))
        if entry.name in folders and is_folder:
            yield from _foreign_in_folder(output_dir, entry.name, folders[entry.name])
        elif not (
            (entry.name == WORK_NAME and is_folder)
            or (entry.name.removesuffix(PART_ENDING) in _FILE_NAMES and is_file)
            or (entry.name in _LITTER and is_file)
        ):
            yield entry.name


def _foreign_in_folder(output_dir: Path, name: str, pattern: str) -> Iterator[str]:
    known = _crops_of_csvs(output_dir) if name == CROP_NAME else None
    for folder, folders, files in os.walk(output_dir / name):
        inside = Path(folder).relative_to(output_dir / name)
        links = [other for other in folders if Path(folder, other).is_symlink()]
        for file in (*links, *files):
            path = (inside / file).as_posix()
            is_link = Path(folder, file).is_symlink()
            is_ours = not is_link and re.fullmatch(pattern, path) and (not known or path in known)
            if not is_ours and file not in _LITTER:
                yield f"{name}/{path}"


def _crops_of_csvs(output_dir: Path) -> set[str]:
    """The crops of a finished preparation; none where that is not known."""
    try:
        splits = parse_json((output_dir / REPORT_NAME).read_bytes())["splits"]
        frames = [
            pd.read_csv(output_dir / f"{split}.csv", usecols=["filename"], dtype=str)
            for split in splits
        ]
    except (FileNotFoundError, ValueError, KeyError):  # not finished, or edited since
        return set()
    return set(pd.concat(frames)["filename"])
