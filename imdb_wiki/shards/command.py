"""The command `python -m imdb_wiki shards`."""

from pathlib import Path

from imdb_wiki.command import (
    OneLineParser,
    add_folders_argument,
    says_errors_in_one_line,
    whole_number,
)
from imdb_wiki.terminal import print_anywhere


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    parser = OneLineParser(
        prog="python -m imdb_wiki shards",
        description="Copies prepared folders into shards, tar files in WebDataset's form, which a "
        "training reads one after the other; stopped at any moment, the same command goes on.",
    )
    add = parser.add_argument_group("data and result").add_argument
    add_folders_argument(add)
    add("--output_dir", type=Path, required=True, metavar="DIR", help="folder for the shards")
    add = parser.add_argument_group("how the faces are dealt").add_argument
    add(
        "--faces_per_shard",
        type=whole_number(1),
        default=10_000,  # 50 to 200 MB: large for a file system, small beside a memory
        metavar="FACES",
        help="faces a shard",
    )
    add(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="SEED",
        help="whole number that the dealing is drawn from",
    )
    options = parser.parse_args(arguments)
    print_anywhere()
    from imdb_wiki.shards.writing import write_shards

    splits = write_shards(
        options.prepared_dirs, options.output_dir, options.faces_per_shard, options.seed
    )
    for name, split in splits.items():
        print(f"{name}: {split.faces:,} faces in {len(split.bytes_of):,} shards")
    print(f"shards: {options.output_dir}")
    return 0
