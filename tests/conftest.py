"""What several test files share."""

import subprocess
import sys
from pathlib import Path

import pytest

import imdb_wiki  # noqa: F401 - before any test imports cv2: it sets OpenCV's limits

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_dir() -> Path:
    """The folder of real faces beside the checkout; tests that need it are skipped without it."""
    folder = REPOSITORY.parent / "shared" / "realdata"
    if not folder.is_dir():
        pytest.skip("the real faces are not beside this checkout")
    return folder


def run_preparation(*arguments: object) -> subprocess.CompletedProcess:
    """Runs the script as a person does, in a process of its own; one worker unless said."""
    if "--workers" not in arguments:
        arguments = (*arguments, "--workers", 1)
    command = [sys.executable, "imdb_wiki_preparation.py", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


def pytest_collection_modifyitems(items):
    """Starts with the longest test, lest one process waits for the other at the end."""
    items.sort(key=lambda item: "test_notebook" not in item.nodeid)
