"""Reads JSON that somebody else may have written."""

import json
from typing import Any


def parse_json(content: str | bytes) -> Any:
    """As `json.loads`, but every kind of damage is a `ValueError`.

    Raises:
        ValueError: it is not JSON; also if it is nested so deeply that Python's parser gives up,
            with a `RecursionError`.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("too many brackets in brackets") from error
