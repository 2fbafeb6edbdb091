#!/usr/bin/env python3
"""Finds the faces in photos and says their ages and genders.

    python imdb_wiki_predict.py photo.jpg
    python imdb_wiki_predict.py holidays/ --csv faces.csv --output_dir drawn

Prints a line a face: its box in pixels, the age in years with its 90% interval (of ten such
intervals, nine hold the true age), and the more probable gender label. A photo that cannot be read
or shows no face gets a line that says so; the others go on. Exit code 0 if at least one photo was
read and all files were written, else 2.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.terminal import print_anywhere

DEFAULT_MODEL = Path(__file__).parent / "models" / "compact.keras"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(
        description=__doc__.splitlines()[0],
        epilog="A file that this command did not write is never replaced: --json and --csv refuse "
        "it before the work begins, --output_dir takes another name, such as photo-2.jpg.",
    )
    add = parser.add_argument_group("photos").add_argument
    add(
        "photos",
        nargs="+",
        type=Path,
        metavar="PHOTO",
        help="image files, or folders: all images in them and in their folders",
    )
    add("--crops", action="store_true", help="each photo is the crop of one face: search for none")
    add = parser.add_argument_group("results, in addition to the table on the screen").add_argument
    add("--json", metavar="FILE", help="JSON file to write, - for the screen (default: none)")
    add("--csv", metavar="FILE", help="CSV file to write, - for the screen (default: none)")
    add(
        "--output_dir",
        type=Path,
        metavar="DIR",
        help="folder for the photos with boxes and labels drawn, as JPEG (default: none)",
    )
    add = parser.add_argument_group("model").add_argument
    add(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        metavar="FILE",
        help="a .keras, .tflite or .onnx file, with its .json beside it (default: "
        f"{DEFAULT_MODEL.parent.name}/{DEFAULT_MODEL.name} of this repository)",
    )
    add(
        "--margin",
        type=number(0, 2),
        metavar="SHARE",
        help="for a model without .json: what its training crops show beyond the face chip, the "
        "square that UTKFace cuts out, on each side, as a share of the chip's side: 0 for UTKFace, "
        "0.45 for IMDB and WIKI (default: what the .json says)",
    )
    add(
        "--batch_size",
        type=whole_number(1, 65_536),
        default=32,
        metavar="FACES",
        help="faces that the model answers at once; fewer need less memory",
    )
    chosen = parser.parse_args(arguments)
    if chosen.json and chosen.csv and os.path.realpath(chosen.json) == os.path.realpath(chosen.csv):
        what = "the screen" if chosen.csv == "-" else chosen.csv
        parser.error(f"arguments --json and --csv: only one of them can go to {what}")
    return chosen


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    chosen = parse_arguments(arguments)
    print_anywhere()
    from imdb_wiki.prediction.output import SCREEN, errors_name

    if sys.stdout is None:  # closed: what would be printed is not wanted
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        exit_code = _run(chosen)
        with errors_name(SCREEN):
            sys.stdout.flush()
        return exit_code
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was answered is written") from None
    except OSError as error:
        if error.filename == SCREEN:  # what waits to be printed would be tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever read our lines has seen enough
            return 0
        raise


def _run(chosen: argparse.Namespace) -> int:
    from tqdm import tqdm

    from imdb_wiki.models.exported import EXPORTED_SUFFIXES
    from imdb_wiki.prediction.annotation import DrawnPhotos
    from imdb_wiki.prediction.faces import load_predictor
    from imdb_wiki.prediction.output import CsvWriter, JsonWriter, TableWriter, opened, printable
    from imdb_wiki.prediction.stream import list_photos, predict_photos

    # Wrong input is reported before TensorFlow is imported, which takes seconds.
    if not chosen.model.is_file():
        raise FileNotFoundError(f"no such model: {chosen.model}")
    photos = list_photos(chosen.photos, left_out=chosen.output_dir)
    several = len(photos) > 1
    read, reason, all_written = 0, "", True
    with contextlib.ExitStack() as files:
        drawn = chosen.output_dir and DrawnPhotos(chosen.output_dir, [p.path for p in photos])
        targets = {JsonWriter: chosen.json, CsvWriter: chosen.csv}
        writers: list[JsonWriter | CsvWriter | TableWriter] = [
            files.enter_context(opened(t, kind)) for kind, t in targets.items() if t
        ]
        if chosen.model.suffix.lower() not in EXPORTED_SUFFIXES:
            start_tensorflow()
        model = load_predictor(chosen.model, chosen.margin)
        if "-" not in targets.values():
            coverage = (model.age_interval or {}).get("coverage")
            writers.append(TableWriter(tqdm.write, [photo.name for photo in photos], coverage))
        bar = tqdm(total=len(photos), unit="photo", disable=None if several else True)
        files.enter_context(bar)
        for result, image in predict_photos(photos, model, chosen.crops, chosen.batch_size):
            read += image is not None
            reason = result.error or reason
            for writer in writers[:]:
                # Why one photo alone cannot be read is the command's last line anyway.
                wanted = several or not result.error or not isinstance(writer, TableWriter)
                if wanted and not _done(writer.add, result):
                    all_written = False
                    writers.remove(writer)
                    _done(writer.close)
            if drawn and image is not None:
                all_written &= _done(drawn.write, result.name, image, result.faces)
            bar.update()
    if read:
        return 0 if all_written else 2
    if several:
        raise InputError(f"none of {len(photos)} photos can be read")
    raise InputError(f"{printable(photos[0].name)}: {reason}")


def _done(write: Callable[..., object], *arguments: object) -> bool:
    """Writes something; a file that cannot be written is reported, and the others continue."""
    from tqdm import tqdm

    from imdb_wiki.prediction.output import SCREEN, printable

    try:
        write(*arguments)
    except OSError as error:
        if error.filename in (None, SCREEN) or isinstance(error, BrokenPipeError):
            raise
        tqdm.write(f"error: {printable(error.filename)}: {error.strerror}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
