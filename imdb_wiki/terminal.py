"""What is printed reaches any terminal, and any log: no character ends a run."""

import codecs
import sys

# Replacements for the signs that the commands print, if a terminal or a log cannot show them.
_PLAIN_SIGNS = {"–": "-", "−": "-", "—": "-", "…": "~", "·": "-", "×": "x", "±": "+-", "→": "->"}


def _plain(error: UnicodeError) -> tuple[str, int]:
    r"""An error handler of `codecs`: plain signs, and escapes such as \u0141 for all others."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    plain = (
        _PLAIN_SIGNS.get(sign) or sign.encode("ascii", "backslashreplace").decode()
        for sign in unknown
    )
    return "".join(plain), error.end


codecs.register_error("plain", _plain)


def print_anywhere() -> None:
    """Lets standard output and standard error take any text, whatever their encoding is.

    Of a Latin-1 terminal, for instance, `25–43` becomes `25-43`; else it ended with a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not closed, and no notebook's, which takes any
            stream.reconfigure(errors="plain")
