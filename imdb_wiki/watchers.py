"""What watches a training: saves its best epoch, writes its history, ends it at a NaN."""

import math
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import keras
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.journal import write_whole
from imdb_wiki.results import MODEL_FILE


class NetworkCheckpoint(keras.callbacks.ModelCheckpoint):
    """Saves the plain network whenever the model around it got better.

    The model being fitted also holds augmentation and an optimizer, which only training needs.
    """

    def __init__(self, network: keras.Model, path: str | PathLike, save: Callable, **kwargs):
        """Remembers the network to save.

        Args:
            network: What to save, uncompiled.
            path: Where to, ending in `.keras`.
            save: Saves a model, given it and the path.
            **kwargs: Of `keras.callbacks.ModelCheckpoint`, e.g. `monitor`.
        """
        super().__init__(path, save_best_only=True, **kwargs)
        self.network = network
        self._save = save

    def _save_model(self, epoch, batch, logs):
        if self._should_save_model(epoch, batch, logs, self.filepath):
            self._save(self.network, self.filepath)


class StopAtNaN(keras.callbacks.Callback):
    """Ends a training when its loss becomes NaN, before a model of NaNs is saved."""

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


class HistoryFile(keras.callbacks.Callback):
    """Rewrites `history.csv` after each epoch: one row an epoch, with its seconds."""

    def __init__(self, path: Path):
        """Remembers where to."""
        super().__init__()
        self._path = path
        self._rows: list[dict] = []
        self._started_seconds = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._started_seconds = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's row."""
        seconds = round(time.perf_counter() - self._started_seconds, 1)
        self._rows.append({"epoch": epoch, **(logs or {}), "seconds": seconds})
        write_whole(self._path, self.frame().to_csv(index=False))

    def frame(self) -> pd.DataFrame:
        """The rows so far."""
        return pd.DataFrame(self._rows)
