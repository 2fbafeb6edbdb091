"""A function in a process of its own: what it answers, how it may end, and Ctrl-C."""

import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imdb_wiki import parallel
from imdb_wiki.parallel import CrashError, run_apart
from tests.conftest import REPOSITORY
from tests.shared import ended

MUCH = bytes(1 << 22)  # far more than a pipe holds
GIGABYTE = 1 << 30


def end_at_once(pipe, max_memory_bytes):
    os._exit(1)


def end_within_the_answer(pipe, max_memory_bytes):
    pipe.recv()
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"not a thousand bytes")
    os._exit(1)


def hang(path):
    Path(path).touch()
    time.sleep(600)


@pytest.fixture
def no_process_is_left():
    before = multiprocessing.active_children()  # other tests' own, which stay for their next call
    yield
    assert [p for p in multiprocessing.active_children() if p not in before] == []


@pytest.mark.usefixtures("no_process_is_left")
def test_large_arguments_and_answers_come_through():
    assert run_apart(bytes.swapcase, MUCH, max_memory_bytes=GIGABYTE) == MUCH


@pytest.mark.usefixtures("no_process_is_left")
def test_an_error_of_the_function_is_raised_here():
    with pytest.raises(ValueError, match="invalid literal"):
        run_apart(int, "one", max_memory_bytes=GIGABYTE)


@pytest.mark.usefixtures("no_process_is_left")
@pytest.mark.parametrize("ending", [end_at_once, end_within_the_answer])
def test_a_process_that_ends_before_it_has_answered_is_a_crash(monkeypatch, ending):
    monkeypatch.setattr(parallel, "_answer", ending)
    with pytest.raises(CrashError):
        run_apart(bytes.swapcase, MUCH, max_memory_bytes=GIGABYTE)


def test_ctrl_c_does_not_wait_for_a_function_that_hangs(tmp_path):
    code = f"""
from multiprocessing import active_children
from imdb_wiki.parallel import run_apart
from tests.test_parallel import GIGABYTE, hang
try:
    run_apart(hang, {str(tmp_path / "begun")!r}, max_memory_bytes=GIGABYTE)
except KeyboardInterrupt:
    print("stopped", active_children())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        **{"cwd": REPOSITORY, "text": True, "start_new_session": True},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
    )
    while not (tmp_path / "begun").exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    try:
        done = ended(process)  # within a tenth of what the function would take
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert (done.stdout, done.stderr) == ("stopped []\n", "")
