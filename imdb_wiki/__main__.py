"""`python -m imdb_wiki` lists the commands; `python -m imdb_wiki COMMAND` runs one."""

import argparse
import importlib
import sys
from typing import NamedTuple, NoReturn

from imdb_wiki.command import OneLineParser, says_errors_in_one_line


class Command(NamedTuple):
    """A command: the module whose `main` runs it, and what it does in some words."""

    module: str
    summary: str


COMMANDS = {  # in the order in which one needs them
    "prepare": Command("imdb_wiki_preparation", "turn photos and labels into a prepared folder"),
    "shards": Command("imdb_wiki.shards.command", "copy prepared faces into a few large files"),
    "train": Command("imdb_wiki.training.compact.command", "train the compact network"),
    "sweep": Command("imdb_wiki.sweep.command", "try other constants of the notebook"),
    "fine-tune": Command("imdb_wiki.fine_tuning.command", "train the network on, on own faces"),
    "audit": Command("imdb_wiki.audit.command", "say which labels are probably wrong"),
    "evaluate": Command("imdb_wiki.evaluation.command", "score a model on prepared folders"),
    "predict": Command("imdb_wiki_predict", "find the faces in photos, tell age and gender"),
    "page": Command("imdb_wiki.page.command", "a page in the browser to try a model"),
    "review": Command("imdb_wiki.review.command", "decide in the browser which labels are wrong"),
    "export": Command("imdb_wiki.export.command", "write a model as LiteRT or ONNX, and check it"),
    "ship": Command("imdb_wiki.export.shipping", "make a trained network ready for use"),
    "reproduce": Command("imdb_wiki.recipes.command", "run a chain of trainings from one file"),
    "card": Command("imdb_wiki.export.model_card", "fill the tables of a model's Markdown page"),
}


def run(name: str, arguments: list[str] | None = None) -> NoReturn:
    """Runs a command and ends with its exit code.

    Its module is imported here, and not earlier: the import may take seconds, and Ctrl-C is said in
    one line while it does.

    Args:
        name: One of `COMMANDS`.
        arguments: Those of the command; None takes the process's.
    """
    module = COMMANDS[name].module
    command = says_errors_in_one_line(lambda: importlib.import_module(module).main(arguments))
    sys.exit(command())


def main() -> NoReturn:
    """Reads the name of a command and runs it, or lists them all."""
    width = max(map(len, COMMANDS)) + 2
    listed = [f"  {name:<{width}}{about.summary}" for name, about in COMMANDS.items()]
    parser = OneLineParser(
        prog="python -m imdb_wiki",
        usage="%(prog)s COMMAND [arguments]",
        description="\n".join(["The commands, each with a --help of its own:", "", *listed]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of these")
    name = parser.parse_args(sys.argv[1:2]).command
    if not name:
        parser.print_help()
        sys.exit(0)
    if name not in COMMANDS:
        parser.error(f"there is no command {name!r}, only {', '.join(COMMANDS)}")
    run(name, sys.argv[2:])


if __name__ == "__main__":
    main()
