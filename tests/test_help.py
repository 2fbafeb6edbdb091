"""Every command's help: each option is explained with unit and default, in named groups."""

import argparse
import importlib
import inspect
import re

import pytest

from tests.conftest import REPOSITORY

FOLDERS = (REPOSITORY, REPOSITORY / "imdb_wiki", REPOSITORY / "benchmarks", REPOSITORY / "figures")
SOURCES = {
    path.relative_to(REPOSITORY): path.read_text(encoding="utf-8")
    for folder in FOLDERS
    for path in sorted(folder.glob("*.py" if folder == REPOSITORY else "**/*.py"))
}
COMMANDS = [
    ".".join(path.with_suffix("").parts)
    for path, source in SOURCES.items()
    if re.search(r"(?<!class )OneLineParser\(", source)
]
UNITS = (  # what a number may be counted in, as help or the value's name says it
    r"pixels|years|degrees|seconds|minutes|shares?|images|photos|faces|crops|views|epochs|batches|"
    r"rounds|steps|processes|bytes|MB|GB|rate|weight|score|quality|port|seed|factor|times|change|"
    r"parameters?|length|people|rows"
)
FEW_OPTIONS = 3  # need no groups


class FoundError(Exception):
    """Brings a command's parser out of its `main`."""


@pytest.fixture(params=COMMANDS)
def parser(request, monkeypatch) -> argparse.ArgumentParser:
    def found(self, *_):
        raise FoundError(self)

    monkeypatch.setenv("COLUMNS", "300")  # a wide screen: the lines must not grow with it
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", found)
    main = importlib.import_module(request.param).main
    with pytest.raises(FoundError) as raised:
        main(*[[] for _ in inspect.signature(main).parameters])
    return raised.value.args[0]


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What can be given, besides `--help`."""
    return [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)
    ]


def name_of(action: argparse.Action) -> str:
    return (action.option_strings or [action.dest])[0]


def test_every_parser_is_found():
    wanted = {"imdb_wiki_preparation", "imdb_wiki_predict", "imdb_wiki.training.compact.command"}
    assert wanted < set(COMMANDS)
    others = [path for path, source in SOURCES.items() if re.search(r"\bArgumentParser\(", source)]
    assert [str(path) for path in others if "OneLineParser" not in SOURCES[path]] == []


def test_every_option_is_explained(parser):
    formatter = parser._get_formatter()
    wrong = []
    for action in options_of(parser):
        text = formatter._expand_help(action) if action.help else ""
        if len(text.split()) < 2:
            wrong.append(f"{name_of(action)}: {text!r} explains nothing")
        said = re.search(r"\(default: .+\)|\(required\)", text, re.DOTALL)
        if action.option_strings and (not said or "default: None" in text):
            wrong.append(f"{name_of(action)}: {text!r} does not say what is used without it")
    assert wrong == []


def test_every_number_has_a_range_and_a_unit(parser):
    wrong = []
    for action in options_of(parser):
        if action.type in (int, float):
            wrong.append(f"{name_of(action)}: any number is taken")
        if not re.match(r"[a-zA-Z]", getattr(action.type, "__name__", "text")):
            wrong.append(
                f"{name_of(action)}: a wrong one is called an invalid {action.type.__name__} value"
            )
        try:
            value = action.type("1")
        except (TypeError, ValueError, argparse.ArgumentTypeError):
            continue  # no number
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not re.search(rf"(?i)\b({UNITS})\b", f"{action.metavar} {action.help}"):
            wrong.append(f"{name_of(action)}: a number of what?")
    assert wrong == []


def test_many_options_stand_in_named_groups(parser):
    unnamed = [
        name_of(action)
        for action in parser._optionals._group_actions
        if action in options_of(parser)
    ]
    given = [action for action in options_of(parser) if action.option_strings]
    assert len(given) <= FEW_OPTIONS or unnamed == []


def test_help_can_be_read_on_any_screen(parser):
    assert max(map(len, parser.format_help().splitlines())) <= 100
