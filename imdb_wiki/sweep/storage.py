"""The trials of a sweep, kept by Optuna in a file from which the same command goes on."""

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.sweep.space import value_text

if TYPE_CHECKING:
    import optuna

STORAGE_FILE = "sweep.db"
_STUDY_NAME, _PLAN = "sweep", "plan"
_WAIT_SECONDS = 60  # for another process that reads the file, such as a dashboard


@contextlib.contextmanager
def opened_study(
    path: Path, direction: Literal["minimize", "maximize"], plan: dict[str, Any]
) -> Generator["optuna.study.Study"]:
    """Opens a sweep's trials, or begins with none.

    Args:
        path: The SQLite file; its folder exists.
        direction: `minimize` or `maximize`.
        plan: All that decides the trials, as JSON can hold it; by what a message calls it.

    Yields:
        Optuna's study.

    Raises:
        InputError: The file is damaged or cannot be written; or it holds a sweep with another plan,
            the message says what differs.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        study = _study(path, direction)
        _take_plan(study, plan, path.parent)
        yield study
    except optuna.exceptions.StorageInternalError as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise InputError(f"{path}: {first_line(cause)}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise InputError(f"{path}: {first_line(error)}") from error


def _study(path: Path, direction: Literal["minimize", "maximize"]) -> "optuna.study.Study":
    import optuna

    # The path itself goes past the address, in which some signs have a meaning.
    connect = {"creator": lambda: sqlite3.connect(path, _WAIT_SECONDS, check_same_thread=False)}
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{STORAGE_FILE}", connect)
    except RuntimeError as error:  # written by another version of Optuna
        raise InputError(f"{path}: {first_line(error)}") from error
    return optuna.create_study(
        storage=storage, study_name=_STUDY_NAME, direction=direction, load_if_exists=True
    )


def _take_plan(study: "optuna.study.Study", plan: dict[str, Any], run_dir: Path) -> None:
    """Notes what decides the trials, or compares it with what was noted."""
    noted = study.user_attrs.get(_PLAN)
    if noted is None and not study.trials:
        study.set_user_attr(_PLAN, plan)
        return
    noted = noted if isinstance(noted, dict) else {}
    for name, value in plan.items():
        if noted.get(name) != value:
            raise InputError(
                f"{run_dir} holds a sweep with {_difference(name, noted.get(name), value)}: name "
                "another folder, or repeat that sweep's command"
            )


def _difference(name: str, noted: Any, now: Any) -> str:
    """Says what was noted where it differs."""
    if not isinstance(noted, dict) or not isinstance(now, dict):
        return f"{name} {noted}"
    texts = [f"{key}={value_text(value)}" for key, value in noted.items() if now.get(key) != value]
    texts += [f"no {key}" for key in now if key not in noted]
    return f"{name} {' '.join(texts)}"
