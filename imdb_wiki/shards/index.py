"""What a folder of shards says of itself: which files, how many faces, what labels."""

import dataclasses
import json
from os import PathLike
from pathlib import Path

from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json, write_whole
from imdb_wiki.labels import SPLIT_NAMES

INDEX_NAME = "shards.json"
PACKAGE_MISSING = "WebDataset is not installed: pip install -r requirements-shards.txt"


@dataclasses.dataclass(frozen=True)
class SplitOfShards:
    """The shards of one split."""

    faces: int
    is_plain: bool  # each face has both labels, and no age is a range
    has_ranges: bool  # an age may be a range, or be missing
    bytes_of: dict[str, int]  # size of each file, by its name


def face_name(number: int) -> str:
    """The name of a face's two files in a shard, without their endings.

    Args:
        number: Its place in the split's order, from 0.
    """
    return f"{number:012}"  # the names stay in order up to a trillion faces


def write_index(folder: Path, made_of: dict, splits: dict[str, SplitOfShards] | None) -> None:
    """Writes what the shards are made of, and once they are all there, which they are.

    Raises:
        OSError: It cannot be written.
    """
    listed = splits and {name: dataclasses.asdict(split) for name, split in splits.items()}
    write_whole(folder / INDEX_NAME, json.dumps({"made_of": made_of, "splits": listed}, indent=1))


def made_of(folder: Path) -> dict | None:
    """What the shards of a folder are made of, by its index; None where there is none.

    Raises:
        InputError: The file is no index.
    """
    return _content(folder)["made_of"] if (folder / INDEX_NAME).is_file() else None


def whole_sizes(folder: Path) -> dict[str, int]:
    """The size in bytes of each shard, by its name, once all have been written; else none."""
    splits = _content(folder)["splits"] or {}
    return {name: size for split in splits.values() for name, size in split["bytes_of"].items()}


def read_index(folder: str | PathLike, split: str) -> SplitOfShards:
    """Reads what a folder says of one split, and looks whether its shards are there and whole.

    Args:
        folder: A folder of the command `shards`.
        split: `train`, `val` or `test`.

    Raises:
        InputError: It is no such folder, its writing has not ended, it has no such split, or a
            shard is missing or of another size.
    """
    folder = Path(folder)
    splits = _content(folder)["splits"]
    if not splits:
        raise InputError(f"{folder}: its shards are not all written; the same command continues")
    if split not in splits:
        raise InputError(f"{folder} has no {split} split, only {', '.join(splits)}")
    found = SplitOfShards(**splits[split])
    for name, size in found.bytes_of.items():
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing; the command shards writes it again")
        if (there := (folder / name).stat().st_size) != size:
            raise InputError(
                f"{folder / name} has {there:,} bytes instead of {size:,}; the command shards "
                "writes it again"
            )
    return found


def _content(folder: Path) -> dict:
    path = folder / INDEX_NAME
    try:
        content = parse_json(path.read_bytes())
        fields = {field.name for field in dataclasses.fields(SplitOfShards)}
        splits = content["splits"] or {}
        if (
            isinstance(content["made_of"]["faces_per_shard"], int)
            and splits.keys() <= set(SPLIT_NAMES)
            and all(split.keys() == fields for split in splits.values())
            and all(isinstance(split["faces"], int) for split in splits.values())
            and all(
                isinstance(size, int)
                for split in splits.values()
                for size in dict(split["bytes_of"]).values()
            )
        ):
            return content
    except OSError as error:
        raise InputError(
            f"{folder} is no folder of shards: {INDEX_NAME}: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{path} is not what the command shards writes")
