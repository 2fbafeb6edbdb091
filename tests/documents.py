"""What the documents print, and whether the programs would accept it."""

import argparse
import ast
import contextlib
import importlib
import importlib.util
import io
import re
import shlex
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from papermill.cli import _resolve_type

from imdb_wiki import __main__ as house
from tests.conftest import REPOSITORY

PAGES, CARDS = (sorted((REPOSITORY / folder).glob("*.md")) for folder in ("docs", "models"))
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "data/README.md", *CARDS, *PAGES]
NAMES = [str(path.relative_to(REPOSITORY)) for path in DOCUMENTS]

# Languages of code blocks. A block without one is commands.
COMMANDS, PYTHON, DATA = ("", "bash", "sh"), ("python",), ("text", "csv", "json")
# What other people's programs are called with is theirs to check.
FOREIGN = {"cd", "ffmpeg", "mkdir", "tensorboard"}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def blocks(text: str, languages: tuple[str, ...]) -> list[str]:
    return [code for language, code in _BLOCK.findall(text) if language in languages]


def languages(text: str) -> set[str]:
    return {language for language, _ in _BLOCK.findall(text)}


def without_code(text: str) -> str:
    return _BLOCK.sub("", text)


def prose(text: str) -> str:
    """A document without its code blocks and comments."""
    return _COMMENT.sub("", without_code(text))


def commands(text: str) -> list[list[str]]:
    """Every command of a document, in blocks and within sentences, as a shell would split it."""
    lines = []
    for block in blocks(text, COMMANDS):
        lines += block.replace("\\\n", " ").splitlines()
    inline = re.findall(r"`([^`\n]+)`", prose(text))
    lines += [code for code in inline if re.match(r"(\.venv/bin/|python3? |make |pip ).*\S", code)]
    found = []
    for line in lines:
        for part in line.split("&&"):
            words = shlex.split(re.sub(r"<[^>]*>", "PLACEHOLDER", part), comments=True)
            found += [words] if words else []
    return found


class Parsed(Exception):
    """A command line was accepted."""


def parse(run, arguments: list[str]) -> argparse.Namespace:
    """Gives arguments to the parser that a command really uses, and stops before the work."""
    parse_args = argparse.ArgumentParser.parse_args

    def stop(self, given=None, namespace=None):
        raise Parsed(parse_args(self, given, namespace))

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", ["command", *arguments])
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        try:
            run()
        except Parsed as parsed:
            return parsed.args[0]
        except SystemExit:
            pytest.fail(f"{shlex.join(arguments)}: {said.getvalue()}")
    raise AssertionError(f"{shlex.join(arguments)} was never parsed")


def check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m" and arguments[1] == "venv":
        return
    if arguments[:2] == ["-m", "dask"]:
        # Dask's commands are made with click.
        cli = importlib.import_module(f"distributed.cli.dask_{arguments[2]}")
        cli.main.make_context(arguments[2], arguments[3:])
        return
    if arguments[0] == "-m":
        assert arguments[1] == "imdb_wiki", arguments
        if len(arguments) == 2:
            return  # lists the commands
        module = importlib.import_module(house.COMMANDS[arguments[2]].module)
        parse(module.main, arguments[3:])
        return
    path = REPOSITORY / arguments[0]
    assert path.is_file(), f"no such script: {arguments[0]}"
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "parse_arguments"):  # it checks more than argparse does
        module.parse_arguments(arguments[1:])
    elif arguments[1:]:
        parse(module.main, arguments[1:])


def notebook_constants(path: Path) -> dict:
    cells = nbformat.read(path, as_version=4).cells
    source = next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))
    return {s.targets[0].id: ast.literal_eval(s.value) for s in ast.parse(source).body}


def check_papermill(arguments: list[str]) -> None:
    constants = notebook_constants(REPOSITORY / arguments[0])
    assert arguments[1].endswith(".ipynb")
    given, rest = {}, arguments[2:]
    while rest:
        if rest[0] == "-p":
            given[rest[1]], rest = _resolve_type(rest[2]), rest[3:]
        else:
            assert rest[0] == "-y", rest
            given |= yaml.safe_load(rest[1])
            rest = rest[2:]
    for name, value in given.items():
        assert name in constants, f"the notebook has no constant {name}"
        if name != "PREPARED_DIRS":  # one folder or a list of them
            assert type(value) is type(constants[name]), (name, value)


def check_pip(arguments: list[str]) -> None:
    assert arguments[0] == "install"
    files = sorted(REPOSITORY.glob("requirements*.txt"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    pins = [line.split("#")[0].strip() for line in lines]
    if arguments[1] == "-r":
        assert (REPOSITORY / arguments[2]).is_file(), arguments
        return
    for package in arguments[1:]:
        name, _, version = package.partition("==")
        assert version, f"{package} has no version"
        own = [pin for pin in pins if pin.startswith(f"{name.split('[')[0]}==")]
        assert own in ([], [f"{name.split('[')[0]}=={version}"]), f"{package} against {own}"


def check(command: list[str]) -> None:
    while re.match(r"[A-Z_]+=", command[0]):  # a variable of the environment
        command = command[1:]
    program, arguments = Path(command[0]).name, command[1:]
    if program in ("python", "python3"):
        check_python(arguments)
    elif program == "papermill":
        check_papermill(arguments)
    elif program == "pip":
        check_pip(arguments)
    elif program == "npm":
        assert all(re.fullmatch(r"@?[^@]+@[\d.]+", package) for package in arguments[1:])
    elif program == "jupyter":
        assert (REPOSITORY / arguments[1]).is_file(), arguments
    elif program == "make":
        targets = re.findall(r"^(\.?[\w/-]+):(?!=)", text_of("Makefile"), re.MULTILINE)
        assert set(arguments) <= set(targets), arguments
    elif program == "time":
        check([word for word in arguments if word != "-v"])
    elif program == "git":
        assert arguments[0] == "clone"
    else:
        assert program in FOREIGN, f"nothing checks {shlex.join(command)}"
