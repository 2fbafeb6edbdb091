#!/usr/bin/env python3
"""Finds the faces in photos and videos and says their ages and genders.

    python imdb_wiki_predict.py photo.jpg
    python imdb_wiki_predict.py holidays/ --csv faces.csv --output_dir drawn
    python imdb_wiki_predict.py clip.mp4 --csv persons.csv --output_dir drawn
    python imdb_wiki_predict.py --camera 0

Prints a line a face: its box in pixels, the age in years with its 90% interval (of ten such
intervals, nine hold the true age), and the more probable gender label. In a video, a face is
followed from frame to frame, and a line a person has the mean over the frames. A photo or video
that cannot be read or shows no face gets a line that says so; the others go on. Exit code 0 if at
least one of them was read and all files were written, else 2; 130 after Ctrl-C, which ends a video
or a camera with everything written that was seen until then.
"""

import argparse
import os
import sys
from pathlib import Path

from imdb_wiki.command import (
    MAX_BATCH_SIZE,
    OneLineParser,
    called_as,
    number,
    says_errors_in_one_line,
    whole_number,
)
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.prediction.limits import SEARCHES_PER_SECOND
from imdb_wiki.terminal import print_anywhere


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(
        prog=called_as("predict"),
        description=__doc__.splitlines()[0],
        epilog="A file that this command did not write is never replaced: --json and --csv refuse "
        "it before the work begins, --output_dir takes another name, such as photo-2.jpg.",
    )
    add = parser.add_argument_group("photos and videos").add_argument
    add(
        "photos",
        nargs="*",
        type=Path,
        metavar="PHOTO",
        help="image files, videos, or folders: all images in them and in their folders, but no "
        "videos, which take far longer: name these",
    )
    add("--crops", action="store_true", help="each photo is the crop of one face: search for none")
    add = parser.add_argument_group("videos and cameras").add_argument
    add(
        "--camera",
        type=whole_number(0, 99),
        metavar="NUMBER",
        help="watch a camera, 0 for the first, until Ctrl-C (default: none)",
    )
    add(
        "--seconds",
        type=number(0, 1e9, above=True),
        metavar="SECONDS",
        help="end each video or camera after so long (default: at its end)",
    )
    add(
        "--frames",
        type=whole_number(1, 10**12),
        metavar="FRAMES",
        help="end each video or camera after so many frames (default: at its end)",
    )
    add(
        "--search_rate",
        type=number(1, 1000),
        default=SEARCHES_PER_SECOND,
        metavar="PER_SECOND",
        help="how often faces are searched for and predicted, at most in every frame; fewer are "
        "faster, and lose who moves quickly",
    )
    add("--show", action="store_true", help="show videos and cameras in a window; q closes it")
    add = parser.add_argument_group("results, in addition to the table on the screen").add_argument
    add("--json", metavar="FILE", help="JSON file to write, - for the screen (default: none)")
    add("--csv", metavar="FILE", help="CSV file to write, - for the screen (default: none)")
    add(
        "--output_dir",
        type=Path,
        metavar="DIR",
        help="folder for photos and videos with boxes and labels drawn, as JPEG and as MP4 without "
        "sound (default: none)",
    )
    add = parser.add_argument_group("model").add_argument
    add(
        "--model",
        type=Path,
        default=SHIPPED_MODEL,
        metavar="FILE",
        help="a .keras, .tflite or .onnx file, with its .json beside it (default: "
        f"{SHIPPED_MODEL.parent.name}/{SHIPPED_MODEL.name} of this repository)",
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
        type=whole_number(1, MAX_BATCH_SIZE),
        default=32,
        metavar="FACES",
        help="faces that the model answers at once; fewer need less memory",
    )
    chosen = parser.parse_args(arguments)
    if chosen.crops and chosen.camera is not None:
        parser.error("argument --crops: it is for photos, not for a --camera")
    if not chosen.photos and chosen.camera is None:
        parser.error("name a PHOTO, a video or a --camera")
    if chosen.json and chosen.csv and os.path.realpath(chosen.json) == os.path.realpath(chosen.csv):
        what = "the screen" if chosen.csv == "-" else chosen.csv
        parser.error(f"arguments --json and --csv: only one of them can go to {what}")
    return chosen


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    chosen = parse_arguments(arguments)
    print_anywhere()
    from imdb_wiki.prediction.answering import Settings, answer
    from imdb_wiki.prediction.output import SCREEN, errors_name

    if sys.stdout is None:  # closed: what would be printed is not wanted
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        exit_code = answer(Settings(**vars(chosen)))
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


if __name__ == "__main__":
    sys.exit(main())
