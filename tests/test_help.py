"""Every command's help and its parser: what is used without an option, what a wrong one is told."""

import argparse
import importlib
import inspect
import re
from pathlib import Path

import pytest

from imdb_wiki import __main__ as house
from imdb_wiki.command import (
    add_batch_size_argument,
    add_folders_argument,
    add_left_out_argument,
    add_run_dir_argument,
)
from tests.conftest import REPOSITORY
from tests.shared import assert_one_line, ran

FOLDERS = (REPOSITORY, REPOSITORY / "imdb_wiki", REPOSITORY / "benchmarks", REPOSITORY / "figures")
COMMANDS = [
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for folder in FOLDERS
    for path in sorted(folder.glob("*.py" if folder == REPOSITORY else "**/*.py"))
    if re.search(r"(?<!class )(OneLine|Argument)Parser\(", path.read_text(encoding="utf-8"))
]


class FoundError(Exception):
    """Brings a command's parser out of its `main`."""


@pytest.fixture(params=COMMANDS)
def parser(request, monkeypatch) -> argparse.ArgumentParser:
    def found(self, *_):
        raise FoundError(self)

    monkeypatch.setenv("COLUMNS", "300")  # a wide screen: the lines must not grow with it
    main = importlib.import_module(request.param).main
    with monkeypatch.context() as patch, pytest.raises(FoundError) as raised:
        patch.setattr(argparse.ArgumentParser, "parse_args", found)
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


def test_each_command_of_the_list_is_looked_at():
    assert {command.module for command in house.COMMANDS.values()} < set(COMMANDS)


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


def is_number(action: argparse.Action) -> bool:
    try:
        value = action.type("1")
    except (TypeError, ValueError, argparse.ArgumentTypeError):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_what_is_no_number_and_a_number_without_bounds_are_refused_in_one_line(parser):
    for action in options_of(parser):
        if action.option_strings and is_number(action):
            name = name_of(action)
            for wrong in ("nan", "many", "-" + 400 * "9"):
                line = assert_one_line(ran(parser.parse_args, f"{name}={wrong}"), name)
                assert "lambda" not in line


def test_what_an_option_refuses_is_said_in_words(parser):
    for action in options_of(parser):
        if action.option_strings and action.type not in (None, str, Path):
            done = ran(parser.parse_args, f"{name_of(action)}=\N{SNOWMAN}")
            line = assert_one_line(done, f"{name_of(action)}: ")
            # argparse's own sentence, for what raises a plain ValueError, names the function.
            assert not re.search("invalid (?!whole number|number)", line), line


def test_an_option_that_is_none_is_told_in_one_line(parser):
    for wrong in ("--no_such_option", "--no_such_option=1"):
        assert_one_line(ran(parser.parse_args, wrong))


def test_what_many_commands_take_is_said_and_read_alike(parser):
    shared = argparse.ArgumentParser()
    add_folders_argument(shared.add_argument)
    add_left_out_argument(shared.add_argument)
    add_run_dir_argument(shared.add_argument, "")
    add_batch_size_argument(shared.add_argument)
    own = {name_of(action): action for action in options_of(parser)}
    for expected in options_of(shared):
        action = own.get(name_of(expected))
        if action is None or action.metavar != expected.metavar:  # the audit writes such a list
            continue
        assert action.help.startswith(expected.help)
        assert (action.type and action.type.__name__) == (expected.type and expected.type.__name__)
        assert (action.nargs, action.required) == (expected.nargs, expected.required)


def test_help_can_be_read_on_any_screen(parser):
    assert max(map(len, parser.format_help().splitlines())) <= 100
