"""What a run has done so far, on disk: a run that was killed continues where it stopped.

`<output_dir>/.preparing` holds the arguments, the crops made so far and one journal line for each
finished chunk of photos. A crop stands before its line does, so what the journal names is whole.
When everything is in its place `report.json` is written and the folder removed.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from imdb_wiki.crops import Outcome
from imdb_wiki.errors import InputError

REPORT_NAME, ARGUMENTS_NAME = "report.json", "arguments.json"
SAMPLE_NAME = "imdb_crop"  # where the sample is drawn; any other preparation's input is not ours
# All else that a preparation may leave in its folder.
OUTPUT_NAMES = (
    REPORT_NAME,  # first: without it the rest is no finished preparation
    *("crop", "train.csv", "val.csv", "test.csv", "rejects.csv", "figures"),
)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file that appears under its name only when it is whole, on the disk itself too.

    Raises:
        OSError: it cannot be written; the error names it, and an older file is as it was.
    """
    # A file name may hold bytes that are no UTF-8; they are written as what they are, \udcff.
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name without content
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)  # on a full disk half a file only takes room
        # A full disk's error names no file, others name the partial one.
        raise OSError(error.errno, error.strerror, str(path)) from error


class Journal:
    """The state of the preparation in one output folder.

    Args:
        output_dir: the folder; made by `begun` where it does not exist.
        arguments: all that decides the result, as JSON values by argument name.

    Attributes:
        arguments: those given.
        finished: whether the folder holds the finished preparation of these arguments.
        crop_dir: where crops wait for their split.

    Raises:
        InputError: the folder holds something else.
    """

    def __init__(self, output_dir: Path, arguments: dict[str, Any]):
        """Looks at the folder, and leaves it as it is."""
        self.output_dir = output_dir
        self.folder = output_dir / ".preparing"
        self.crop_dir = self.folder / "crops"
        self.arguments = arguments
        self._arguments_path = self.folder / ARGUMENTS_NAME
        self._lines_path = self.folder / "journal.jsonl"

        before = _earlier_arguments(output_dir)
        self.finished = (output_dir / REPORT_NAME).is_file()
        if before is not None:
            _refuse_difference(output_dir, before, arguments)
        if self.finished:
            shutil.rmtree(self.folder, ignore_errors=True)  # killed between report and removal
        elif (
            before is None
            and output_dir.is_dir()
            and any(p.name != self.folder.name for p in output_dir.iterdir())
        ):
            raise InputError(f"{output_dir}: is not empty and holds no preparation; name another")

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """Takes the folder for this run, for as long as it is at work.

        Raises:
            InputError: another run is at work in it.
        """
        self.crop_dir.mkdir(parents=True, exist_ok=True)
        with _lock(self.output_dir, self.folder):
            write_whole(self._arguments_path, json.dumps(self.arguments, indent=1))
            yield

    def check_table(self, fingerprint: str) -> None:
        """Notes what the rows are, for their numbers are what the journal goes by.

        Raises:
            InputError: an earlier run has begun with other rows.
        """
        path = self.folder / "table"
        if path.is_file() and path.read_text() != fingerprint:
            raise InputError(
                f"{self.output_dir}: the input has changed since this preparation began; "
                "add --overwrite to begin again"
            )
        write_whole(path, fingerprint)

    def outcomes(self) -> list[Outcome]:
        """Reads what earlier runs have done, and cuts off a line that was not written whole."""
        if not self._lines_path.is_file():
            return []
        data = self._lines_path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._lines_path, len(whole))
        return [Outcome(*values) for line in whole.splitlines() for values in json.loads(line)]

    def append(self, outcomes: list[Outcome]) -> None:
        """Notes a finished chunk; its crops must be written."""
        with self._lines_path.open("a") as lines:
            lines.write(json.dumps(outcomes) + "\n")

    def publish(self, crop_name: str, final_path: Path) -> None:
        """Moves a crop to its final place, unless an earlier run has."""
        try:
            (self.crop_dir / crop_name).rename(final_path)
        except FileNotFoundError:
            if not final_path.is_file():
                raise InputError(
                    f"{self.crop_dir / crop_name}: was removed; start afresh"
                ) from None

    def finish(self, report: dict[str, Any]) -> None:
        """Writes the report, which marks the preparation as finished, and clears up."""
        write_whole(self.output_dir / REPORT_NAME, json.dumps(report, indent=2) + "\n")
        shutil.rmtree(self.folder)


def start_afresh(output_dir: Path) -> None:
    """Removes an earlier preparation, finished or not, and nothing else.

    Raises:
        InputError: another run is at work in the folder.
    """
    folder = output_dir / ".preparing"
    arguments = _earlier_arguments(output_dir)
    if arguments is None and not folder.is_dir():
        return  # no preparation; what is here is somebody else's
    folder.mkdir(exist_ok=True)  # stays to the end: the mark of a removal that was killed
    if arguments is not None:
        write_whole(folder / ARGUMENTS_NAME, json.dumps(arguments))
    drawn = arguments is not None and arguments["dataset"] == "sample"
    with _lock(output_dir, folder):
        for name in (*OUTPUT_NAMES, SAMPLE_NAME) if drawn else OUTPUT_NAMES:
            path = output_dir / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        shutil.rmtree(folder)


def _lock(output_dir: Path, folder: Path) -> TextIO:
    """Takes the folder for this process, until the file is closed or the process ends anyhow."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InputError(f"{output_dir}: another run is preparing it now") from None
    return lock


def _earlier_arguments(output_dir: Path) -> dict[str, Any] | None:
    """The arguments of the preparation that a folder holds, finished or not; None without one.

    Raises:
        InputError: there is a report that no preparation wrote.
    """
    for path in (output_dir / REPORT_NAME, output_dir / ".preparing" / ARGUMENTS_NAME):
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_bytes())
            arguments = content["arguments"] if path.name == REPORT_NAME else content
            if {"dataset", "min_score", "img_size", "seed"} <= arguments.keys():
                return arguments
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        raise InputError(f"{path}: is not what a preparation writes; name another folder")
    return None


def _refuse_difference(output_dir: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    differences = [
        f"{name} was {before.get(name)}, is {value}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if differences:
        raise InputError(
            f"{output_dir}: holds another preparation ({'; '.join(differences)}); "
            "name another folder or add --overwrite"
        )
