"""What a run has done so far, on disk: a run that was killed continues where it stopped.

`<output_dir>/.preparing` holds the arguments, the crops made so far and one journal line for each
finished chunk of photos. Each crop is written before its line, so the journal has no partial crop.
At the end `report.json` is written and the folder removed.

A run with `overwrite` works in the same folder. The earlier result stays complete until the first
new crop is moved to its final place; until then `replaced.json` holds the earlier arguments.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any, TextIO

from imdb_wiki.errors import InputError, StoppedError, names_file
from imdb_wiki.files import locked, write_whole
from imdb_wiki.layout import REPORT_NAME
from imdb_wiki.preparation.crops import Outcome
from imdb_wiki.preparation.prepared_folder import (
    WORK_NAME,
    earlier_arguments,
    holds_anything,
    refuse_foreign_files,
    remove_outputs,
)

# The value of an argument that decides the result and cannot be told now: it makes no difference.
NOT_KNOWN = "not known"


class Journal:
    """The state of the preparation in one output folder.

    Args:
        output_dir: the folder; made by `begun` where it does not exist.
        arguments: all that decides the result, as JSON values by argument name.
        overwrite: whether to replace an earlier preparation in the folder.
        defaults: what arguments were in preparations of versions that did not have them; None
            where it is not said.

    Attributes:
        arguments: those given.
        finished: whether the folder holds the finished preparation of these arguments.
        crop_dir: where crops wait for their split.

    Raises:
        InputError: the folder holds something else.
    """

    def __init__(
        self,
        output_dir: Path,
        arguments: dict[str, Any],
        overwrite: bool = False,
        defaults: dict[str, Any] | None = None,
    ):
        """Looks at the folder, and leaves it as it is."""
        self.output_dir = output_dir
        self.folder = output_dir / WORK_NAME
        self.crop_dir = self.folder / "crops"
        self.arguments = arguments
        self._overwrite = overwrite
        self._arguments_path = self.folder / "arguments.json"
        self._lines_path = self.folder / "journal.jsonl"
        self._table_path = self.folder / "table"
        self._replaced_path = self.folder / "replaced.json"
        self._publishing_path = self.folder / "same_pictures.npz"

        if output_dir.exists() and not output_dir.is_dir():
            raise InputError(f"{output_dir}: is a file, not a folder")
        finished = earlier_arguments(output_dir / REPORT_NAME)
        begun = earlier_arguments(self._arguments_path)
        replaced = earlier_arguments(self._replaced_path)
        if finished is not None and replaced is None:
            begun = None  # killed between the report and the removal of its folder
        if finished is None and begun is None and holds_anything(output_dir):
            raise InputError(f"{output_dir}: is not empty and holds no preparation; name another")
        self._earlier = replaced or finished or begun  # whose results the folder holds
        if overwrite:
            self.finished = False
            refuse_foreign_files(output_dir, self._earlier)
            return
        defaults = defaults or {}
        continues = begun is not None and not _differences(begun, arguments, defaults)
        self.finished = finished is not None and not continues
        before = finished if self.finished else begun
        if before is not None and (differences := _differences(before, arguments, defaults)):
            raise InputError(
                f"{output_dir}: holds another preparation ({'; '.join(differences)}); "
                "name another folder or add --overwrite"
            )

    @property
    def replaces(self) -> bool:
        """Whether an earlier result is still there that this run will replace."""
        return self._replaced_path.exists()

    @contextlib.contextmanager
    def begun(self) -> Generator[None]:
        """Takes the folder for this run, for as long as it is at work.

        Raises:
            InputError: another run is at work in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _lock(self.output_dir, self.folder):
            if self._overwrite and self._earlier is not None:
                self._begin_again()
            write_whole(self._arguments_path, json.dumps(self.arguments, indent=1))
            self.crop_dir.mkdir(exist_ok=True)
            try:
                yield
            except (KeyboardInterrupt, OSError, StoppedError) as error:
                again = " without --overwrite" if self._overwrite else ""
                error.add_note(f"the same command{again} continues")
                raise

    def _begin_again(self) -> None:
        """Forgets what an earlier run has done, in an order that a kill at any moment survives."""
        for path in (self._lines_path, self._table_path, self._publishing_path):
            path.unlink(missing_ok=True)
        write_whole(self._replaced_path, json.dumps(self._earlier))
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)

    def clear_up(self) -> None:
        """Removes what a finished run has left that was killed in the end, if it is not at work."""
        if self.folder.is_dir():
            with contextlib.suppress(InputError), _lock(self.output_dir, self.folder):
                if not self._replaced_path.exists():
                    shutil.rmtree(self.folder)

    def give_up(self) -> None:
        """Removes this run's work, as if it had not begun; an earlier result stays as it was."""
        shutil.rmtree(self.folder)
        with contextlib.suppress(OSError):  # not empty: something was there before
            self.output_dir.rmdir()

    def check_table(self, fingerprint: str) -> None:
        """Notes what the rows are, for their numbers are what the journal goes by.

        Raises:
            InputError: an earlier run has begun with other rows.
        """
        if self._table_path.is_file() and self._table_path.read_text() != fingerprint:
            raise InputError(
                f"{self.output_dir}: the input has changed since this preparation began; "
                "add --overwrite to begin again"
            )
        write_whole(self._table_path, fingerprint)

    def outcomes(self) -> list[Outcome]:
        """Reads what earlier runs have done, and cuts off a line that was not written whole.

        Until crops are put into their places, photos that could not be read are not among it: they
        may have been on their way, and are looked at again.

        Raises:
            InputError: a line is damaged.
        """
        if not self._lines_path.is_file():
            return []
        data = self._lines_path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._lines_path, len(whole))
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            outcomes = [Outcome(*values) for line in lines for values in line]
        except (ValueError, TypeError) as error:  # a machine that lost power has not kept its bytes
            raise InputError(
                f"{self._lines_path} is damaged; add --overwrite to begin again"
            ) from error
        if self._publishing_path.is_file():
            return outcomes
        return [outcome for outcome in outcomes if not outcome.rule]

    def append(self, outcomes: list[Outcome]) -> None:
        """Notes a finished chunk; its crops must be written."""
        with names_file(self._lines_path), self._lines_path.open("a") as lines:
            lines.write(json.dumps(outcomes) + "\n")

    def same_pictures(self) -> bytes | None:
        """What `begin_publishing` was given by an earlier run."""
        return self._publishing_path.read_bytes() if self._publishing_path.is_file() else None

    def begin_publishing(self, same_pictures: bytes) -> None:
        """Removes an earlier result that is replaced; from now on the crops are not all here.

        Args:
            same_pictures: what was found by looking at all crops; a run that continues needs it.

        Raises:
            InputError: something has been put into the folder that is not the preparation's.
        """
        replaced = earlier_arguments(self._replaced_path)
        if replaced is not None:
            refuse_foreign_files(self.output_dir, replaced)
        write_whole(self._publishing_path, same_pictures)
        if replaced is not None:
            remove_outputs(self.output_dir, replaced)
            self._replaced_path.unlink()

    def publish(self, crop_name: str, final_path: str) -> None:
        """Moves a crop to its final place, unless an earlier run has."""
        try:  # without `pathlib`, which would take longer than the move
            os.rename(f"{self.crop_dir}/{crop_name}", final_path)  # noqa: PTH104
        except FileNotFoundError:
            if not Path(final_path).is_file():
                raise InputError(
                    f"{self.crop_dir / crop_name}: was removed; add --overwrite to begin again"
                ) from None

    def publish_folder(self, name: str) -> None:
        """Moves a folder that this or an earlier run has made beside the crops, if it has."""
        if (self.folder / name).is_dir():
            (self.folder / name).rename(self.output_dir / name)

    def finish(self, report: dict[str, Any]) -> None:
        """Writes the report, which marks the preparation as finished, and clears up."""
        write_whole(self.output_dir / REPORT_NAME, json.dumps(report, indent=2) + "\n")
        shutil.rmtree(self.folder)


def _lock(output_dir: Path, folder: Path) -> TextIO:
    """Takes the folder for this process, until the file is closed or the process ends."""
    lock = locked(folder / "lock")
    if lock is None:
        raise InputError(f"{output_dir}: another run is preparing it now")
    return lock


def _differences(
    before: dict[str, Any], now: dict[str, Any], defaults: dict[str, Any]
) -> list[str]:
    """What is told otherwise now, a text each; an argument that one side lacks had its default."""
    differences = []
    for name in before | now:
        was, told = (given.get(name, defaults.get(name)) for given in (before, now))
        if was != told and NOT_KNOWN not in (was, told):
            differences.append(f"{name} was {was}, is {told}")
    return differences
