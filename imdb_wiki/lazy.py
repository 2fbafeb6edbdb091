"""Names of a package that are imported when they are first used.

`python -m imdb_wiki.evaluation` imports the package before its first line runs. If the package
imported TensorFlow or pandas there, Ctrl-C in those seconds would end with a traceback.
"""

import importlib
from collections.abc import Callable
from typing import Any


def lazy_names(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Makes a package's `__getattr__` (https://peps.python.org/pep-0562/).

    Args:
        package: Its `__name__`.
        modules: For each module, relative to `imdb_wiki`, the names that it gives, in one text.
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"imdb_wiki.{module_of[name]}"), name)

    return find
