"""A page on which a person decides which labels are wrong; `python -m imdb_wiki review` starts it.

It is a page of our own on Starlette, not one of Gradio's components as the page to try a model is:
a grid of 20,000 faces that the keyboard moves through needs tiles that exist only where one looks,
an answer to each key within a frame, and a decision that is sent while the next face is already
shown. Gradio would ask this process before each of these steps, and put each photo into its cache
on the disk. Starlette and uvicorn come with Gradio, so that nothing else is to be installed.

It listens at this machine alone, and nothing that it shows leaves it.
"""

import argparse
import math
import signal
import socket
import sys
from pathlib import Path

from imdb_wiki.audit.decisions import DECISIONS_NAME, Decisions
from imdb_wiki.audit.left_out import faces_to_leave_out, summary, write_left_out
from imdb_wiki.audit.suspects import Suspects, read_suspects
from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.page.hosts import bound_socket, known_hosts

HOST = "127.0.0.1"
PORT = 7861  # beside the page to try a model


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the page until Ctrl-C; returns the exit code, 2 for wrong input, 130 for Ctrl-C."""
    options = parse_arguments(arguments)
    suspects = read_suspects(options.dir)
    decisions = Decisions(options.dir / DECISIONS_NAME)
    if options.write_left_out is not None:
        rows = faces_to_leave_out(suspects, decisions.standing, options.write_left_out)
        path = write_left_out(options.dir, rows)
        print(f"{path}: {summary(rows, len(suspects))}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with bound_socket(HOST, options.port) as listener:
        _run(suspects, decisions, listener)
    return 0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(
        prog="python -m imdb_wiki review",
        description="Shows the suspects of an audit on a page in the browser, the most suspicious "
        "first, to decide which labels are wrong. Each decision is in DIR/decisions.csv at once. "
        "Ctrl-C ends it.",
    )
    parser.add_argument(
        "dir", type=Path, metavar="DIR", help="folder of an audit: its suspects.csv"
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=PORT,
        metavar="NUMBER",
        help=f"port to listen at, 0 to 65535; 0 takes any that is free (default: {PORT})",
    )
    parser.add_argument(
        "--write_left_out",
        nargs="?",
        type=number(0, 1),
        const=math.inf,
        metavar="PROBABILITY",
        help="open no page but write DIR/left_out.csv, the list that trainings take: the faces "
        "decided wrong or not a face, and of the undecided and unsure ones those whose label is "
        "wrong with this probability or more, 0 to 1; none of these without a PROBABILITY "
        "(default: open the page)",
    )
    return parser.parse_args(arguments)


def application(suspects: Suspects, decisions: Decisions, port: int):
    """The page, behind its gate, for browsers that reach it at a port; an ASGI application."""
    from imdb_wiki.review.app import Review, build_app
    from imdb_wiki.review.crops import Crops
    from imdb_wiki.review.gate import Gate

    crops = Crops(suspects.table["folder"].unique())
    return Gate(build_app(Review(suspects, crops, decisions)), known_hosts([HOST], port))


def _run(suspects: Suspects, decisions: Decisions, listener: socket.socket) -> None:
    try:
        from imdb_wiki.page.serving import serve
    except ImportError as error:
        raise InputError(f"{error}: pip install -r requirements-demo.txt") from None
    port = listener.getsockname()[1]
    app = application(suspects, decisions, port)
    decided = sum(key in decisions.standing for key in suspects.keys)
    count = f"{len(suspects):,} faces, {decided:,} decided"
    print(f"http://{HOST}:{port} - {count} - Ctrl-C ends it", flush=True)
    serve(app, listener)
