"""Reads a chain of trainings: which prepared folders, which steps, what each starts from."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json
from imdb_wiki.training.compact.recipe import Augmentation, Recipe

MOST_BYTES = 1_000_000
# As `start_from` or `teacher` in a file: the network of that step, or of one by its number.
BEFORE, NUMBERED = "the step before", re.compile(r"step (\d{1,6})")
OTHER_NETWORKS = ("start_from", "teacher")


@dataclasses.dataclass(frozen=True)
class Step:
    """One training of a chain."""

    folders: tuple[str, ...]  # prepared folders
    options: dict[str, Any]  # of `Recipe`, without those that follow from the chain
    left_out: str = ""  # list of faces that are not read, `left_out.csv` of an audit; "" for none

    def recipe(self, before: Sequence[str]) -> Recipe:
        """The training's recipe.

        Args:
            before: The files of all steps before.

        Raises:
            InputError: A number is out of its range, two of them contradict each other, or a step
                is named that is not before this one.
        """
        options = dict(self.options)
        for name in OTHER_NETWORKS:
            value = options.get(name)
            numbered = _numbered(value)
            if value != BEFORE and not numbered:
                continue
            place = int(numbered[1]) if numbered else len(before)
            if not 1 <= place <= len(before):
                raise InputError(f"{name}: {value!r} names none of the steps before this one")
            options[name] = before[place - 1]
        augmentation = Augmentation(**options.pop("augmentation", {}))
        return Recipe(**options, augmentation=augmentation)

    @property
    def files(self) -> dict[str, str]:
        """Files of networks from elsewhere, by what they are for: `start_from` or `teacher`."""
        named = {name: self.options.get(name, "") for name in OTHER_NETWORKS}
        return {
            name: value
            for name, value in named.items()
            if value not in ("", BEFORE) and not _numbered(value)
        }


@dataclasses.dataclass(frozen=True)
class Chain:
    """All steps of a chain, and the folders whose validation splits calibrate its result."""

    steps: tuple[Step, ...]
    calibrate_on: tuple[str, ...]


def read_chain(path: Path) -> Chain:
    """Reads a chain's file and checks all of it.

    It is JSON: `data`, folders by name; `steps`, each with `data` (a share by folder's name),
    perhaps `left_out` (the path of a list of faces that are not read) and fields of `Recipe`, whose
    `start_from` and `teacher` may be "the step before" or "step 3"; `calibrate_on`, names of
    folders (all of the last step's if absent).

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read, or says something that is not known; the message names it.
    """
    content = _read(path)
    _refuse_unknown(path, content, {"about", "data", "steps", "calibrate_on"})
    places = content.get("data")
    if not isinstance(places, dict) or not places or not all(map(_is_text, places.values())):
        raise InputError(f"{path}: data is not a list of prepared folders by name")
    listed = content.get("steps")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path}: it has no steps")
    steps = tuple(_step(path, number, step, places) for number, step in enumerate(listed, start=1))
    names = content.get("calibrate_on", list(listed[-1]["data"]))
    if not isinstance(names, list) or not names:
        raise InputError(f"{path}: calibrate_on names no folders")
    return Chain(steps, _places(f"{path}, calibrate_on", names, places))


def _read(path: Path) -> dict:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: too large for a chain of trainings")
        content = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a chain of trainings")
    return content


def _step(path: Path, number: int, step: Any, places: dict) -> Step:
    where = f"{path}, step {number}"
    if not isinstance(step, dict) or not isinstance(step.get("data"), dict) or not step["data"]:
        raise InputError(f"{where}: data is not the share of each folder, by its name")
    given = {name: value for name, value in step.items() if name not in ("about", "data")}
    fields = {field.name for field in dataclasses.fields(Recipe)} - {"folder_shares"}
    _refuse_unknown(where, given, fields | {"left_out"})
    if "left_out" in given and not _is_text(given["left_out"]):
        raise InputError(f"{where}: left_out: {given['left_out']!r} is not the path of a list")
    left_out = given.pop("left_out", "")
    if "augmentation" in given:
        if not isinstance(given["augmentation"], dict):
            raise InputError(f"{where}: augmentation is not numbers by name")
        known = {field.name for field in dataclasses.fields(Augmentation)}
        _refuse_unknown(where, given["augmentation"], known)
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    shares = tuple(step["data"].values())
    folders = _places(where, step["data"], places)
    made = Step(folders, {**given, "folder_shares": shares}, left_out)
    try:
        made.recipe([f"step {before}.keras" for before in range(1, number)])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return made


def _places(where: str, names: Iterable, places: dict[str, str]) -> tuple[str, ...]:
    folders = []
    for name in names:
        if not isinstance(name, str) or name not in places:
            raise InputError(f"{where}: no folder is called {name!r}, only {', '.join(places)}")
        if places[name] in folders:  # which would be found out after the steps before
            raise InputError(f"{where}: {places[name]} is named twice")
        folders.append(places[name])
    return tuple(folders)


def _refuse_unknown(where: object, given: dict, known: set[str]) -> None:
    unknown = sorted(given.keys() - known)
    if unknown:
        raise InputError(f"{where}: {unknown[0]} is not known, only {', '.join(sorted(known))}")


def _numbered(value: object) -> re.Match | None:
    return NUMBERED.fullmatch(value) if isinstance(value, str) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
