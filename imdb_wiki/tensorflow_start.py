"""Starts TensorFlow and Keras as this project needs them, and without their log."""

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imdb_wiki import OTHER_KERAS_BACKEND
from imdb_wiki.command import first_line, tell
from imdb_wiki.errors import InputError
from imdb_wiki.processes import join

# Any of these is there where an NVIDIA driver is: on Linux, in a container, under Windows (WSL2).
NVIDIA_DRIVER_FILES = (
    "/proc/driver/nvidia/version",
    "/dev/nvidia0",
    "/usr/lib/wsl/lib/libcuda.so.1",
)


# A line of TensorFlow's log begins with its level, Info to Fatal, before or after the time:
# "E0000 00:00:1795.7 649 cuda_platform.cc:52] …" or "2026-01-31 12:00:00.1: E cuda_dnn.cc:8] …".
_LOG_LEVEL = re.compile(r"(?:[\d-]{10} [\d:.]+ )?([IWEF])(?:\d{4})? ")
_NO_GPU = re.compile(r"GPUs? will not be used|Cannot dlopen|Skipping registering GPU")
_HARMLESS = re.compile(r"has already been registered|already registered")  # said as errors


# Keras' own defaults, on which the networks and their trainings rely.
KERAS_SETTINGS = {
    "image_data_format": "channels_last",
    "floatx": "float32",
    "epsilon": 1e-7,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def has_nvidia_driver() -> bool:
    """Says whether this machine has an NVIDIA driver: its GPU's errors are worth reading then."""
    return any(map(os.path.exists, NVIDIA_DRIVER_FILES))


def start_tensorflow(may_use_jax: bool = False, joins: bool = False) -> None:
    """Imports TensorFlow and Keras without their log, and sets Keras up as this project needs it.

    The first thing that a command or a notebook does after it has read its options. What the
    shell or `~/.keras/keras.json` say for other projects does not change a training here; a line
    says so. Where there is an NVIDIA driver, a GPU's errors are printed, and a line if TensorFlow
    finds no GPU.

    Args:
        may_use_jax: Whether `KERAS_BACKEND=jax` in the shell lets Keras compute with JAX; the
            images are read by TensorFlow all the same.
        joins: Whether several processes may do the work together, where the environment says that
            there are several, and JAX computes.

    Raises:
        InputError: Keras was imported before this package, with another backend, or cannot read
            its own settings; JAX is not installed, or the other processes cannot be joined.
    """
    backend = "jax" if may_use_jax and OTHER_KERAS_BACKEND == "jax" else "tensorflow"
    if backend == "jax" and importlib.util.find_spec("jax") is None:
        raise InputError(
            "KERAS_BACKEND is jax, and JAX is not installed: pip install -r requirements-jax.txt"
        )
    os.environ["KERAS_BACKEND"] = backend
    if joins and backend == "jax":
        join()  # before anything of JAX: it looks for its devices once
    with quiet_tensorflow():
        try:
            import keras
        except ValueError as error:  # what it says of a wrong value in keras.json
            raise InputError(
                f"Keras cannot read its settings, keras.json in $KERAS_HOME or ~/.keras: "
                f"{first_line(error)}"
            ) from error
        if keras.config.backend() != backend:
            names = {"tensorflow": "TensorFlow", "jax": "JAX"}
            raise InputError(
                f"Keras was imported before imdb_wiki and computes with {keras.config.backend()}, "
                f"not with {names[backend]}: import imdb_wiki first"
            )
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")  # the first look for one is logged as well
        if backend == "jax":
            tf.config.set_visible_devices([], "GPU")  # TensorFlow would take its memory from JAX
    tf.get_logger().setLevel("ERROR")  # Python's part of the log: retracing and the like
    changed = [] if backend == OTHER_KERAS_BACKEND else [f"backend={OTHER_KERAS_BACKEND}"]
    for name, value in KERAS_SETTINGS.items():
        other = getattr(keras.config, name)()
        if other != value:
            getattr(keras.config, f"set_{name}")(value)
            changed.append(f"{name}={other}")
    if changed:
        tell(f"not used here: Keras' settings for other projects, {', '.join(changed)}")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if has_nvidia_driver() and not gpus and not hidden and backend == "tensorflow":
        tell(
            "TensorFlow finds no GPU and computes on the processor, though this machine has an "
            f'NVIDIA driver: pip install "tensorflow[and-cuda]=={tf.__version__}" brings what a '
            "GPU needs"
        )


@contextlib.contextmanager
def quiet_tensorflow():
    """Keeps what is written to standard error back, and prints of it only a GPU's errors.

    TensorFlow's C++ writes there when it is imported and when it looks for a GPU, past its own log
    level. Without an NVIDIA driver nothing of that is worth reading: what is wrong is raised as
    well. Works in a Jupyter kernel too, whose standard error is a pipe.
    """
    # From now on: with a GPU only errors, else nothing.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_nvidia_driver() else "3")
    if sys.stderr is None:  # closed: nothing would be read, and 2 may be another file by now
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with _log_file() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            for line in _news_of_a_gpu(log.read().decode(errors="replace")):
                tell(line)


def _log_file() -> BinaryIO:
    """Takes what is written to standard error; without a driver nobody will read it."""
    if has_nvidia_driver():
        with contextlib.suppress(OSError):  # a full disk must not end what may not even write
            return tempfile.TemporaryFile()
    return Path(os.devnull).open("r+b")


def _news_of_a_gpu(log: str) -> Iterator[str]:
    """TensorFlow's lines that are errors or say that a GPU cannot be used, each said once."""
    said = set()
    for line in log.splitlines():
        level, text = _LOG_LEVEL.match(line), line.partition("] ")[2]
        if level is None or text in said or _HARMLESS.search(line):
            continue
        if level[1] in "EF" or _NO_GPU.search(line):
            said.add(text)
            yield line
