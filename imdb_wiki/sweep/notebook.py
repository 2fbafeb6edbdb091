"""The notebook as a sweep needs it: its constants, and all of it up to the end of the training."""

import ast
import contextlib
import errno
import json
import logging
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json, write_whole
from imdb_wiki.tensorflow_start import quiet_tensorflow

NOTEBOOK = Path(__file__).parents[2] / "imdb_wiki_gpu.ipynb"
CONSTANTS_TAG, TRAINED_TAG = "parameters", "trained"
_START_SECONDS = (
    300  # a kernel may take; a machine that does other work needs more than papermill's 60
)


class TrialError(Exception):
    """A trial has failed by its constants; the message says why, in one line."""


class Notebook(NamedTuple):
    """What a sweep reads of the notebook."""

    constants: dict[str, Any]  # by name, in the order of their cell
    deciding: set[str]  # the names of those that are used until the training has ended
    cut: dict  # the notebook without the cells that follow the training


def read_notebook(path: Path = NOTEBOOK) -> Notebook:
    """Reads the notebook's constants and cuts it after its training.

    Raises:
        InputError: It has been changed so that the constants or the training are not found.
        OSError: It cannot be read.
    """
    try:
        content = parse_json(path.read_bytes())
        tags = [cell["metadata"].get("tags", []) for cell in content["cells"]]
        first, last = (
            next(number for number, tagged in enumerate(tags) if tag in tagged)
            for tag in (CONSTANTS_TAG, TRAINED_TAG)
        )
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path} has no cell tagged {CONSTANTS_TAG!r} or none tagged {TRAINED_TAG!r}"
        ) from error
    cells = content["cells"][: last + 1]
    sources = ["".join(cell["source"]) for cell in cells]
    try:
        constants = {
            statement.targets[0].id: ast.literal_eval(statement.value)
            for statement in ast.parse(sources[first]).body
        }
    except (ValueError, SyntaxError, AttributeError) as error:
        raise InputError(f"{path}: its cell of constants holds more than NAME = value") from error
    code = [
        source
        for number, (cell, source) in enumerate(zip(cells, sources, strict=True))
        if cell["cell_type"] == "code" and number != first
    ]
    used = set(re.findall(r"[A-Z]\w+", "\n".join(code)))
    return Notebook(constants, used & set(constants), {**content, "cells": cells})


def execute(notebook: Notebook, constants: dict[str, Any], executed_path: Path) -> None:
    """Executes the cut notebook in a kernel of its own, by papermill.

    The kernel ends with this process, however that ends.

    Args:
        notebook: The notebook.
        constants: Those that differ from the notebook's own.
        executed_path: Where the executed copy is written, in a folder that exists.

    Raises:
        TrialError: A cell has failed, or the kernel was killed.
        InputError: The kernel cannot be started.
        OSError: The disk is full.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    for name in ("papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    cut_path = executed_path.with_name("cut.ipynb")
    write_whole(cut_path, json.dumps(notebook.cut))
    try:
        with quiet_tensorflow():  # what the kernel writes there is not for the terminal
            papermill.execute_notebook(
                _literally(cut_path),
                _literally(executed_path),
                constants,
                kernel_name="python3",
                progress_bar=False,
                start_timeout=_START_SECONDS,
            )
    except papermill.PapermillExecutionError as error:
        why = next(iter(str(error.evalue).strip().splitlines()), "")
        if os.strerror(errno.ENOSPC) in why:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(executed_path)) from error
        said = [why] if error.ename == "InputError" else [error.ename, why]
        raise TrialError(": ".join(filter(None, said))) from error
    except DeadKernelError as error:
        raise TrialError("its process was killed: perhaps the memory was full") from error
    except (NoSuchKernel, RuntimeError, TimeoutError) as error:
        raise InputError(f"the notebook's kernel does not start: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            cut_path.unlink()


def _literally(path: Path) -> str:
    """A path for papermill, which puts parameters in the place of their names in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
