"""Dataclasses whose fields are options: default, range, unit and help are said in one place.

A command line's arguments are made from the fields, and the same ranges are checked when such an
object is made in Python, so that a notebook meets a wrong number as early as a command does.
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

from imdb_wiki.errors import InputError


def option(
    default: Any,
    kind: Callable[[str], Any],
    unit: str,
    help: str,
    group: str,
    default_text: str | None = None,
    several: bool = False,
) -> Any:
    """Makes a field of a dataclass that is an option of a command, too.

    Args:
        default: The field's value unless another is given.
        kind: Reads a text and checks its range, e.g. `command.number(0, 1)`.
        unit: What the value is counted in, in capitals as help shows it: PIXELS, YEARS, SHARE.
        help: What it decides, without unit and default.
        group: The heading under which help lists it.
        default_text: How help says the default, where the value itself does not say it.
        several: Whether the value is a tuple, of one or more of `kind`.
    """
    about = {
        "kind": kind,
        "unit": unit,
        "help": help,
        "group": group,
        "default_text": default_text,
        "several": several,
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
        groups[about["group"]].add_argument(
            f"--{field.name}",
            type=about["kind"],
            nargs="+" if about["several"] else None,
            default=default,
            metavar=about["unit"],
            help=text,
        )


def chosen_options(kind: type, options: dict) -> dict:
    """Picks a dataclass's fields out of what a parser read; what nobody gave keeps its default.

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
        value = getattr(instance, field.name)
        if field.metadata["several"]:
            if not isinstance(value, list | tuple) or not value:
                raise InputError(f"{field.name}: {value!r} is no list of values")
            read = tuple(_read(field, one) for one in value)
        else:
            read = _read(field, value)
        object.__setattr__(instance, field.name, read)


def _read(field: dataclasses.Field, value: Any) -> Any:
    kind = field.metadata["kind"]
    is_text = isinstance(field.default, str)
    try:
        if is_text != isinstance(value, str | PathLike):
            raise ValueError
        if isinstance(field.default, bool) and value in (False, True):
            value = int(value)
        return kind(str(value))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{field.name}: {error}") from error
    except ValueError as error:
        wanted = "text" if is_text else kind.__name__
        raise InputError(f"{field.name}: {value!r} is not a {wanted}") from error
