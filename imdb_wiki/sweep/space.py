"""What a sweep tries: values of the notebook's constants, read from a command line and checked."""

import difflib
import json
import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from imdb_wiki.errors import InputError

LOG_RATIO = 10  # a range whose ends differ by so much is sampled by magnitude
_LARGEST_WHOLE = 2**53  # beyond it a float, as the trials' storage holds numbers, has gaps
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a word"}
_FOLDERS = "decides where a trial reads or writes: the command's own arguments do"
_REFUSED = {
    "READ_TEST_SPLIT": "stays False: a sweep never reads the test split",
    **dict.fromkeys(("PREPARED_DIRS", "RUN_DIR", "IF_RUN_DIR_IS_TAKEN", "RESULTS_CSV"), _FOLDERS),
}


class Range(NamedTuple):
    """All numbers from `low` to `high`, both included; whole ones if these are."""

    low: float
    high: float

    @property
    def is_log(self) -> bool:
        """Whether each factor is as likely as any other, not each difference."""
        return self.low > 0 and self.high / self.low >= LOG_RATIO

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1 if isinstance(self.low, int) else math.inf

    def values(self) -> Iterator[Any]:
        """All of them; only of whole numbers."""
        return iter(range(int(self.low), int(self.high) + 1))

    def suggested(self, trial: Any, name: str) -> Any:
        """The value that an Optuna trial tries: three digits of a number that is not whole."""
        if isinstance(self.low, int):
            return trial.suggest_int(name, self.low, self.high, log=self.is_log)
        value = trial.suggest_float(name, self.low, self.high, log=self.is_log)
        if self.is_log:
            rounded = float(f"{value:.3g}")
        else:  # to a thousandth of the range
            rounded = round(value, 3 - math.floor(math.log10(self.high - self.low)))
        return min(max(rounded, self.low), self.high)

    def key_of(self, value: Any) -> Any:
        """What Optuna stores for a value."""
        return value

    def text(self) -> str:
        """As one writes it on the command line."""
        return f"{self.low}..{self.high}"


class Choices(NamedTuple):
    """Some values, in no order."""

    choices: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.choices)

    @property
    def is_log(self) -> bool:
        """Never: they have no scale."""
        return False

    def values(self) -> Iterator[Any]:
        """All of them."""
        return iter(self.choices)

    def suggested(self, trial: Any, name: str) -> Any:
        """The value that an Optuna trial tries."""
        by_key = {self.key_of(value): value for value in self.choices}
        return by_key[trial.suggest_categorical(name, tuple(by_key))]

    def key_of(self, value: Any) -> str:
        """What Optuna stores for a value: it takes no lists."""
        return value_text(value)

    def text(self) -> str:
        """As one writes it on the command line."""
        return ",".join(map(value_text, self.choices))


class Space(NamedTuple):
    """What a sweep tries, and what it sets for all trials alike."""

    varied: dict[str, Range | Choices]
    fixed: dict[str, Any]

    @property
    def size(self) -> float:
        """How many combinations there are."""
        return math.prod(values.size for values in self.varied.values())

    def combinations(self) -> list[dict[str, Any]]:
        """All of them; only of a finite space."""
        parts = [values.values() for values in self.varied.values()]
        return [dict(zip(self.varied, values, strict=True)) for values in product(*parts)]


def value_text(value: Any) -> str:
    """A constant's value as one writes it on the command line; a list without blanks."""
    if isinstance(value, list):
        return f"[{','.join(map(value_text, value))}]"
    return value if isinstance(value, str) else repr(value)


def read_space(
    varied: Iterable[str], fixed: Iterable[str], constants: dict[str, Any], deciding: set[str]
) -> Space:
    """Reads what is tried and what is set, and checks it against the notebook's constants.

    Args:
        varied: Texts such as `LEARNING_RATE=1e-4..1e-2` or `BATCH_SIZE=16,32`.
        fixed: Texts such as `EPOCHS=3`.
        constants: The notebook's, by name; they say what kind of value each takes.
        deciding: Names of those that decide something until the training has ended.

    Returns:
        The space.

    Raises:
        InputError: A name or a value is wrong; the message says what would be right.
    """
    space = Space({}, {})
    for option, texts in (("--vary", varied), ("--set", fixed)):
        for text in texts:
            name, value = _name_and_value(option, text, constants, deciding)
            if name in space.varied or name in space.fixed:
                raise InputError(f"{option}: {name} is given twice")
            if option == "--vary":
                space.varied[name] = _read_values(name, value, constants[name])
            else:
                space.fixed[name] = _read_fixed(name, value, constants[name])
    return space


def _name_and_value(
    option: str, text: str, constants: dict[str, Any], deciding: set[str]
) -> tuple[str, str]:
    example = "LEARNING_RATE=1e-4..1e-2" if option == "--vary" else "EPOCHS=3"
    name, is_there, value = text.partition("=")
    if not is_there or not name.strip() or name != name.strip():
        raise InputError(f"{option}: {text!r} is not NAME=VALUE without blanks, as {example} is")
    if name not in constants:
        near = difflib.get_close_matches(name.upper(), constants, 1, 0.5)
        hint = f"do you mean {near[0]}?" if near else f"there are {', '.join(constants)}"
        raise InputError(f"{option}: the notebook has no constant {name!r}: {hint}")
    if name in _REFUSED:
        raise InputError(f"{option}: {name} {_REFUSED[name]}")
    if name not in deciding:
        raise InputError(
            f"{option}: {name} is used only after the training: no trial would differ by it"
        )
    if not value.strip():
        raise InputError(f"{option}: {name} has no value, as in {example}")
    return name, value.strip()


def _read_fixed(name: str, text: str, like: Any) -> Any:
    try:
        return _read_value(name, text, like)
    except InputError as error:
        several = ".." in text or "," in text
        more = "; --set takes one value, --vary tries several" if several else ""
        raise InputError(f"{error}{more}") from error


def _read_values(name: str, text: str, like: Any) -> Range | Choices:
    if ".." in text:
        return _read_range(name, text, like)
    parts = _split(name, text)
    values = [_read_value(name, part, like) for part in parts]
    texts = [value_text(value) for value in values]
    twice = next((one for one in texts if texts.count(one) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: {twice} is there twice")
    if len(values) == 1:
        number = isinstance(like, int | float) and not isinstance(like, bool)
        example = " or a range" if number else ""
        raise InputError(
            f"{name}: {text} is one value, --vary needs several{example}; --set {name}={text} "
            "sets it for all trials"
        )
    return Choices(tuple(values))


def _read_range(name: str, text: str, like: Any) -> Range:
    if isinstance(like, bool) or not isinstance(like, int | float):
        raise InputError(f"{name}: {text} is a range, of numbers only; several values: one,another")
    ends = text.split("..")
    if len(ends) != 2 or not all(map(str.strip, ends)) or "..." in text or "," in text:
        example = "16..64" if isinstance(like, int) else "0.001..0.1"
        raise InputError(f"{name}: {text} is not a range from..to, as {example} is")
    low, high = (_read_value(name, end, like) for end in ends)
    if low >= high:
        raise InputError(f"{name}: {text} does not go from a smaller to a larger number")
    if not math.isfinite(high - low):
        raise InputError(f"{name}: {text} is too wide a range")
    return Range(low, high)


def _split(name: str, text: str) -> list[str]:
    """Splits at the commas that are not in brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if depth not in (0, 1):
            break
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    if depth:
        raise InputError(f"{name}: {text} has a bracket too many or too few")
    if not all(map(str.strip, parts)):
        raise InputError(f"{name}: {text} has an empty value: remove a comma")
    return parts


def _read_value(name: str, text: str, like: Any) -> Any:
    text = text.strip()
    if not isinstance(like, list):
        return _read_plain(name, text, type(like))
    if not (text.startswith("[") and text.endswith("]")) or text.count("[") != 1:
        raise InputError(
            f"{name}: {text} is not a list in brackets, as {value_text(like)} is; of several "
            "lists, a comma stands between them, and quotes around all of it"
        )
    if not text[1:-1].strip():
        raise InputError(f"{name}: {text} is an empty list")
    kind = type(like[0]) if like else str
    return [_read_plain(name, part.strip(" '\""), kind) for part in text[1:-1].split(",")]


def _read_plain(name: str, text: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is str:
            if not text or not text.isprintable() or set("[]=") & set(text):
                raise ValueError
            return text
        value = kind(text)
        if not math.isfinite(value) or (kind is int and abs(value) > _LARGEST_WHOLE):
            raise ValueError
        return value
    except (ValueError, KeyError, OverflowError):
        shown = json.dumps(text, ensure_ascii=False)
        raise InputError(f"{name}: {shown} is not {_KINDS.get(kind, kind.__name__)}") from None
