#!/usr/bin/env python3
"""Turns the IMDB-WIKI faces into clean class folders and CSVs.

    python imdb_wiki_preparation.py --output_dir data/imdb --db_path imdb_crop/imdb.mat

Afterwards `<output_dir>` holds crop/<train|val|test>/<female|male>/*.jpg, one CSV a split,
rejects.csv with every row left out and the rule that did it, report.json and figures/.
"""

import argparse
import os
import sys
from pathlib import Path

from imdb_wiki.command import OneLineParser

# Nothing heavy is imported up here: every worker process imports this file anew.


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(
        description="Turns the IMDB-WIKI faces into clean class folders and CSVs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--output_dir", type=Path, required=True, help="where the result goes")
    add(
        "--dataset",
        choices=("imdb", "wiki", "utkface", "sample"),
        default="imdb",
        help="which layout the input has; sample draws synthetic faces and needs no input",
    )
    add("--db_path", type=Path, help="the .mat (default: imdb_crop/imdb.mat, wiki_crop/wiki.mat)")
    add(
        "--photo_dir",
        type=Path,
        help="the photos' folder or .tar (default: the folder of --db_path)",
    )
    add("--download", action="store_true", help="fetch the archive first, into --photo_dir")
    add("--url", help="a mirror of the archive (default: the data set's own page)")
    add("--min_score", type=_finite, default=1.0, help="least face score that is kept")
    add("--img_size", type=_integer(8, 4096), default=200, help="side of the crops in pixels")
    add("--split_ratio", type=_finite, default=0.7, help="train's share of the images")
    add("--test_ratio", type=_finite, default=0.15, help="test's share; val is the rest")
    add(
        "--split_file",
        type=Path,
        help="a list of val's and test's photos, which decides instead of shares and seed",
    )
    add(
        "--split_by",
        choices=("identity", "image"),
        default="identity",
        help="identity: no person in two splits",
    )
    add(
        "--seed",
        type=_integer(0, 2**32 - 1),
        default=0,
        help="of the split, and of the sample's drawings",
    )
    add(
        "--workers",
        type=_integer(1, 1024),
        default=os.cpu_count() or 1,
        help="processes; the result is the same with any number",
    )
    add("--jpeg_quality", type=_integer(1, 100), default=95, help="of the crops")
    add("--overwrite", action="store_true", help="remove the preparation in --output_dir first")
    chosen = parser.parse_args(arguments)

    if not 0 < chosen.split_ratio < 1:
        parser.error(f"argument --split_ratio: {chosen.split_ratio:g} is not between 0 and 1")
    if not 0 <= chosen.test_ratio < 1:
        parser.error(f"argument --test_ratio: {chosen.test_ratio:g} is not from 0 to below 1")
    if chosen.split_ratio + chosen.test_ratio > 1 - 1e-9:  # 0.7 + 0.3 in floats is a little off
        parser.error(
            f"arguments --split_ratio {chosen.split_ratio:g} and --test_ratio "
            f"{chosen.test_ratio:g} leave no images for validation"
        )
    if chosen.dataset == "utkface" and chosen.photo_dir is None:
        parser.error("argument --photo_dir: needed with --dataset utkface, it is its folder")
    if chosen.download and chosen.dataset not in ("imdb", "wiki"):
        parser.error("argument --download: only imdb and wiki can be fetched")
    if chosen.url and not chosen.download:
        parser.error("argument --url: needs --download")
    if chosen.download:
        archive_name = f"{chosen.dataset}_crop.tar"
        if chosen.photo_dir is None or chosen.photo_dir.is_dir():
            chosen.photo_dir = (chosen.photo_dir or Path()) / archive_name
    if chosen.dataset in ("imdb", "wiki"):
        # An archive brings its .mat along.
        photos_in_folder = chosen.photo_dir is None or chosen.photo_dir.is_dir()
        if chosen.db_path is None and photos_in_folder:
            chosen.db_path = Path(f"{chosen.dataset}_crop", f"{chosen.dataset}.mat")
        if chosen.photo_dir is None:
            chosen.photo_dir = chosen.db_path.parent
    else:
        chosen.db_path = None
    if chosen.dataset == "sample":
        chosen.photo_dir = None
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Runs the preparation; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    chosen = parse_arguments(arguments)
    try:
        return _run(chosen)
    except KeyboardInterrupt:
        return _say(f"stopped; {_how_to_continue(chosen)}", 130)


def _run(chosen: argparse.Namespace) -> int:
    from imdb_wiki.errors import InputError
    from imdb_wiki.preparation import Settings, is_finished, prepare
    from imdb_wiki.report import report_text

    arguments = vars(chosen).copy()
    download_wanted, url = arguments.pop("download"), arguments.pop("url")
    settings = Settings(**arguments)
    try:
        if download_wanted and not is_finished(settings):
            from imdb_wiki.download import ARCHIVE_URL, download

            download(url or ARCHIVE_URL.format(dataset=settings.dataset), settings.photo_dir)
        report = prepare(settings)
    except InputError as error:
        return _say(str(error), 2)
    except OSError as error:
        where = error.filename or settings.output_dir
        return _say(f"{where}: {error.strerror or error}; {_how_to_continue(chosen)}", 2)
    if report.get("already_finished"):
        print(f"{settings.output_dir}: already prepared with these arguments, nothing to do")
        return 0
    print(report_text(report))
    if settings.split_by == "identity" and report["split_by"] == "image":
        print("this data set names no people, so the split is by image")
    print(f"in {settings.output_dir}")
    return 0


def _how_to_continue(chosen: argparse.Namespace) -> str:
    return f"the same command{' without --overwrite' if chosen.overwrite else ''} continues"


def _say(message: str, exit_code: int) -> int:
    print(f"imdb_wiki_preparation.py: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


def _finite(text: str) -> float:
    value = float(text)
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def _integer(least: int, most: int):
    def integer(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not from {least} to {most}")
        return value

    return integer


if __name__ == "__main__":
    sys.exit(main())
