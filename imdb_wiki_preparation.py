#!/usr/bin/env python3
"""Turns the IMDB-WIKI faces into clean class folders and CSVs.

    python imdb_wiki_preparation.py --output_dir data/imdb --db_path imdb_crop/imdb.mat

Afterwards `<output_dir>` holds crop/<train|val|test>/<female|male>/*.jpg, one CSV a split,
rejects.csv with every row left out and the rule that did it, report.json and figures/.
"""

import sys
from typing import TYPE_CHECKING

from imdb_wiki.command import OneLineParser, called_as, first_line, says_errors_in_one_line
from imdb_wiki.errors import InputError, StoppedError

if TYPE_CHECKING:
    from imdb_wiki.preparation.settings import Settings

# Nothing heavy is imported up here: every worker process imports this file anew.


def parse_arguments(arguments: list[str] | None = None) -> "Settings":
    """Reads the command line; wrong values end with one line and exit code 2."""
    from imdb_wiki.options import add_options
    from imdb_wiki.preparation.settings import Settings

    parser = OneLineParser(
        prog=called_as("prepare"),
        description="Turns the IMDB-WIKI faces into clean class folders and CSVs. Stopped at any "
        "moment, the same command continues.",
    )
    add_options(parser, Settings)
    options = vars(parser.parse_args(arguments))
    try:
        return Settings(**options)
    except InputError as error:
        parser.error(str(error))


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the preparation; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    settings = parse_arguments(arguments)
    try:
        report = _prepare(settings)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(_how_to_continue(stop)) from None
    except StoppedError as error:
        raise InputError(f"{error}; {_how_to_continue(error)}") from None
    except OSError as error:
        where, why = error.filename or settings.output_dir, error.strerror or first_line(error)
        raise InputError(f"{where}: {why}; {_how_to_continue(error)}") from None
    _print(report, settings)
    return 0


def _how_to_continue(error: BaseException) -> str:
    return getattr(error, "__notes__", ["the same command continues"])[0]


def _prepare(settings: "Settings") -> dict:
    from imdb_wiki.preparation.prepare import is_finished, prepare

    if settings.download and not is_finished(settings):
        from imdb_wiki.preparation.download import download

        url = settings.url or settings.source.archive_url
        assert url and settings.photo_dir, "`Settings` takes --download only where both are known"
        download(url, settings.photo_dir, sha256=settings.sha256)
    return prepare(settings)


def _print(report: dict, settings: "Settings") -> None:
    from imdb_wiki.preparation.report import report_text

    if report.get("already_finished"):
        print(f"{settings.output_dir}: already prepared with these arguments, nothing to do")
        if report["come_since"]:
            print(
                f"{report['come_since']:,} photos are there now that were not when it was "
                "prepared; --overwrite prepares them too"
            )
        return
    print(report_text(report))
    if settings.split_by == "identity" and report["split_by"] == "image":
        print("this data set names no people, so the split is by image")
    if report["split_by"] == "official" and report["people_in_two_splits"]:
        print(f"{report['people_in_two_splits']:,} people are in two of the published splits")
    print(f"in {settings.output_dir}")


if __name__ == "__main__":
    sys.exit(main())
