"""The error for wrong input: commands print it as one line and exit with code 2."""


class InputError(ValueError):
    """Something about the input is wrong; the message says what and where, in one line."""
