"""What several test files share."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

# NumPy and SciPy read this when they are imported. Their threads wait for the next small product
# by turning round and round: it takes more than half of an audit's processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

import imdb_wiki  # noqa: F401 - before any test imports cv2: it sets OpenCV's limits
import imdb_wiki_preparation
from tests.shared import ran

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_what_is_started():
    """A shell's background job ignores Ctrl-C, and so does all that it starts: not the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def real_dir() -> Path:
    """The folder of real faces beside the checkout; tests that need it are skipped without it."""
    folder = REPOSITORY.parent / "shared" / "realdata"
    if not folder.is_dir():
        pytest.skip("the real faces are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A public-domain photo of one face, RGB, (512, 512, 3); nobody may change it."""
    import skimage.data

    photo = skimage.data.astronaut()
    photo.setflags(write=False)
    return photo


@pytest.fixture(scope="module")
def in_this_process():
    """Lets preparations do without processes of their own, which take a second each to start.

    The report's figure is left out, too.
    """
    from matplotlib.figure import Figure

    from imdb_wiki.datasets import matlab
    from imdb_wiki.preparation import prepare as preparation
    from imdb_wiki.preparation import workers

    def call(work, *arguments, max_memory_bytes):
        return work(*arguments)

    @contextlib.contextmanager
    def started(work, workers):
        yield lambda chunks: map(work, chunks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "started", started)
        patch.setattr(matlab, "run_apart", call)
        patch.setattr(preparation, "report_figure", lambda *_: Figure((1, 1)))
        yield


def preparation_command(*arguments: object) -> list[str]:
    """The script as a person calls it; one worker unless said."""
    if "--workers" not in arguments:
        arguments = (*arguments, "--workers", 1)
    return [sys.executable, "imdb_wiki_preparation.py", *map(str, arguments)]


def run_preparation(*arguments: object) -> subprocess.CompletedProcess:
    """Runs the script's `main` in this process, which has imported pandas and Matplotlib already.

    `test_preparation` and `test_survival` run the script in a process of its own as well.
    """
    return ran(imdb_wiki_preparation.main, *preparation_command(*arguments)[2:])


def pytest_collection_modifyitems(items):
    """Starts with the files that take longest, lest one process waits for the other at the end."""
    longest = ("test_notebook", "preparation/test_survival")
    items.sort(key=lambda item: not any(name in item.nodeid for name in longest))
