"""Answers photos, videos and a camera, in the order of the steps, as the command was told."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from imdb_wiki.errors import InputError
from imdb_wiki.models.exported import EXPORTED_SUFFIXES
from imdb_wiki.prediction import faces, footage
from imdb_wiki.prediction.annotation import DrawnPhotos
from imdb_wiki.prediction.drawn_video import DrawnVideo, drawn
from imdb_wiki.prediction.output import (
    SCREEN,
    CsvWriter,
    JsonWriter,
    TableWriter,
    opened,
    printable,
)
from imdb_wiki.prediction.stream import PhotoPath, list_photos, predict_photos
from imdb_wiki.prediction.video import VideoResult, Watching, ctrl_c_asks
from imdb_wiki.prediction.video_output import VideoCsvWriter, VideoJsonWriter, VideoTableWriter
from imdb_wiki.prediction.window import NoWindowError, Window
from imdb_wiki.tensorflow_start import start_tensorflow


@dataclass(frozen=True)
class Settings:
    """What the command was told; see its `--help`."""

    photos: list[Path]  # videos and folders, too
    crops: bool
    camera: int | None
    seconds: float | None
    frames: int | None
    search_rate: float  # searches for faces per second of a video
    show: bool
    json: str | None
    csv: str | None
    output_dir: Path | None
    model: Path
    margin: float | None
    batch_size: int


def answer(settings: Settings) -> int:
    """Answers everything, in the order in which it was given, a camera last.

    Returns:
        The exit code: 0, or 2 if a file could not be written.

    Raises:
        InputError: Nothing can be read, or the model or an option is wrong.
        OSError: A file cannot be opened, or the screen takes nothing any more.
        KeyboardInterrupt: Ctrl-C; what was answered is written.
    """
    # Wrong input is reported before TensorFlow is imported, which takes seconds.
    if not settings.model.is_file():
        raise FileNotFoundError(f"no such model: {settings.model}")
    sources = list_photos(settings.photos, left_out=settings.output_dir)
    names = [source.name for source in sources]
    openers = [_opener(source) for source in sources if footage.is_video(source.path)]
    if openers and settings.crops:
        raise InputError("--crops is for photos, and there is a video")
    if settings.camera is not None:
        names.append(footage.camera_name(settings.camera))
        openers.append(lambda: footage.open_camera(settings.camera or 0))
    with contextlib.ExitStack() as files:
        if openers and len(names) == 1:
            try:
                video = files.enter_context(openers[0]())
            except footage.UnreadableVideoError as error:
                raise InputError(f"{printable(names[0])}: {error}") from None
            openers = [lambda: video]  # opened once: a pipe would be empty afterwards
        folder = settings.output_dir
        drawings = DrawnPhotos(folder, [s.path for s in sources]) if folder else None
        json, csv = (VideoJsonWriter, VideoCsvWriter) if openers else (JsonWriter, CsvWriter)
        targets = {json: settings.json, csv: settings.csv}
        writers: list[_Writer] = [
            files.enter_context(opened(t, kind)) for kind, t in targets.items() if t
        ]
        if settings.model.suffix.lower() not in EXPORTED_SUFFIXES:
            start_tensorflow()
        model = faces.load_predictor(settings.model, settings.margin)
        if "-" not in targets.values():
            table = VideoTableWriter if openers else TableWriter
            coverage = (model.age_interval or {}).get("coverage")
            writers.append(table(tqdm.write, names, coverage))
        answers = _Answers(settings, model, drawings, writers, several=len(names) > 1)
        unit = "file" if openers else "photo"
        bar = tqdm(total=len(names), unit=unit, disable=None if answers.several else True)
        files.enter_context(bar)
        for is_video, group in itertools.groupby(sources, lambda s: footage.is_video(s.path)):
            if is_video:
                for source in group:
                    answers.add_video(source.name, openers.pop(0))
                    bar.update()
            else:
                answers.add_photos(group, bar.update)
        if openers:  # the camera
            answers.add_video(names[-1], openers[0])
            bar.update()
    if answers.read:
        return 0 if answers.all_written else 2
    if answers.several:
        raise InputError(f"none of {len(names)} {unit}s can be read")
    raise InputError(f"{printable(names[0])}: {answers.reason}")


def _opener(source: PhotoPath) -> Callable[[], footage.Footage]:
    return lambda: footage.open_video(source.path, source.name)


class _Writer(Protocol):
    def add(self, result: Any) -> None: ...
    def close(self) -> None: ...


class _Answers:
    """Where results go, and what has become of them."""

    def __init__(
        self,
        settings: Settings,
        model: faces.Predictor,
        drawings: DrawnPhotos | None,
        writers: list[_Writer],
        several: bool,
    ):
        self.settings, self.model, self.drawings = settings, model, drawings
        self.writers = writers
        self.several = several  # whether there is more than one photo, video and camera
        self.read = 0  # photos and videos that could be read
        self.reason = ""  # why the last one of the others could not be
        self.all_written = True

    def add_photos(self, photos: Iterable[PhotoPath], tick: Callable[[], object]) -> None:
        """Answers photos; calls `tick` after each."""
        settings = self.settings
        for result, image in predict_photos(
            photos, self.model, settings.crops, settings.batch_size
        ):
            self._write(result, image is not None)
            if self.drawings and image is not None:
                self._try(self.drawings.write, result.name, image, result.faces)
            tick()

    def add_video(self, name: str, open_footage: Callable[[], footage.Footage]) -> None:
        """Answers one video or camera; after Ctrl-C what was seen is written as well.

        Args:
            name: As it was given.
            open_footage: Opens it.
        """
        try:
            video = open_footage()
        except footage.UnreadableVideoError as error:
            self._write(VideoResult(name, error=str(error)), False)
            return
        with video, ctrl_c_asks() as asked:
            self._write(self._watch(video, asked), True)

    def _watch(self, video: footage.Footage, asked: Callable[[], bool]) -> VideoResult:
        settings = self.settings
        watching = Watching(video, self.model, settings.search_rate)
        window = _window(video.name) if settings.show else None
        limits = settings.frames, settings.seconds
        frames = video.frames(*limits, lambda: asked() or bool(window and not window.is_open))
        with contextlib.ExitStack() as ended:
            drawing = None
            if self.drawings:
                drawing = DrawnVideo(self.drawings.free_path(video.name, ".mp4"), video.fps)
                self.drawings.taken.add(str(drawing.path.resolve()))
                ended.callback(self._try, drawing.close)
            total = video.frames_expected(*limits)
            bar = tqdm(total=total, unit="frame", disable=None, leave=False)
            ended.enter_context(bar)
            if window:
                ended.callback(window.close)
            for frame, seen in watching.frames(frames):
                if drawing or window:
                    picture = drawn(frame.image, seen)
                    if drawing and not self._try(drawing.add, picture, frame.second):
                        drawing = None
                    if window:
                        window.show(picture)
                bar.update()
        return watching.result()

    def _write(self, result: Any, is_read: bool) -> None:
        self.read += is_read
        self.reason = result.error or self.reason
        for writer in self.writers[:]:
            # Why one photo alone cannot be read is the command's last line anyway.
            wanted = self.several or is_read or not isinstance(writer, TableWriter)
            if wanted and not self._try(writer.add, result):
                self.writers.remove(writer)
                self._try(writer.close)

    def _try(self, write: Callable[..., object], *arguments: object) -> bool:
        """Writes something; a file that cannot be written is reported, and the others continue."""
        try:
            write(*arguments)
        except OSError as error:
            if error.filename in (None, SCREEN) or isinstance(error, BrokenPipeError):
                raise
            tqdm.write(f"error: {printable(error.filename)}: {error.strerror}", file=sys.stderr)
            self.all_written = False
            return False
        return True


def _window(title: str) -> Window | None:
    """A window, or a line that says why there is none."""
    try:
        return Window(title)
    except NoWindowError as error:
        tqdm.write(f"--show: there is no window: {error}", file=sys.stderr)
        return None
