#!/usr/bin/env python3
"""Finds the faces in photos and says their ages and genders.

    python imdb_wiki_predict.py photo.jpg
    python imdb_wiki_predict.py holidays/ --csv faces.csv --output_dir drawn

Prints a line a face: its box in pixels, the age in years with the interval that holds it nine times
in ten, and the likelier gender label. A photo that cannot be read or shows no face is said on its
line and stops nothing. Exit code 0 if at least one photo was read, 2 if nothing could be done.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from imdb_wiki.command import OneLineParser, quiet_tensorflow

DEFAULT_MODEL = Path(__file__).parent / "models" / "compact.keras"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add = parser.add_argument
    add("photos", nargs="+", type=Path, metavar="PHOTO", help="photos, or folders of photos")
    add(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        help=".keras, .tflite or .onnx, with its .json beside it (default: the shipped one)",
    )
    add("--crops", action="store_true", help="each photo already is the crop of one face")
    add(
        "--margin",
        type=_margin,
        help="for a model without .json: what its crops show beyond a face chip, as a share of the "
        "chip's side (0 for UTKFace's chips, 0.45 for the crops of IMDB and WIKI)",
    )
    add("--json", metavar="FILE", help="write the answers as JSON; - for the screen")
    add("--csv", metavar="FILE", help="write the answers as CSV; - for the screen")
    add("--output_dir", type=Path, help="write the photos with boxes and labels drawn")
    add("--batch_size", type=_batch_size, default=32, help="faces a step (default: 32)")
    chosen = parser.parse_args(arguments)
    if chosen.json == "-" == chosen.csv:
        parser.error("arguments --json - and --csv -: only one of them can go to the screen")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    chosen = parse_arguments(arguments)
    for stream in (sys.stdout, sys.stderr):  # no name of a file may end the run
        stream.reconfigure(errors="backslashreplace")
    from imdb_wiki.errors import InputError

    try:
        return _run(chosen)
    except KeyboardInterrupt:
        return _say("stopped; what was answered is written", 130)
    except BrokenPipeError:  # whoever read our lines has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        return _say(str(error), 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}", 2)


def _run(chosen: argparse.Namespace) -> int:
    from tqdm import tqdm

    from imdb_wiki.annotation import DrawnPhotos
    from imdb_wiki.prediction import load_predictor
    from imdb_wiki.prediction_output import CsvWriter, JsonWriter, TableWriter
    from imdb_wiki.prediction_stream import list_photos, predict_photos

    with quiet_tensorflow():
        model = load_predictor(chosen.model, chosen.margin)
    photos = list_photos(chosen.photos, left_out=chosen.output_dir)
    several = len(photos) > 1
    read, error = 0, ""
    with contextlib.ExitStack() as files:
        writers = []
        if "-" not in (chosen.json, chosen.csv):
            coverage = (model.age_interval or {}).get("coverage")
            writers.append(TableWriter(tqdm.write, [photo.name for photo in photos], coverage))
        for target, writer_class in ((chosen.json, JsonWriter), (chosen.csv, CsvWriter)):
            if target:
                writers.append(writer_class(files.enter_context(_opened(target))))
        drawn = chosen.output_dir and DrawnPhotos(chosen.output_dir, [p.path for p in photos])
        for writer in writers:
            files.callback(writer.close)  # whatever happens, JSON's list is ended
        bar = tqdm(total=len(photos), unit="photo", disable=None if several else True)
        files.enter_context(bar)
        for result, image in predict_photos(photos, model, chosen.crops, chosen.batch_size):
            read += image is not None
            error = result.error or error
            for writer in writers:
                if several or not result.error or not isinstance(writer, TableWriter):
                    writer.add(result)
            if drawn and image is not None:
                drawn.write(result.name, image, result.faces)
            bar.update()
    if read:
        return 0
    what = f"none of {len(photos)} photos can be read" if several else f"{photos[0].name}: {error}"
    return _say(what, 2)


@contextlib.contextmanager
def _opened(target: str):
    if target == "-":
        yield sys.stdout
        return
    # newline="": CSV's own line ends; a name that is no UTF-8 is written as escapes
    with Path(target).open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        yield file


def _say(message: str, exit_code: int) -> int:
    print(f"imdb_wiki_predict.py: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


def _margin(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 2")
    return value


def _batch_size(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number from 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
