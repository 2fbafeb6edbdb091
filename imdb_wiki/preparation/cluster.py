"""An existing Dask cluster that makes the crops, as the processes of `parallel` do on one machine.

A killed worker's chunk is given to another worker, and a new process takes its place. What no
cluster promises is that a chunk is done only once: a node may be cut off, taken for dead, and write
on. So each run has a folder of its own, in which a crop is written before it is moved to its name
in one step. When `--overwrite` has removed an older run's folder, what still writes for that run
can move nothing any more.
"""

import asyncio
import contextlib
import logging
import pickle
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from typing import Any

from imdb_wiki.errors import InputError, StoppedError
from imdb_wiki.images.reading import FolderPhoto, is_there
from imdb_wiki.parallel import results_of
from imdb_wiki.preparation.crops import MISSING_FILE, Job, Outcome
from imdb_wiki.preparation.journal import Journal
from imdb_wiki.preparation.node import Needs, versions, what_lacks, work_on
from imdb_wiki.preparation.workers import PHOTOS_PER_CHUNK

# A chunk costs driver, scheduler and node about 10 milliseconds together, this many photos 400.
_MOST_PHOTOS_PER_CHUNK = 512
_CHUNKS_A_WORKER = 8  # so that none waits long for the others in the end
_ANSWERS_WITHIN_S = 10  # that a cluster answers at its address, and has a worker
# So long may a cluster be without any worker; nodes that are started anew take less.
_WITHOUT_WORKERS_S = 60
_LOOK_AGAIN_S = 1.0  # how often the number of its workers is asked for
_LOGGERS = ("distributed", "distributed.client", "tornado.application", "asyncio")


class UnfitNodeError(InputError):
    """A node lacks what the work needs; nothing has been done."""


class Cluster:
    """A connection to a cluster; `connected` makes one.

    Args:
        client: of `distributed`.
        address: as on the command line.
        needs: what each node must have.
    """

    def __init__(self, client: Any, address: str, needs: Needs):
        """Takes the connection."""
        self._client, self._address, self._needs = client, address, needs
        self._thread_count, self._asked_s, self._last_seen_s = 0, 0.0, time.monotonic()

    def refuse_unfit_nodes(self) -> None:
        """Asks all nodes for what they need.

        Raises:
            UnfitNodeError: one lacks something.
        """
        python = dict(self._needs.versions)["Python"]
        nodes = self._client.get_versions()["workers"]
        for node, about in sorted(nodes.items()):  # before anything of ours is asked of them
            its_python = dict(about["host"])["python"].split(".final")[0]
            if its_python != python:
                raise UnfitNodeError(
                    f"node {node}: has Python {its_python}, and the driver {python}"
                )
        lacks = self._client.run(what_lacks, self._needs, on_error="return")
        for node, lack in sorted(lacks.items()):
            if lack:  # an error where not even the question is known there
                raise UnfitNodeError(f"node {node}: {lack}")

    def share_storage(self, folder: Path) -> Path:
        """Makes a folder for this run alone, and checks that all nodes see it.

        Args:
            folder: on the shared storage.

        Raises:
            UnfitNodeError: a node does not see it.
        """
        storage = folder / f"writing-{uuid.uuid4().hex}"
        storage.mkdir()
        self._needs = self._needs._replace(storage=str(storage))
        self.refuse_unfit_nodes()
        return storage

    def results(
        self, work: Callable[[list], Any], chunks: Iterable[list]
    ) -> Iterator[tuple[str, list, Any]]:
        """Works through chunks, a bounded number at a time.

        Args:
            work: what to do with a chunk; a function of a module, or a `partial` of one.
            chunks: taken up as they are needed.

        Yields:
            The node's address, the chunk and what `work` returned, in the order in which they are
            finished.

        Raises:
            StoppedError: a node cannot go on, or the cluster has gone.
        """
        # A chunk that has been cut off is the same for anyone, so none is taken for another.
        executor = self._client.get_executor(pure=False)
        futures: dict[Future, list] = {}

        def submit(chunk: list) -> Future:
            # Pickled here: of an object Dask would look into each part.
            future = executor.submit(work_on, self._needs, pickle.dumps((work, chunk)))
            futures[future] = chunk
            return future

        try:
            for future in results_of(submit, self._most_running, chunks, _LOOK_AGAIN_S):
                yield self._result(future, futures.pop(future))
        finally:
            executor.shutdown(wait=False)  # what is not begun is not done any more

    def _result(self, future: Future, chunk: list) -> tuple[str, list, Any]:
        from distributed import KilledWorker

        try:
            node, result = future.result()
        except StoppedError:
            raise
        except KilledWorker as error:
            raise StoppedError(
                f"node {error.last_worker.address}: the same chunk has ended "
                f"{error.allowed_failures + 1} workers, perhaps for their memory"
            ) from None
        except (CancelledError, OSError):
            raise StoppedError(f"the cluster at {self._address} is gone") from None
        except Exception:  # whatever: a node that has come since may lack the very code
            try:
                self.refuse_unfit_nodes()
            except UnfitNodeError as error:
                raise StoppedError(str(error)) from None
            raise
        return node, chunk, result

    def _most_running(self) -> int:
        """How many chunks the cluster may have: one for each thread, and one to take up next."""
        return 2 * self.thread_count()

    def thread_count(self) -> int:
        """How many threads all workers have now, at least 1.

        Raises:
            StoppedError: the cluster has gone, or has had no worker for long.
        """
        now_s = time.monotonic()
        if now_s - self._asked_s >= _LOOK_AGAIN_S:
            try:
                self._thread_count = sum(self._client.nthreads().values())
            except (OSError, CancelledError):
                raise StoppedError(f"the cluster at {self._address} is gone") from None
            self._asked_s = now_s
        if self._thread_count:
            self._last_seen_s = now_s
        elif now_s - self._last_seen_s > _WITHOUT_WORKERS_S:
            raise StoppedError(
                f"the cluster at {self._address} has had no worker for {_WITHOUT_WORKERS_S} seconds"
            )
        return max(self._thread_count, 1)


@contextlib.contextmanager
def connected(address: str, photos: Path | None, detect: bool) -> Generator[Cluster]:
    """Connects to a cluster whose nodes are fit for the work.

    Args:
        address: of its scheduler, such as tcp://10.0.0.1:8786.
        photos: the folder or archive of the photos, as an absolute path; None: they are drawn.
        detect: whether faces are searched.

    Raises:
        InputError: there is no such cluster, or a node lacks something.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dask's, about versions: they are compared below
            from distributed import Client
    except ImportError as error:
        raise InputError(
            f"no cluster can be used ({error}): pip install -r requirements-cluster.txt"
        ) from None
    for name in _LOGGERS:  # what goes wrong is said in one line
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    size = photos.stat().st_size if photos and photos.is_file() else None
    needs = Needs(versions(detect), str(photos) if photos else None, size, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above, and where chunks carry their photos
        try:
            asyncio.run(asyncio.wait_for(_try(address), _ANSWERS_WITHIN_S))
            client = Client(address, timeout=_ANSWERS_WITHIN_S, set_as_default=False)
        except Exception as error:  # whatever: other servers answer in their own ways
            raise InputError(
                f"--cluster {address}: no Dask scheduler answers there ({type(error).__name__})"
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=_ANSWERS_WITHIN_S)
            except TimeoutError:
                raise InputError(f"--cluster {address}: the cluster has no workers") from None
            cluster = Cluster(client, address, needs)
            cluster.refuse_unfit_nodes()
            yield cluster


async def _try(address: str) -> None:
    """Connects once: a `Client` would wait for ever for a server that never answers."""
    from distributed.comm import connect
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=_ANSWERS_WITHIN_S, **arguments)
    await comm.close()


class ClusterWorkers:
    """The nodes of a cluster, as `workers.Workers` of a preparation.

    Args:
        cluster: a connection.
        crop: a `partial` of `make_crops`.
    """

    def __init__(self, cluster: Cluster, crop: Callable[..., list[Outcome]]):
        """Takes the connection."""
        self._cluster, self._crop = cluster, crop

    def begin(self, journal: Journal) -> None:
        """Makes this run's folder in a preparation that has begun.

        Raises:
            UnfitNodeError: a node does not see it; what has just begun is as if it had not.
        """
        try:
            self._crop = partial(self._crop, parts=self._cluster.share_storage(journal.folder))
        except UnfitNodeError:
            if not journal.outcomes():
                journal.give_up()
            raise

    def photos_per_chunk(self, count: int) -> int:
        """How many photos a chunk has, of so many photos in all: several chunks a worker."""
        for_each = count // (_CHUNKS_A_WORKER * self._cluster.thread_count())
        return min(max(PHOTOS_PER_CHUNK, for_each), _MOST_PHOTOS_PER_CHUNK)

    def crops_of(self, chunks: Iterable[list[Job]]) -> Iterator[list[Outcome]]:
        """Makes crops of chunks of photos.

        Raises:
            StoppedError: as of `Cluster.results`; or a node has not found a photo that is there.
        """
        for node, jobs, outcomes in self._cluster.results(self._crop, chunks):
            for job, outcome in zip(jobs, outcomes, strict=True):
                photo = job.photo
                if outcome.rule != MISSING_FILE or not isinstance(photo, FolderPhoto):
                    continue
                if is_there(photo):
                    path = f"{photo.folder}/{photo.name}"
                    raise StoppedError(
                        f"node {node}: does not see {path}; is the storage mounted there"
                    )
            yield outcomes

    def compared(self, work: Callable[[list], Any], chunks: Iterable[list]) -> Iterator[Any]:
        """Compares crops: calls a function for each chunk, as `map` does, in any order."""
        return (result for _, _, result in self._cluster.results(work, chunks))
