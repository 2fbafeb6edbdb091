"""Finds what the files of a folder define: a new data set or network is one new file there."""

import importlib
import pkgutil
from typing import Protocol, TypeVar


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def help(self) -> str: ...


Kind = TypeVar("Kind", bound=_Named)


def found_in(package: str, kind: type[Kind]) -> dict[str, Kind]:
    """Collects all objects of a kind that a package's modules define.

    Args:
        package: Such as `imdb_wiki.datasets`.
        kind: A class whose objects have a `name` and a `help`.

    Returns:
        The objects by name, in alphabetical order.

    Raises:
        ValueError: Two modules define objects of one name.
    """
    found: dict[str, Kind] = {}
    folder = importlib.import_module(package).__path__
    for module in pkgutil.iter_modules(folder):
        for thing in vars(importlib.import_module(f"{package}.{module.name}")).values():
            if isinstance(thing, kind) and found.setdefault(thing.name, thing) is not thing:
                raise ValueError(f"{package}: two files define {thing.name!r}")
    return dict(sorted(found.items()))


def help_of(found: dict[str, Kind]) -> str:
    """What an option's help says of the objects of `found_in`: each name, and what it is."""
    return "; ".join(f"{name}: {thing.help}" for name, thing in found.items())
