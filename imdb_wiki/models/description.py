"""What the `.json` beside a model says: how faces are cut for it, and its interval constants."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from imdb_wiki.errors import InputError
from imdb_wiki.faces.framing import BOXES, COLOUR_ORDERS, PADDINGS, RESAMPLINGS, Framing
from imdb_wiki.files import Kind, parse_json

DESCRIPTION_KIND = Kind("model's .json", (b'"framing"',))
MOST_DESCRIPTION_BYTES = 10_000_000  # the shipped one has 1,433
MOST_FACTOR = 1000  # of an age interval's standard deviations; more reach from 0 to 100 years
MOST_MARGIN = 2  # no training data shows more than five faces' width


@dataclass(frozen=True)
class Description:
    """What a model's `.json` says."""

    framing: Framing
    image_size: int | None = None  # side of the square input in pixels
    age_interval: dict | None = None  # constants of `intervals.age_interval`


def find_description(model_path: Path) -> Path | None:
    """The `.json` beside a model: of the same stem, or of the model that an export was made of.

    For `compact-int8.tflite` that is `compact-int8.json`, or else `compact.json`. Only such an
    export takes another file's: for another model, faces may have to be cut in another way.
    """
    stems = [model_path.stem]
    if model_path.suffix.lower() in (".tflite", ".onnx"):
        # As `export.convert.default_output` names it.
        stems.append(model_path.stem.removesuffix("-int8"))
    paths = (model_path.with_name(f"{stem}.json") for stem in stems)
    return next((path for path in paths if path.is_file()), None)


def read_description(path: Path) -> Description:
    """Reads a model's `.json`.

    Raises:
        InputError: It is not JSON, lacks something, or has a value that is not known here.
    """
    try:
        if path.stat().st_size > MOST_DESCRIPTION_BYTES:
            raise ValueError(f"it has more than {MOST_DESCRIPTION_BYTES:,} bytes")
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{path} is not readable JSON: {error}") from error
    framing = data.get("framing") if isinstance(data, dict) else None
    if not isinstance(framing, dict):
        raise InputError(f"{path} has no framing: it does not say how faces are cut")
    if data.get("value_range", [0, 255]) != [0, 255]:
        raise InputError(f"{path}: value_range is {data['value_range']}, only [0, 255] is known")
    words = {"colour_order": data.get("colour_order")}
    words |= {name: framing.get(name) for name in ("box", "padding", "resampling")}
    known = {
        "box": BOXES,
        "padding": PADDINGS,
        "colour_order": COLOUR_ORDERS,
        "resampling": RESAMPLINGS,
    }
    for name, word in words.items():
        if not isinstance(word, str) or word not in known[name]:
            options = ", ".join(known[name])
            raise InputError(f"{path}: {name} is {word!r}, known is {options}")
    margin = framing.get("margin")
    if not _is_number(margin) or not 0 <= margin <= MOST_MARGIN:
        raise InputError(f"{path}: margin is {margin!r}, not a number from 0 to {MOST_MARGIN}")
    interval = data.get("age_interval")
    if interval is not None:
        needed = ("coverage", "factor", "floor_years")
        numbers = [interval.get(name) for name in needed] if isinstance(interval, dict) else [None]
        if not all(_is_number(value) and 0 <= value <= MOST_FACTOR for value in numbers):
            raise InputError(
                f"{path}: age_interval lacks one of {', '.join(needed)}, or one is not a number "
                f"from 0 to {MOST_FACTOR}"
            )
    return Description(Framing(margin=float(margin), **words), data.get("image_size"), interval)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
