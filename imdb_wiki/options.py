"""Dataclasses whose fields are options: default, range, unit and help are said in one place.

A command line's arguments are made from the fields, and the same ranges are checked when such an
object is made in Python, so that a notebook meets a wrong number as early as a command does.
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from imdb_wiki.command import whole_number, yes_or_no
from imdb_wiki.errors import InputError

# In pixels, of a network's images; more is a mistake, and would be noticed only in a full memory.
MAX_IMAGE_SIDE = 2048
REQUIRED = dataclasses.MISSING  # as an option's default: it must be given


def switch(text: str) -> bool:
    """An option's kind: on a command line its name alone turns it on."""
    return text == "True"


def option(
    default: Any,
    kind: Callable[[str], Any],
    unit: str,
    help: str,
    group: str,
    default_text: str | None = None,
    several: bool = False,
    is_text: bool = False,
) -> Any:
    """Makes a field of a dataclass that is an option of a command, too.

    Args:
        default: The field's value unless another is given; `REQUIRED` for none.
        kind: Reads a text and checks its range, e.g. `command.number(0, 1)`; `Path`, or `switch`.
        unit: What the value is counted in, in capitals as help shows it: PIXELS, YEARS, SHARE.
        help: What it decides, without unit and default.
        group: The heading under which help lists it.
        default_text: How help says the default, where the value itself does not say it.
        several: Whether the value is a tuple, of one or more of `kind`.
        is_text: Whether the value is a text or a path, where the default does not show that; it may
            be None if that is the default.
    """
    about = {
        "kind": kind,
        "unit": unit,
        "help": help,
        "group": group,
        "default_text": default_text,
        "several": several,
        "is_text": is_text or kind is Path,
    }
    return dataclasses.field(default=default, metadata=about)


def _options_of(kind: type) -> Iterable[dataclasses.Field]:
    return (field for field in dataclasses.fields(kind) if "kind" in field.metadata)


def add_options(parser: argparse.ArgumentParser, kind: type) -> None:
    """Adds an argument for each field made by `option`, under its group's heading.

    Args:
        parser: Gets the arguments.
        kind: The dataclass.
    """
    groups = {}
    for field in _options_of(kind):
        about, default = field.metadata, field.default
        if about["group"] not in groups:
            groups[about["group"]] = parser.add_argument_group(about["group"])
        text = about["help"]
        if about["default_text"]:  # of several values, or of what other options say
            text, default = f"{text} (default: {about['default_text']})", None
        add = groups[about["group"]].add_argument
        if about["kind"] is switch:
            add(f"--{field.name}", action="store_true", help=text)
            continue
        add(
            f"--{field.name}",
            type=about["kind"],
            nargs="+" if about["several"] else None,
            default=None if default is REQUIRED else default,
            required=default is REQUIRED,
            metavar=about["unit"],
            help=text,
        )


def chosen_options(kind: type, options: dict) -> dict:
    """Picks a dataclass's fields out of what a parser read; what was not given keeps its default.

    Args:
        kind: The dataclass.
        options: `vars()` of the parser's answer.
    """
    values = {field.name: options[field.name] for field in _options_of(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def read_options(instance: Any) -> None:
    """Checks each field made by `option` and turns it into the plain number or text that it means.

    Call it in `__post_init__`. A NumPy number or a path becomes what JSON can hold.

    Args:
        instance: An object of a dataclass, which may be frozen.

    Raises:
        InputError: A value is of another type or out of its range; the message names the field.
    """
    for field in _options_of(type(instance)):
        value, about = getattr(instance, field.name), field.metadata
        is_text = isinstance(field.default, str) or about["is_text"]
        if value is None and about["is_text"] and field.default is None:
            continue  # it was not given, and nothing else says it
        read = read_values if about["several"] else read_value
        value = read(field.name, value, about["kind"], is_text)
        object.__setattr__(instance, field.name, value)


def read_value(name: str, value: Any, kind: Callable[[str], Any], is_text: bool = False) -> Any:
    """Checks a value that was given in Python as it would be checked on a command line.

    Args:
        name: What the message calls it, e.g. the keyword.
        value: The value; a text that holds a number is none.
        kind: Reads a text and checks its range, e.g. `command.number(0, 1)`.
        is_text: Whether a text is wanted and not a number.

    Returns:
        The plain number or text that it means.

    Raises:
        InputError: It is of another type or out of its range.
    """
    try:
        if is_text != isinstance(value, str | PathLike):
            raise ValueError
        if kind is yes_or_no and value in (False, True):
            value = int(value)
        if kind is Path:
            return Path(value)
        return kind(str(value))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{name}: {error}") from error
    except ValueError as error:
        wanted = "text" if is_text else kind.__name__
        raise InputError(f"{name}: {value!r} is not a {wanted}") from error


def read_values(
    name: str, values: Any, kind: Callable[[str], Any], is_text: bool = False
) -> tuple[Any, ...]:
    """Checks a list or tuple of at least one value, each as `read_value` does.

    Raises:
        InputError: It is no list, or a value is wrong.
    """
    if not isinstance(values, list | tuple) or not values:
        raise InputError(f"{name}: {values!r} is no list of values")
    return tuple(read_value(name, value, kind, is_text) for value in values)


def read_image_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Checks an image size that was given in Python.

    Args:
        image_size: Side of the square image in pixels, or (height, width).

    Returns:
        (height, width).

    Raises:
        InputError: It is neither, or a side is out of its range.
    """
    sides = image_size if isinstance(image_size, list | tuple) else [image_size] * 2
    sides = read_values("image_size", sides, whole_number(1, MAX_IMAGE_SIDE))
    if len(sides) != 2:
        raise InputError(f"image_size: {image_size!r} is neither a side nor (height, width)")
    return sides
