"""The trials: which values come next, one notebook for each, what comes of it."""

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imdb_wiki.errors import InputError
from imdb_wiki.results.runs import HISTORY_FILE, at_work_in, read_history, saved_epoch
from imdb_wiki.sweep.measures import Measure
from imdb_wiki.sweep.notebook import Notebook, TrialError, execute
from imdb_wiki.sweep.space import Space
from imdb_wiki.sweep.storage import STORAGE_FILE, opened_study

if TYPE_CHECKING:
    import optuna

TRIALS_DIR = "trials"
# A kernel sees at most a second later that the command which started it was killed.
_KERNEL_END_SECONDS = 30


class Sweep(NamedTuple):
    """All that decides a sweep."""

    prepared_dirs: list[str]
    run_dir: Path
    space: Space
    measure: Measure
    trials: int  # at most, those of earlier commands in this folder included
    seed: int  # of what is tried; the notebook's SEED is another
    notebook: Notebook


class Trial(NamedTuple):
    """A finished trial."""

    number: int  # from 1
    values: dict[str, Any]  # of the varied constants
    measured: float | None  # None: it has failed
    best_epoch: int | None  # from 1
    minutes: float
    reason: str  # why it has failed, or which trial had the same values


def run_trials(
    sweep: Sweep, began: Callable[[int, dict[str, Any]], None] = lambda *_: None
) -> Generator[list[Trial]]:
    """Runs the trials that are not finished yet.

    A trial is half-done if the process was killed: its values are kept, and it runs again.

    Args:
        sweep: What decides it.
        began: Is called with a trial's number and values when it begins.

    Yields:
        All finished trials: those that were there, then after each further one.

    Raises:
        InputError: The folder holds another sweep, or another process is at work there; or the
            kernel does not start.
        OSError: A file cannot be written.
    """
    path = sweep.run_dir / STORAGE_FILE
    with (
        at_work_in(sweep.run_dir),
        opened_study(path, sweep.measure.direction, _plan(sweep)) as study,
    ):
        yield (done := _finished(study))
        while (trial := _next(study, sweep)) is not None:
            values = {
                name: values.suggested(trial, name) for name, values in sweep.space.varied.items()
            }
            trial.set_user_attr("values", values)
            began(trial.number + 1, values)
            _finish(study, trial, _outcome(sweep, trial.number + 1, values, done))
            yield (done := _finished(study))


def _plan(sweep: Sweep) -> dict[str, Any]:
    return {
        "--measure": sweep.measure.column,
        "--vary": {name: values.text() for name, values in sweep.space.varied.items()},
        "--set": sweep.space.fixed,
        "--seed": sweep.seed,
        "other faces:": {str(Path(d)): _digest(Path(d)) for d in sweep.prepared_dirs},
        "other constants in the notebook:": {
            name: sweep.notebook.constants[name]
            for name in sweep.notebook.constants
            if name in sweep.notebook.deciding
        },
    }


def _digest(prepared_dir: Path) -> str:
    """Some digits that say which faces are learnt from and validated on."""
    tables = (prepared_dir / f"{split}.csv" for split in ("train", "val"))
    return hashlib.sha256(b"\0".join(table.read_bytes() for table in tables)).hexdigest()[:8]


def _next(study: "optuna.study.Study", sweep: Sweep) -> "optuna.trial.Trial | None":
    """The half-done trial, or a new one; None when there are enough, or nothing else to try."""
    import optuna

    begun = study.get_trials(states=[optuna.trial.TrialState.RUNNING])
    waiting = study.get_trials(states=[optuna.trial.TrialState.WAITING])
    number = begun[0].number if begun else len(study.trials) - len(waiting)
    if number >= sweep.trials and not begun:
        return None
    # One seed a trial: a sweep that was stopped goes on as it would have without that. A single
    # seed would begin its numbers anew, and the first values again.
    seeds = np.random.SeedSequence([sweep.seed, number])
    study.sampler = optuna.samplers.TPESampler(seed=int(seeds.generate_state(1)[0]))
    if begun:
        return optuna.trial.Trial(study, begun[0]._trial_id)
    if not waiting and sweep.space.size <= sweep.trials:  # few: each of them once
        tried = [one.user_attrs["values"] for one in study.trials]
        every = sweep.space.combinations()
        order = np.random.default_rng(sweep.seed).permutation(len(every))
        left = [every[place] for place in order if every[place] not in tried]
        if not left:
            return None
        study.enqueue_trial(
            {name: sweep.space.varied[name].key_of(value) for name, value in left[0].items()}
        )
    return study.ask()


def _outcome(sweep: Sweep, number: int, values: dict[str, Any], done: list[Trial]) -> Trial:
    """Runs a trial, or takes one with the same values: on a CPU it would come out the same."""
    same = next((one for one in done if one.values == values), None)
    if same:
        reason = ": ".join(filter(None, [f"same values as trial {same.number}", same.reason]))
        return same._replace(number=number, minutes=0.0, reason=reason)
    folder = sweep.run_dir / TRIALS_DIR / f"{number:03}"
    _remove(folder)
    folder.mkdir(parents=True)
    started_seconds = time.monotonic()
    measured, best_epoch, reason = None, None, ""
    try:
        constants = {
            **sweep.space.fixed,
            **values,
            "PREPARED_DIRS": list(sweep.prepared_dirs),
            "RUN_DIR": str(folder),
            "IF_RUN_DIR_IS_TAKEN": "refuse",
            "RESULTS_CSV": "",
            "READ_TEST_SPLIT": False,
        }
        execute(sweep.notebook, constants, folder / "notebook.ipynb")
        measured, best_epoch = _measured(folder, sweep.measure)
    except TrialError as error:
        reason = str(error)
    minutes = (time.monotonic() - started_seconds) / 60
    return Trial(number, values, measured, best_epoch, minutes, reason)


def _measured(folder: Path, measure: Measure) -> tuple[float, int]:
    """The measure of the epoch that `model.keras` holds, and its number from 1."""
    history = read_history(folder / HISTORY_FILE)
    best = saved_epoch(folder, history)
    if measure.column not in best:
        raise TrialError(f"its {HISTORY_FILE} has no column {measure.column}")
    if not math.isfinite(best[measure.column]):
        raise TrialError(f"its {measure.column} is NaN or infinite")
    return float(best[measure.column]), int(best["epoch"]) + 1


def _remove(folder: Path) -> None:
    """Removes what a half-done trial has left, once its kernel has seen that it is alone."""
    if not folder.exists():
        return
    given_up_seconds = time.monotonic() + _KERNEL_END_SECONDS
    while True:
        try:
            with at_work_in(folder):
                break
        except InputError:
            if time.monotonic() > given_up_seconds:
                raise
            time.sleep(0.2)
    shutil.rmtree(folder)


def _finish(study: "optuna.study.Study", trial: "optuna.trial.Trial", outcome: Trial) -> None:
    import optuna

    trial.set_user_attr("best_epoch", outcome.best_epoch)
    trial.set_user_attr("minutes", outcome.minutes)
    trial.set_user_attr("reason", outcome.reason)
    if outcome.measured is None:
        # Optuna learns nothing of FAIL; it takes a pruned trial for worse than all others, and
        # looks elsewhere.
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, outcome.measured)


def _finished(study: "optuna.study.Study") -> list[Trial]:
    return [
        Trial(
            number=one.number + 1,
            values=one.user_attrs["values"],
            measured=one.value,
            best_epoch=one.user_attrs["best_epoch"],
            minutes=one.user_attrs["minutes"],
            reason=one.user_attrs["reason"],
        )
        for one in study.trials
        if one.state.is_finished()
    ]


def best_of(trials: list[Trial], measure: Measure) -> Trial | None:
    """The best trial, the first of several; None if all have failed."""
    done = [one for one in trials if one.measured is not None]
    sign = -1 if measure.is_better_higher else 1
    return min(done, key=lambda one: sign * (one.measured or 0.0), default=None)
