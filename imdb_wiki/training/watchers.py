"""What watches a training: keeps its history and best epoch, ends it at a NaN or a full disk."""

import contextlib
import errno
import math
import os
import re
import time
from collections.abc import Generator
from os import PathLike
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from imdb_wiki.errors import InputError
from imdb_wiki.files import write_whole
from imdb_wiki.models.files import MODEL_FILE, save_model
from imdb_wiki.results.runs import EPOCH_NOTE, HISTORY_FILE


@contextlib.contextmanager
def full_disk_or_memory_named() -> Generator[None]:
    """Turns TensorFlow's error for a full disk or memory into one that says what to do.

    TensorBoard's files are written by TensorFlow itself, whose error of a full disk is the one of a
    full memory.

    Raises:
        OSError: The disk is full; the error names the file.
        InputError: The memory is full.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        file = re.search(r"(\S+); No space left on device", error.message)
        if file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file[1]) from error
        raise InputError(
            "the device's memory is full: take a smaller batch size, or smaller images"
        ) from error


class SameStatistics(keras.callbacks.Callback):
    """Gives all devices the same batch norm statistics before each validation: their means.

    Each device follows the means and variances of its own share of the images. A saved model has
    those of the first device only, which is not what was validated.
    """

    def __init__(self, network: keras.Model):
        """Remembers the network."""
        super().__init__()
        self._network = network

    def on_test_begin(self, logs=None):
        """Averages the statistics over the devices."""
        for variable in self._network.non_trainable_variables:
            of_devices = getattr(variable.value, "values", ())  # only several devices have several
            if len(of_devices) > 1:
                variable.assign(np.mean([one.numpy() for one in of_devices], axis=0))


class StopAtNaN(keras.callbacks.Callback):
    """Ends a training whose loss is NaN or infinite, before a model of NaNs is saved."""

    def __init__(self, run_dir: Path):
        """Remembers the folder, to say whether a model of an earlier epoch is there."""
        super().__init__()
        self._run_dir = run_dir
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the training loss after each step."""
        self._check("loss", logs)

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the validation loss."""
        self._check("val_loss", logs)

    def _check(self, name: str, logs: dict | None) -> None:
        if math.isfinite((logs or {}).get(name, 0.0)):
            return
        model_path = self._run_dir / MODEL_FILE
        there = "holds the best epoch before" if model_path.exists() else "was not written"
        raise InputError(
            f"{name} is NaN or infinite in epoch {self._epoch}: lower the learning rate, or look "
            f"for images or labels that are odd; {model_path} {there}"
        )


class RunFiles(keras.callbacks.Callback):
    """Writes `history.csv` after each epoch, then `model.keras` if that epoch was the best so far.

    Each file is written whole. A process may be killed between the two: then the history has a row
    more than the model knows of. So the model's file notes its epoch, and `results.run_row` goes by
    that.

    What is saved is the plain network: the model being fitted holds augmentation and an optimizer
    around it, which are not needed afterwards.
    """

    def __init__(self, network: keras.Model, run_dir: str | PathLike, monitor: str = "val_loss"):
        """Remembers what to save, and where to.

        Args:
            network: The plain network.
            run_dir: Folder of both files.
            monitor: The quantity that decides which epoch is the best, lower is better.
        """
        super().__init__()
        self._network, self._run_dir, self._monitor = network, Path(run_dir), monitor
        self._rows: list[dict] = []
        self._best = math.inf
        self._started_seconds = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._started_seconds = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's row, and saves the network if it was never better."""
        logs = dict(logs or {})
        if self._monitor not in logs:
            raise InputError(f"monitor: {self._monitor!r} is none of {', '.join(logs)}")
        seconds = round(time.perf_counter() - self._started_seconds, 1)
        self._rows.append({"epoch": epoch, **logs, "seconds": seconds})
        write_whole(self._run_dir / HISTORY_FILE, self.frame().to_csv(index=False))
        if logs[self._monitor] < self._best:
            self._best = logs[self._monitor]
            save_model(self._network, self._run_dir / MODEL_FILE, EPOCH_NOTE.format(epoch))

    def frame(self) -> pd.DataFrame:
        """The rows so far."""
        return pd.DataFrame(self._rows)
