"""The command lines' shared parts: ranges of numbers, and ends said in one line."""

import argparse

import pytest

from imdb_wiki.command import number, says_errors_in_one_line, whole_number, yes_or_no
from imdb_wiki.errors import InputError


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        (whole_number(1, 5), {"1": 1, "5": 5}, ["0", "6"], "is not from 1 to 5"),
        (whole_number(1), {"1": 1, "10000000": 10_000_000}, ["0", "-1"], "is not 1 or more"),
        (number(0, 1), {"0": 0.0, "1e-3": 0.001}, ["-0.1", "1.1", "nan", "inf"], "from 0 to 1"),
        (number(0, above=True), {"2": 2.0}, ["0", "nan", "inf"], "is not a number above 0"),
        (number(0, 1, below=True), {"0": 0.0}, ["1"], "is not 0 or more and below 1"),
        (number(0, 1, above=True), {"1": 1.0}, ["0"], "is not above 0 and at most 1"),
        (number(), {"-3": -3.0}, ["nan", "-inf"], "is not a finite number"),
        (yes_or_no, {"0": False, "1": True}, ["2", "yes", ""], "is not 0 (off) or 1 (on)"),
    ],
)
def test_a_number_outside_its_range_is_said_with_the_range(kind, good, bad, message):
    for text, value in good.items():
        assert kind(text) == value
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError) as refused:
            kind(text)
        assert message in str(refused.value)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("photos/a.jpg is broken\nand more"), 2, "error: photos/a.jpg is broken\n"),
        (OSError(28, "No space left on device", "a.csv"), 2, "error: a.csv: No space left on"),
        (OSError("odd"), 2, "error: odd\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_command_says_in_one_line_why_it_ends(error, code, said, capsys):
    @says_errors_in_one_line
    def main():
        raise error

    assert main() == code
    text = capsys.readouterr().err
    assert text.startswith(said)
    assert text.count("\n") == 1
