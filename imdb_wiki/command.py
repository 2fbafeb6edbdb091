"""What every command line here shares: errors in one line, and silence where nothing is wrong."""

import argparse
import functools
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from imdb_wiki.errors import InputError

MAX_BATCH_SIZE = 65_536  # more is a mistake, and would be noticed only when the memory is full


class HelpFormatter(argparse.HelpFormatter):
    """Says of every option what is used without it, in lines that can be read on a wide screen."""

    def __init__(self, prog: str, **options):
        """Takes what `argparse.HelpFormatter` takes; the lines have 100 characters at most."""
        columns = min(100, shutil.get_terminal_size().columns)
        super().__init__(prog, **{"max_help_position": 30, "width": columns - 2} | options)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if not action.option_strings or "default" in text or action.default == argparse.SUPPRESS:
            return text
        if action.required:
            return f"{text} (required)"
        if action.default is None:
            return text
        default = action.default
        if action.nargs == 0:  # a switch
            default = "on" if default else "off"
        elif isinstance(default, bool):
            default = int(default)
        return f"{text} (default: {str(default).replace('%', '%%')})"

    def _split_lines(self, text: str, width: int) -> list[str]:
        together = text.replace("(default: ", "(default:\0")  # with the first word of the value
        return [line.replace("\0", " ") for line in super()._split_lines(together, width)]


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong with the command line in one line, and defaults in its help."""

    def __init__(self, *arguments, **options):
        """Takes what `argparse.ArgumentParser` takes; options must be spelled out."""
        defaults = {"formatter_class": HelpFormatter, "allow_abbrev": False}
        super().__init__(*arguments, **defaults | options)

    def error(self, message: str):
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; --help lists the arguments\n")


def called_as(name: str) -> str | None:
    """How a script that is a command, too, was called.

    Args:
        name: The command's.

    Returns:
        `python -m imdb_wiki NAME` if that runs; else None, with which a parser takes the script's
        file name.
    """
    runs_house = Path(sys.argv[0]).parts[-2:] == ("imdb_wiki", "__main__.py")
    return f"python -m imdb_wiki {name}" if runs_house else None


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Makes an argument's `type`: a whole number from `least` to `most`, both allowed."""

    def whole(text: str) -> int:
        value = int(text)
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text} is not {_range(least, most)}")
        return value

    whole.__name__ = "whole number"  # argparse names it where `int` fails
    return whole


def number(
    least: float = -math.inf, most: float | None = None, above: bool = False, below: bool = False
) -> Callable[[str], float]:
    """Makes an argument's `type`: a finite number from `least` to `most`.

    Args:
        least: The smallest that is allowed.
        most: The largest; None for any.
        above: Whether `least` itself is not allowed.
        below: Whether `most` itself is not allowed.
    """

    def finite(text: str) -> float:
        value = float(text)
        too_small = value <= least if above else value < least
        too_large = most is not None and (value >= most if below else value > most)
        if not math.isfinite(value) or too_small or too_large:
            raise argparse.ArgumentTypeError(f"{text} is not {_range(least, most, above, below)}")
        return value

    finite.__name__ = "number"
    return finite


def yes_or_no(text: str) -> bool:
    """An argument's `type`: 1 or 0, for what is on or off by default."""
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 (off) or 1 (on)")
    return text == "1"


def one_of(*names: str) -> Callable[[str], str]:
    """Makes an argument's `type`: one of some names."""

    def name(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return name


def _range(least: float, most: float | None, above: bool = False, below: bool = False) -> str:
    if least == -math.inf and most is None:
        return "a finite number"
    start = f"above {least:g}" if above else f"{least:g} or more"
    if most is None:
        return f"a number {start}" if above else start
    end = f"below {most:g}" if below else f"at most {most:g}"
    return f"{start} and {end}" if above or below else f"from {least:g} to {most:g}"


def first_line(error: Exception) -> str:
    """Says an error in one line, by its type if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def tell(text: str) -> None:
    """Prints a line to standard error, or nowhere if that is closed (`print` would use the other).

    Args:
        text: One line, whatever characters it has.
    """
    if sys.stderr is not None:
        print(text, file=sys.stderr)


def says_errors_in_one_line(main: Callable[..., int]) -> Callable[..., int]:
    """Makes a command's `main` say in one line why it ends, without a traceback.

    Wrong input or a file that cannot be read or written: exit code 2, with the file's name. Ctrl-C:
    exit code 130, as shells expect; if the `KeyboardInterrupt` has a message, such as how to go on,
    it is printed as well. Standard output whose reader has ended (`| head`): 141, no message.
    """

    @functools.wraps(main)
    def wrapped(*arguments, **options) -> int:
        try:
            if hasattr(sys.stdout, "reconfigure"):
                # A terminal that is not UTF-8 lacks characters; and a file's name may have bytes
                # that are none.
                sys.stdout.reconfigure(errors="backslashreplace")
            # Figures are drawn without a window. A backend that is set for another program may not
            # exist here, and matplotlib would not be imported.
            os.environ.pop("MPLBACKEND", None)
            code = main(*arguments, **options)
            if sys.stdout is not None:
                sys.stdout.flush()  # an error of writing is reported here, not while Python ends
            return code
        except KeyboardInterrupt as why:
            return _stopped(*why.args)
        except Exception as error:
            if _comes_of_ctrl_c(error):
                return _stopped()
            if not isinstance(error, OSError | InputError):
                raise
            if _output_is_lost(error) and isinstance(error, BrokenPipeError):
                return 128 + signal.SIGPIPE
            tell(f"error: {_with_its_file(error)}")
            return 2

    return wrapped


def _stopped(*how_to_go_on: object) -> int:
    # After a Ctrl-C inside of `exec`, which dataclasses use, `python -m` ends by the signal and not
    # by our exit code; the next `exec` makes it forget that.
    exec("")
    tell("; ".join(["stopped", *map(str, how_to_go_on)]))
    return 130


def _with_its_file(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return first_line(error)


def _comes_of_ctrl_c(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: C++ modules turn it into an ImportError, for example."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _output_is_lost(error: Exception) -> bool:
    """Says whether standard output takes nothing any more, and if so forgets what it holds."""
    lost = isinstance(error, BrokenPipeError)  # no file breaks like this, only a pipe's end
    try:
        if sys.stdout is not None and not lost:
            sys.stdout.flush()
    except OSError:
        lost = True
    if lost:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return lost


def add_folders_argument(add: Callable, more: str = "") -> None:
    """Adds `prepared_dirs`, as all commands that read prepared folders call them.

    Args:
        add: `add_argument` of a parser or of its group.
        more: What the help says besides.
    """
    add(
        "prepared_dirs",
        nargs="+",
        metavar="PREPARED_DIR",
        help=f"folders of imdb_wiki_preparation.py, pooled{more}",
    )


def add_left_out_argument(add: Callable) -> None:
    """Adds `--left_out`, the list of an audit or a review."""
    add(
        "--left_out",
        type=Path,
        metavar="FILE",
        help="list of faces that are not read, left_out.csv of an audit (default: none)",
    )


def add_run_dir_argument(add: Callable, what: str) -> None:
    """Adds `--run_dir`, as all commands that train call the folder which they go on from.

    Args:
        add: `add_argument` of a parser or of its group.
        what: What the help says of it.
    """
    add("--run_dir", type=Path, required=True, metavar="DIR", help=f"folder {what}")


def add_batch_size_argument(add: Callable) -> None:
    """Adds `--batch_size`."""
    add(
        "--batch_size",
        type=whole_number(1, MAX_BATCH_SIZE),
        default=64,
        metavar="IMAGES",
        help="images a step",
    )
