"""Who makes the crops: processes of this machine, or the nodes of a cluster."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Protocol

from imdb_wiki.parallel import started
from imdb_wiki.preparation.crops import Job, Outcome
from imdb_wiki.preparation.journal import Journal
from imdb_wiki.preparation.settings import Settings

# Small enough that little is lost when a run is killed and all workers end together, large enough
# that handing a chunk over costs nothing beside its work.
PHOTOS_PER_CHUNK = 64


class Workers(Protocol):
    """What processes and a cluster have in common."""

    def begin(self, journal: Journal) -> None:
        """Gets ready to write into a preparation that has begun."""

    def photos_per_chunk(self, count: int) -> int:
        """How many photos a chunk has, of so many photos in all."""
        ...

    def crops_of(self, chunks: Iterable[list[Job]]) -> Iterator[list[Outcome]]:
        """Takes chunks of photos up as they are needed; yields outcomes as they are finished."""
        ...

    def compared(self, work: Callable[[list], Any], chunks: Iterable[list]) -> Iterator[Any]:
        """Compares crops: calls a function for each chunk, as `map` does, in any order."""
        ...


class _Processes:
    def __init__(self, results: Callable[[Iterable[list[Job]]], Iterator[list[Outcome]]]):
        self._results = results

    def begin(self, journal: Journal) -> None:
        pass  # they write where this process does

    def photos_per_chunk(self, count: int) -> int:
        return PHOTOS_PER_CHUNK

    def crops_of(self, chunks: Iterable[list[Job]]) -> Iterator[list[Outcome]]:
        return self._results(chunks)

    def compared(self, work: Callable[[list], Any], chunks: Iterable[list]) -> Iterator[Any]:
        return map(work, chunks)  # seconds, even of IMDB's


@contextlib.contextmanager
def workers_of(settings: Settings, crop: Callable[..., list[Outcome]]) -> Generator[Workers]:
    """Starts processes, or connects to a cluster.

    Args:
        settings: of the preparation.
        crop: a `partial` of `make_crops`.

    Raises:
        InputError: there is no such cluster, or a node lacks something.
    """
    if settings.cluster is None:
        with started(crop, settings.workers) as crops_of:
            yield _Processes(crops_of)
        return
    # Who has one machine needs nothing of this.
    from imdb_wiki.preparation.cluster import ClusterWorkers, connected

    detect = settings.faces == "detect"
    with connected(settings.cluster, settings.photo_dir, detect) as cluster:
        yield ClusterWorkers(cluster, crop)
