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

from imdb_wiki.command import (
    OneLineParser,
    first_line,
    number,
    says_errors_in_one_line,
    whole_number,
)
from imdb_wiki.errors import InputError, StoppedError

# Nothing heavy is imported up here: every worker process imports this file anew.


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(
        description="Turns the IMDB-WIKI faces into clean class folders and CSVs. Stopped at any "
        "moment, the same command continues."
    )
    add = parser.add_argument_group("input and output").add_argument
    add(
        "--output_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder for the result; a new or an empty one",
    )
    add(
        "--dataset",
        choices=("imdb", "wiki", "utkface", "sample"),
        default="imdb",
        help="what the input is: imdb and wiki are a .mat and its photos, utkface is photos whose "
        "file names say age and gender; sample draws synthetic faces and needs no input",
    )
    add(
        "--db_path",
        type=Path,
        metavar="FILE",
        help="the .mat (default: imdb_crop/imdb.mat or wiki_crop/wiki.mat; of an archive, its own)",
    )
    add(
        "--photo_dir",
        type=Path,
        metavar="PATH",
        help="the photos: a folder, a .tar, .tar.gz or .zip, which is not unpacked "
        "(default: the folder of --db_path)",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace the preparation in --output_dir, which stays until all new crops are made",
    )

    add = parser.add_argument_group("download").add_argument
    add(
        "--download",
        action="store_true",
        help="fetch the archive of imdb (7 GB) or wiki (1 GB) first, into --photo_dir or the "
        "current folder; a broken transfer is continued",
    )
    add("--url", metavar="URL", help="where to fetch it from (default: the data set's own page)")
    add(
        "--sha256",
        type=sha256_digest,
        metavar="DIGEST",
        help="what the archive must be, 64 hexadecimal digits (default: not checked; the data "
        "set's page names none)",
    )

    add = parser.add_argument_group("rules and crops").add_argument
    add(
        "--min_score",
        type=number(),
        default=1.0,
        metavar="SCORE",
        help="the least face score that is kept; the detector's, mostly from 0 to 7",
    )
    add(
        "--img_size",
        type=whole_number(8, 4096),
        default=200,
        metavar="PIXELS",
        help="the side of the square crops",
    )
    add(
        "--jpeg_quality",
        type=whole_number(1, 100),
        default=95,
        metavar="QUALITY",
        help="the quality of the crops' JPEGs, from 1 to 100",
    )

    add = parser.add_argument_group("splits").add_argument
    add(
        "--split_ratio",
        type=number(0, 1, above=True, below=True),
        default=0.7,
        metavar="SHARE",
        help="the share of the images that is for training",
    )
    add(
        "--test_ratio",
        type=number(0, 1, below=True),
        default=0.15,
        metavar="SHARE",
        help="the share of the images that is for the test, 0 for no test; validation is the rest",
    )
    add(
        "--split_by",
        choices=("identity", "image"),
        default="identity",
        help="identity: no person is in two splits; image: only no picture is",
    )
    add(
        "--split_file",
        type=Path,
        metavar="FILE",
        help="a list of the photos of val and test, which decides instead of shares and seed "
        "(default: none)",
    )
    add(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        default=0,
        metavar="SEED",
        help="the seed of the splits, and of the sample's drawings",
    )

    add = parser.add_argument_group("machine").add_argument
    add(
        "--workers",
        type=whole_number(1, 1024),
        default=os.cpu_count() or 1,
        metavar="PROCESSES",
        help="how many processes make crops; the result is the same with any number",
    )
    chosen = parser.parse_args(arguments)
    _check_together(chosen, parser)
    return chosen


def _check_together(chosen: argparse.Namespace, parser: OneLineParser) -> None:
    """Refuses what does not go together, and fills in what follows from the rest."""
    if chosen.split_ratio + chosen.test_ratio > 1 - 1e-9:  # 0.7 + 0.3 in floats is a little off
        parser.error(
            f"arguments --split_ratio {chosen.split_ratio:g} and --test_ratio "
            f"{chosen.test_ratio:g} leave no images for validation"
        )
    has_mat = chosen.dataset in ("imdb", "wiki")
    if chosen.dataset == "utkface" and chosen.photo_dir is None:
        parser.error("argument --photo_dir: needed with --dataset utkface, it is its folder")
    if chosen.dataset == "sample" and chosen.photo_dir is not None:
        parser.error("argument --photo_dir: not with --dataset sample, which is drawn")
    for name, value in (("db_path", chosen.db_path), ("download", chosen.download)):
        if value and not has_mat:
            parser.error(f"argument --{name}: only with --dataset imdb or wiki")
    for name in ("url", "sha256"):
        if getattr(chosen, name) and not chosen.download:
            parser.error(f"argument --{name}: needs --download")
    if chosen.download:
        archive_name = f"{chosen.dataset}_crop.tar"
        if chosen.photo_dir is None or chosen.photo_dir.is_dir():
            chosen.photo_dir = (chosen.photo_dir or Path()) / archive_name
    if has_mat:
        # An archive brings its .mat along.
        photos_in_folder = chosen.photo_dir is None or chosen.photo_dir.is_dir()
        if chosen.db_path is None and photos_in_folder:
            chosen.db_path = Path(f"{chosen.dataset}_crop", f"{chosen.dataset}.mat")
        if chosen.photo_dir is None:
            chosen.photo_dir = chosen.db_path.parent


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the preparation; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    chosen = parse_arguments(arguments)
    try:
        report = _prepare(chosen)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(_how_to_continue(stop)) from None
    except StoppedError as error:
        raise InputError(f"{error}; {_how_to_continue(error)}") from None
    except OSError as error:
        where, why = error.filename or chosen.output_dir, error.strerror or first_line(error)
        raise InputError(f"{where}: {why}; {_how_to_continue(error)}") from None
    _print(report, chosen)
    return 0


def _how_to_continue(error: BaseException) -> str:
    return getattr(error, "__notes__", ["the same command continues"])[0]


def _prepare(chosen: argparse.Namespace) -> dict:
    from imdb_wiki.preparation import Settings, is_finished, prepare

    options = vars(chosen).copy()
    download_wanted, url, digest = (options.pop(name) for name in ("download", "url", "sha256"))
    settings = Settings(**options)
    if download_wanted and not is_finished(settings):
        from imdb_wiki.download import ARCHIVE_URL, download

        url = url or ARCHIVE_URL.format(dataset=settings.dataset)
        download(url, settings.photo_dir, sha256=digest)
    return prepare(settings)


def _print(report: dict, chosen: argparse.Namespace) -> None:
    from imdb_wiki.report import report_text

    if report.get("already_finished"):
        print(f"{chosen.output_dir}: already prepared with these arguments, nothing to do")
        if report["come_since"]:
            print(
                f"{report['come_since']:,} photos are there now that were not when it was "
                "prepared; --overwrite prepares them too"
            )
        return
    print(report_text(report))
    if chosen.split_by == "identity" and report["split_by"] == "image":
        print("this data set names no people, so the split is by image")
    print(f"in {chosen.output_dir}")


def sha256_digest(text: str) -> str:
    """An option's `type`: a SHA-256 digest in hexadecimal digits."""
    digest = text.strip().lower()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text} is not 64 hexadecimal digits")
    return digest


if __name__ == "__main__":
    sys.exit(main())
