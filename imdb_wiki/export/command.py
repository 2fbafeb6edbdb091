"""The command `python -m imdb_wiki export`."""

from pathlib import Path

from imdb_wiki.command import OneLineParser, says_errors_in_one_line
from imdb_wiki.export.convert import SUFFIXES, default_output, export, look_first
from imdb_wiki.tensorflow_start import start_tensorflow
from imdb_wiki.terminal import print_anywhere


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input or an export that differs."""
    parser = OneLineParser(
        prog="python -m imdb_wiki export",
        description="Exports a .keras model to LiteRT or ONNX, checks that the file answers as the "
        "model does, and keeps it only then.",
        epilog="A file that is there is replaced only if it is an earlier export.",
    )
    add = parser.add_argument_group("what is exported").add_argument
    add("model", type=Path, metavar="MODEL", help="a .keras file; its .json goes along")
    add(
        "--to",
        choices=SUFFIXES,
        required=True,
        help="the format: litert (.tflite, for phones) or onnx (.onnx, for ONNX Runtime)",
    )
    add(
        "--quantize",
        choices=["int8"],
        help="8-bit weights and activations: a quarter of the size (default: 32-bit floats)",
    )
    add = parser.add_argument_group("check and result").add_argument
    add(
        "--prepared_dir",
        type=Path,
        metavar="DIR",
        help="folder of imdb_wiki_preparation.py: the crops of its validation split check the "
        "export, those of its training split calibrate int8 (default: 64 drawn faces check a float "
        "export; int8 needs a folder)",
    )
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write, ending in .tflite or .onnx (default: beside the model, under its "
        "name, with -int8 where it is quantized)",
    )
    options = parser.parse_args(arguments)
    print_anywhere()
    output = options.output or default_output(options.model, options.to, options.quantize)
    look_first(options.model, options.to, options.prepared_dir, options.quantize, output)
    start_tensorflow()
    path, text = export(
        options.model, options.to, options.prepared_dir, options.quantize, options.output
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {text}")
    return 0
