"""Several processes, on one machine or several, that train one network together, with JAX.

Whoever starts them (SLURM, Kubernetes, a person) says in their environment how many they are, and
JAX brings them together. Each reads its share of every batch; the first one writes all files.
"""

import contextlib
import dataclasses
import os
import platform
import re
import signal
import sys
import tempfile
import threading
import traceback
import zlib
from collections.abc import Callable, Generator, Mapping
from importlib import metadata
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np

from imdb_wiki import OTHER_KERAS_BACKEND
from imdb_wiki.command import first_line, says_errors_in_one_line, tell
from imdb_wiki.errors import InputError, StoppedError

# What a person sets, or a line in a Kubernetes manifest; JAX itself reads the first one only.
BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# What `srun` sets, and JAX reads.
_BY_SLURM = (
    *("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"),
    *("SLURM_JOB_ID", "SLURM_STEP_NODELIST"),
)
# How long a process waits for the others when it starts, as JAX does: nodes may start one by one.
START_SECONDS = 300
_JOINED = b"all processes are there\n"  # in the log of the process that computes
_PARTNER_IS_LOST = re.compile(
    r"gloo|nccl|distributed service|coordination|connection (closed|reset)|heartbeat", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True)
class Share:
    """Which part of each batch is a process's: all parts have the same size, in their order."""

    index: int = 0  # of the process, from 0
    count: int = 1  # of all processes


WHOLE = Share()  # one process, which reads all


class Place(NamedTuple):
    """Where this process stands among those that train together."""

    address: str | None  # HOST:PORT of the first one; None if JAX asks SLURM for it
    share: Share


def place_in_environment() -> Place | None:
    """Reads from the environment how many processes train together.

    Returns:
        This one's place; None if there is one process only.

    Raises:
        InputError: The environment says only half of it, or something that cannot be.
    """
    by_hand = {name: os.environ.get(name, "").strip() for name in BY_HAND}
    by_slurm = all(name in os.environ for name in _BY_SLURM)
    if by_slurm:
        by_hand["JAX_NUM_PROCESSES"] = by_hand["JAX_NUM_PROCESSES"] or os.environ["SLURM_NTASKS"]
        by_hand["JAX_PROCESS_ID"] = by_hand["JAX_PROCESS_ID"] or os.environ["SLURM_PROCID"]
    address, *numbers = by_hand.values()
    if not any(by_hand.values()) or numbers[0] == "1":
        return None
    missing = [name for name, value in by_hand.items() if not value]
    if missing and not (by_slurm and missing == [BY_HAND[0]]):
        raise InputError(f"several processes need {' and '.join(missing)} as well")
    if not all(number.isdecimal() for number in numbers) or int(numbers[1]) >= int(numbers[0]):
        raise InputError(
            f"process {numbers[1]} of {numbers[0]}: JAX_PROCESS_ID is a whole number from 0 to "
            "one less than JAX_NUM_PROCESSES"
        )
    if address and not re.fullmatch(r".+:\d+", address):
        raise InputError(f"JAX_COORDINATOR_ADDRESS is {address!r}, not HOST:PORT")
    return Place(address or None, Share(int(numbers[1]), int(numbers[0])))


def is_alone() -> bool:
    """Whether the environment says nothing of other processes that train with this one."""
    return place_in_environment() is None


def join() -> None:
    """Waits for the other processes, where there are several; before JAX computes anything.

    Raises:
        InputError: JAX cannot start; if it is the others that do not come, it ends this process
            itself, which `in_own_process` puts into words.
    """
    place = place_in_environment()
    import jax

    if place is None or jax.distributed.is_initialized():
        return
    # It would catch the SIGTERM with which SLURM and Kubernetes end a process, and train on.
    jax.config.update("jax_enable_preemption_service", False)
    by_slurm = all(name in os.environ for name in _BY_SLURM) and not os.environ.get(BY_HAND[2])
    try:
        jax.distributed.initialize(
            place.address,
            place.share.count,
            place.share.index,
            cluster_detection_method="slurm" if by_slurm else "deactivate",
            initialization_timeout=START_SECONDS,
        )
    except (RuntimeError, ValueError) as error:  # the port is taken, for example
        where = place.address or "the job's first node"
        raise InputError(
            f"{_name(place)} cannot start at {where}, whose port may be taken: {first_line(error)}"
        ) from error
    os.write(2, _JOINED)


def share() -> Share:
    """Which part of each batch this process reads."""
    import keras

    if keras.config.backend() != "jax":
        return WHOLE
    import jax

    return Share(jax.process_index(), jax.process_count())


def is_first() -> bool:
    """Whether this process writes the files: the only one, or the first of several."""
    return share().index == 0


def wait_for_all(where: str) -> None:
    """Returns when all processes are at the same point; at once if there is one only."""
    if share().count > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(where)


def rows_of_all(rows: np.ndarray) -> np.ndarray:
    """Puts the rows that each process has, of any number, one process after the other."""
    if share().count == 1:
        return rows
    from jax.experimental import multihost_utils

    counts = multihost_utils.process_allgather(np.array([len(rows)])).ravel()
    padding = [(0, max(counts) - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    of_all = multihost_utils.process_allgather(np.pad(rows, padding))
    return np.concatenate([part[:count] for part, count in zip(of_all, counts, strict=True)])


def refuse_differences(facts: Mapping[str, object]) -> None:
    """Refuses to train where the processes see different things, or have different versions.

    Args:
        facts: What must be the same in all of them, by a name that a person understands.

    Raises:
        InputError: Something differs; raised in all processes.
    """
    own = share()
    if own.count == 1:
        return
    from jax.experimental import multihost_utils

    versions = {name: metadata.version(name) for name in ("jax", "keras", "tensorflow")}
    facts = {f"its version of {name}": of for name, of in versions.items()} | dict(facts)
    numbers = [zlib.crc32(repr(fact).encode(errors="replace")) for fact in facts.values()]
    of_all = multihost_utils.process_allgather(np.array(numbers, "uint32"))  # (processes, facts)
    for number, name in enumerate(facts):
        others = np.flatnonzero(of_all[:, number] != of_all[0, number])
        if len(others):
            raise InputError(
                f"process {others[0]} of {own.count} differs from process 0 in {name}; in process "
                f"{own.index} it is {str(facts[name])[:200]}"
            )


@contextlib.contextmanager
def all_or_none() -> Generator[None]:
    """Lets an error of one process end all of them, each with the same line.

    For what is done before or after the training's steps; all must come here.

    Raises:
        InputError: Another process has failed.
    """
    try:
        yield
    except (InputError, OSError) as error:
        _refuse_if_one_failed(first_line(error))
        raise
    _refuse_if_one_failed("")


def _refuse_if_one_failed(line: str) -> None:
    own = share()
    if own.count == 1:
        return
    from jax.experimental import multihost_utils

    text = np.zeros(1000, "uint8")  # bytes of a line; the rest of a longer one is left out
    sent = f"on {platform.node()}: {line}" if line else ""
    content = sent.encode(errors="backslashreplace")[: len(text)]
    text[: len(content)] = np.frombuffer(content, "uint8")
    of_all = multihost_utils.process_allgather(text)  # (processes, 1000)
    if line:
        return
    for number, of_one in enumerate(of_all):
        if of_one.any():
            said = of_one.tobytes().rstrip(b"\0").decode(errors="replace")
            raise InputError(f"process {number} of {own.count}, {said}")


@contextlib.contextmanager
def lost_process_named() -> Generator[None]:
    """Turns JAX's error for a process that has gone into one that says how to go on.

    Raises:
        StoppedError: Another process has ended, or cannot be reached any more.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        own = share()
        is_ours = isinstance(error, InputError)
        if own.count == 1 or is_ours or not _PARTNER_IS_LOST.search(str(error)):
            raise
        raise StoppedError(_lost(own)) from error


def _lost(own: Share) -> str:
    return (
        f"process {own.index} of {own.count}: another process has ended, whose own line says why; "
        "the same command, in all processes, goes on after the last whole epoch"
    )


def _name(place: Place) -> str:
    return f"process {place.share.index} of {place.share.count}"


def in_own_process(work: Callable[[], int]) -> int:
    """Does a command's work; if several processes train together, in a child of this one.

    JAX ends a process whose partner is lost from inside and writes pages of its log. So this
    process only waits, and says in one line how the other one has ended. To be called before
    TensorFlow is imported.

    Args:
        work: Returns the exit code.

    Returns:
        The exit code.

    Raises:
        InputError: The environment is wrong, or says several processes to TensorFlow.
        StoppedError: Another process is lost, or did not come.
    """
    place = place_in_environment()
    if place is None:
        return work()
    if OTHER_KERAS_BACKEND != "jax":
        raise InputError(f"{_name(place)}: several train together with KERAS_BACKEND=jax only")
    with tempfile.TemporaryFile() as log:
        watched, watching = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(watching)
            _compute(work, log, watched)
        os.close(watched)
        for number in (signal.SIGINT, signal.SIGTERM):  # from whoever started the processes
            signal.signal(number, lambda number, _: os.kill(child, number))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(watching)
        log.seek(0)
        return code if code >= 0 else _how_it_ended(place, -code, log.read())


def _compute(work: Callable[[], int], log: BinaryIO, watched: int) -> NoReturn:
    """Does the work, with what C++ writes to standard output or error in a log; then ends."""
    code = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C comes through the process that waits, once
        threading.Thread(target=_end_at_its_end, args=(watched,), daemon=True).start()
        for name, number in (("stdout", 1), ("stderr", 2)):
            if getattr(sys, name) is not None:  # else it is closed
                getattr(sys, name).flush()
                own = os.fdopen(os.dup(number), "w", buffering=1, errors="backslashreplace")
                setattr(sys, name, own)
            os.dup2(log.fileno(), number)
        code = says_errors_in_one_line(_done_by_all)(work)
        if code == 0:
            import jax

            jax.distributed.shutdown()
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        os._exit(code)  # at a usual end JAX would wait for processes that are lost


def _done_by_all(work: Callable[[], int]) -> int:
    """Does the work, and waits for the first process, which may have more to do than the others."""
    code = work()
    if code == 0:
        with lost_process_named():
            wait_for_all("the end")
    return code


def _end_at_its_end(watched: int) -> None:
    """Ends this process when the one that waits for it has been killed: its end closes a pipe."""
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _how_it_ended(place: Place, number: int, log: bytes) -> int:
    """Puts into words how a signal has ended the process that computes; returns the exit code."""
    if number == signal.SIGABRT and _JOINED not in log:
        address = place.address or "the job's first node"
        raise StoppedError(
            f"{_name(place)}: not all were there at {address} within {START_SECONDS} s; that must "
            "be an address of the machine of process 0, with a port that is open"
        )
    if number == signal.SIGABRT and _PARTNER_IS_LOST.search(log.decode(errors="replace")):
        raise StoppedError(_lost(place.share))
    if number not in (signal.SIGINT, signal.SIGTERM):
        tell(log.decode(errors="replace").removeprefix(_JOINED.decode()).strip())
        tell(
            f"{_name(place)} was ended by {signal.Signals(number).name}, which at SIGKILL may mean "
            "that the memory was full; the same command goes on after the last whole epoch"
        )
    return 128 + number
