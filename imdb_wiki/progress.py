"""Progress of long work: live on a screen, one line an epoch in a stored notebook or a log file."""

import sys
import time

import keras

SECONDS_BETWEEN_LOOKS = 0.5  # as often as the eye wants news; more would fill a notebook's channel


class LiveText:
    """Finished lines, and below them one that changes.

    In Jupyter all of it is one output that is replaced in place, so the stored notebook holds its
    last state only. A terminal redraws its last line. Anywhere else, such as a log file, only
    finished lines are written.
    """

    def __init__(self):
        """Looks where the text will be seen."""
        self._lines: list[str] = []
        self._drawn_seconds = 0.0  # when it was last drawn, of `time.monotonic`
        self._handle = None
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        self._in_jupyter = hasattr(shell, "kernel")
        self._on_terminal = not self._in_jupyter and sys.stdout.isatty()

    def change(self, text: str) -> None:
        """Shows the changing line, unless it was shown a moment ago."""
        moment = time.monotonic()
        if moment - self._drawn_seconds < SECONDS_BETWEEN_LOOKS:
            return
        self._drawn_seconds = moment
        if self._in_jupyter:
            self._show([*self._lines, text])
        elif self._on_terminal:
            print(f"\r\x1b[K{text}", end="", flush=True)

    def finish(self, line: str) -> None:
        """Puts a finished line in the place of the changing one."""
        self._lines.append(line)
        if self._in_jupyter:
            self._show(self._lines)
        else:
            print(f"\r\x1b[K{line}" if self._on_terminal else line, flush=True)

    def _show(self, lines: list[str]) -> None:
        from IPython.display import display

        text = {"text/plain": "\n".join(lines)}
        if self._handle is None:
            self._handle = display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)


def bar(done: int, total: int | None, width: int = 24) -> str:
    """Draws how much is done: `━━━━━━────── 12/24`; only the number where the end is unknown."""
    if not total:
        return f"{done}"
    filled = round(width * min(1, done / total))
    return f"{'━' * filled}{'─' * (width - filled)} {done}/{total}"


class EpochProgress(keras.callbacks.Callback):
    """Shows a training's progress: the steps of this epoch, and a line for each finished one.

    The line says the age error in years and the gender accuracy, on the training images (as they
    are learnt from, augmented) and on the validation split.
    """

    # pyrefly: ignore[bad-override-mutable-attribute]  # None only until Keras sets it, before it calls
    params: dict

    def __init__(self, epochs: int, marks_best: bool = False):
        """Starts a text that several calls of `fit` may continue.

        Args:
            epochs: How many there are at most, over all calls of `fit`.
            marks_best: Whether to write `best` behind each `val_loss` below all before it.
        """
        super().__init__()
        self._epochs = epochs
        self._marks_best = marks_best
        self._text = LiveText()
        self._best_loss = float("inf")
        self._epoch, self._started_seconds = 0, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Shows which epoch has begun: its first step may take long, TensorFlow prepares itself."""
        self._epoch, self._started_seconds = epoch + 1, time.monotonic()
        self._change(bar(0, self.params.get("steps")))

    def on_train_batch_end(self, batch, logs=None):
        """Shows how far the epoch is."""
        steps = bar(batch + 1, self.params.get("steps"))
        self._change(steps, f"loss {(logs or {}).get('loss', float('nan')):.3f}")

    def on_test_batch_end(self, batch, logs=None):
        """Shows that the epoch's images are through, and the validation split's are being scored.

        Keras does not say how many batches it has.
        """
        self._change(f"validation, batch {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        """Says what the epoch has reached."""
        logs = logs or {}
        seconds = time.monotonic() - self._started_seconds
        parts = [f"{self._name()}  {seconds:4.0f} s"]
        if "val_age_years_mae" in logs:
            parts.append(
                f"age error {logs['age_years_mae']:5.2f}, validation "
                f"{logs['val_age_years_mae']:5.2f} years"
            )
        if "val_gender_accuracy" in logs:
            parts.append(
                f"gender {logs['gender_accuracy']:.1%}, validation "
                f"{logs['val_gender_accuracy']:.1%}"
            )
        loss = logs.get("val_loss", float("nan"))
        if loss < self._best_loss:
            self._best_loss = loss
            parts.append("best so far" * self._marks_best)
        self._text.finish("  ·  ".join(filter(None, parts)))

    def _change(self, what: str, *more: str) -> None:
        seconds = f"{time.monotonic() - self._started_seconds:.0f} s"
        self._text.change("  ".join([self._name(), what, seconds, *more]))

    def _name(self) -> str:
        return f"epoch {self._epoch:{len(str(self._epochs))}}/{self._epochs}"


class StepProgress(keras.callbacks.Callback):
    """Shows how far a `predict` is, once it has taken some seconds; leaves no line behind it."""

    def __init__(self, what: str, steps: int):
        """Names the work.

        Args:
            what: What is being done, e.g. `predicting`.
            steps: How many batches there are.
        """
        super().__init__()
        self._what, self._steps = what, steps
        self._text: LiveText | None = None
        self._started_seconds = time.monotonic()

    def on_predict_batch_end(self, batch, logs=None):
        """Shows the bar, from the third second on."""
        seconds = time.monotonic() - self._started_seconds
        if seconds > 3:
            self._text = self._text or LiveText()
            self._text.change(f"{self._what}  {bar(batch + 1, self._steps)}  {seconds:.0f} s")

    def on_predict_end(self, logs=None):
        """Says how long it took, where a bar was shown."""
        if self._text:
            seconds = time.monotonic() - self._started_seconds
            self._text.finish(f"{self._what}  {bar(self._steps, self._steps)}  {seconds:.0f} s")
