"""Work in several processes, a bounded number of chunks at a time."""

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import cv2

from imdb_wiki.errors import StoppedError

Item = TypeVar("Item")


# glibc gives an image's memory back after each one, and the system clears it page by page for the
# next: 0.15 ms an image, a sixth of all. It reads this when a process starts; others do not at all.
KEPT_MEMORY_BYTES = 1 << 24  # for the pixels of any face crop


class CrashError(Exception):
    """A process ended without an answer."""


def in_chunks(
    items: Iterable[Item],
    size: int,
    bytes_of: Callable[[Item], int] | None = None,
    max_bytes: int = 0,
) -> Iterator[list[Item]]:
    """Cuts items into lists, taking them up only when asked.

    Args:
        items: what to cut.
        size: items a list; the last one is shorter.
        bytes_of: how much memory an item takes; None: it does not matter.
        max_bytes: a list that has so many gets no further item.
    """
    chunk, chunk_bytes = [], 0
    for item in items:
        chunk.append(item)
        chunk_bytes += bytes_of(item) if bytes_of else 0
        if len(chunk) == size or (bytes_of and chunk_bytes >= max_bytes):
            yield chunk
            chunk, chunk_bytes = [], 0
    if chunk:
        yield chunk


@contextlib.contextmanager
def started(
    work: Callable[[list], Any], workers: int
) -> Generator[Callable[[Iterable[list]], Iterator[Any]]]:
    """Starts processes, which import what `work` needs while this one does something else.

    Args:
        work: what to do with a chunk, which may be empty; a function of a module, or a `partial` of
            one.
        workers: number of processes.

    Yields:
        A function for one call. It takes the chunks up as they are needed, so that few are in
        memory, and yields what `work` returns in the order in which the chunks are finished. It
        raises StoppedError if a worker was killed. After the last result the processes end, beside
        what this one does next.
    """
    # `spawn` is the one way that works on every system and beside every library's threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        for _ in range(min(workers, os.cpu_count() or 1)):  # more start when there is work for them
            _submit(pool, work, [])
        yield partial(_results, pool, work, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, work: Callable[[list], Any], workers: int, chunks: Iterable[list]
) -> Iterator[Any]:
    most = 2 * workers  # one to work on and one to take up next
    try:
        for future in results_of(partial(_submit, pool, work), lambda: most, chunks):
            yield future.result()
    except BrokenProcessPool:
        raise StoppedError("a worker process was killed, perhaps for its memory") from None
    pool.shutdown(wait=False)  # a tenth of a second, which the steps that follow need not wait for


def results_of(
    submit: Callable[[list], Future],
    most_running: Callable[[], int],
    chunks: Iterable[list],
    look_again_s: float | None = None,
) -> Iterator[Future]:
    """Submits chunks as they are needed, so that few are in memory.

    Args:
        submit: begins the work on a chunk.
        most_running: how many may be submitted and not finished; asked again and again.
        chunks: what to submit.
        look_again_s: how long to wait before `most_running` is asked again; None: for a result.

    Yields:
        Each future, as it is finished.
    """
    running: set[Future] = set()
    for chunk in chunks:
        running.add(submit(chunk))
        while len(running) >= most_running():
            done, running = wait(running, look_again_s, return_when=FIRST_COMPLETED)
            yield from done
    while running:
        most_running()  # it may say that there is nobody any more
        done, running = wait(running, look_again_s, return_when=FIRST_COMPLETED)
        yield from done


def run_parallel(
    work: Callable[[list], Any], chunks: Iterable[list], workers: int
) -> Iterator[Any]:
    """Works through chunks in processes of their own, as `started` describes it."""
    with started(work, workers) as results:
        yield from results(chunks)


def run_apart(work: Callable[..., Any], *arguments: Any, max_memory_bytes: int) -> Any:
    """Calls a function in a process of its own, which may crash or hold much memory alone.

    Args:
        work: a function of a module.
        arguments: those of `work`.
        max_memory_bytes: what it may take; other systems than Linux do not heed it.

    Raises:
        CrashError: the process crashed, or its error cannot be passed on.
        MemoryError: it wanted more memory.
        Exception: any other error of `work`.
    """
    context = multiprocessing.get_context("spawn")
    ours, its_own = context.Pipe()
    # Not by its arguments: starting would wait until they are read. A process that Ctrl-C leaves
    # behind ends with this one.
    process = context.Process(target=_answer, args=(its_own, max_memory_bytes), daemon=True)
    try:
        with _starting():
            process.start()
        its_own.close()  # there is no other copy here: if the process ends, the pipe does
        try:
            ours.send((work, arguments))
            answer, error = ours.recv()
        except (EOFError, OSError):
            raise CrashError from None
    finally:
        if process.pid is not None:
            process.kill()  # it has answered, or is not wanted any more: nobody waits for it
            process.join()
        ours.close()
    if error is not None:
        raise error
    return answer


def _answer(pipe: Connection, max_memory_bytes: int) -> None:
    _start_worker()
    work, arguments = pipe.recv()
    with contextlib.suppress(OSError, ValueError):  # not Linux, or bounded more narrowly already
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # of data and stack
        most = pages * resource.getpagesize() + max_memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    try:
        pipe.send((work(*arguments), None))
    except Exception as error:
        pipe.send((None, error))


def _submit(pool: ProcessPoolExecutor, work: Callable[..., Any], *arguments: Any) -> Future:
    with _starting():  # submitting may start a worker
        return pool.submit(work, *arguments)


@contextlib.contextmanager
def _starting() -> Generator[None]:
    """Puts off Ctrl-C; a process that starts meanwhile inherits for good that it is not for it."""
    os.environ.setdefault("MALLOC_TOP_PAD_", str(KEPT_MEMORY_BYTES))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for OpenCV in `_start_worker`
    resource_tracker.ensure_running()  # it would begin with the first process, and end the delay
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    # A worker whose parent was killed would wait for ever, or write into the next run's folder.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The image libraries' own complaints would tear the progress bar; ours come with the outcome.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    cv2.setNumThreads(1)  # the processes are the parallelism


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a worker"
    parent.join()
    os._exit(1)
