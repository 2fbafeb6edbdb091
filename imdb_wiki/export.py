"""Exports a network to LiteRT or ONNX, and keeps the file only if it answers as the network does.

As a command: python -m imdb_wiki.export models/compact.keras --to litert --quantize int8
--prepared_dir data/utkface
"""

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from imdb_wiki.command import OneLineParser, first_line, quiet_tensorflow, says_errors_in_one_line
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation import load_model
from imdb_wiki.exported import OUTPUT_SIZES, ExportedModel, load_exported
from imdb_wiki.journal import write_whole
from imdb_wiki.labels import FEMALE, MALE
from imdb_wiki.metrics import accuracy, age_mae_years

if TYPE_CHECKING:
    import keras
    import pandas as pd

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}
RELATIVE_TOLERANCE = 1e-3  # of a float export's every answer; rounding alone makes about 1e-5
# Answers below these are compared as if they were these: a millionth of a probability is noise.
RELATIVE_FLOORS = {"age_years": 1.0, "gender": 1e-3, "age_distribution": 1e-3}
AGE_TOLERANCE_YEARS = 0.15  # of a quantized export's mean absolute error
GENDER_TOLERANCE_POINTS = 0.5  # of its gender accuracy, in percentage points
CALIBRATION_CROPS = 400  # more do not move the ranges of values any further
DRAWN_FACES = 64
BATCH_SIZE = 64  # crops that are compared at once
# The last layers stay float in a quantized export: a softmax in steps of 1/256 does not sum to 1,
# and an expectation over 0–100 years makes half a year of that.
HEAD_LAYERS = re.compile(rf"/({'|'.join(OUTPUT_SIZES)})(_\d+)?/")


class Check(NamedTuple):
    """How far an export's answers are from the network's, and whether that is near enough."""

    passed: bool
    text: str  # the measured difference, in one line


def export(
    model_path: Path,
    to: str,
    prepared_dir: Path | None = None,
    quantize: str | None = None,
    output: Path | None = None,
) -> tuple[Path, str]:
    """Exports, checks, and only then gives the file its name; an older one stays until then.

    A `.json` beside the model is carried along, under the export's name.

    Args:
        model_path: A `.keras` file of the contract in `networks.py`, its image square.
        to: `litert` or `onnx`.
        prepared_dir: Folder of `imdb_wiki_preparation.py`: its validation split checks, its
            training split calibrates. Without one, drawn faces check a float export.
        quantize: `int8` for 8-bit weights and activations, input and outputs staying float; None
            for float.
        output: The file to write; by default beside the model, `compact.tflite` or
            `compact-int8.tflite`.

    Returns:
        The file that was written, and the check's result in one line.

    Raises:
        FileNotFoundError: There is no such model, or no such prepared folder.
        InputError: The model cannot be exported, or the export differs too much.
    """
    output = output or default_output(model_path, to, quantize)
    if output.suffix != SUFFIXES[to]:
        raise InputError(f"{output} does not end in {SUFFIXES[to]}")
    if quantize and prepared_dir is None:
        raise InputError("int8 is calibrated and checked on real crops: give --prepared_dir")
    model = load_model(model_path)
    height, width = model.input_shape[1:3]
    if height != width:
        raise InputError(f"{model_path} takes {width} × {height} pixels, not a square")
    frame = None if prepared_dir is None else _read_split(prepared_dir, "val")
    calibration = _calibration_crops(prepared_dir, height) if quantize else None
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"partial-{output.name}")
    try:
        _convert(model, model_path, to, partial, calibration)
        check = _check(model, load_exported(partial), frame, bool(quantize))
        if not check.passed:
            raise InputError(f"{output} was not kept: {check.text}")
        _carry_card(model_path, output)  # first: a model without it would be framed wrongly
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return output, check.text


def default_output(model_path: Path, to: str, quantize: str | None = None) -> Path:
    """Names the export of a model: beside it, e.g. `compact-int8.tflite`."""
    stem = f"{model_path.stem}-{quantize}" if quantize else model_path.stem
    return model_path.with_name(stem + SUFFIXES[to])


def _carry_card(model_path: Path, output: Path) -> None:
    card, carried = model_path.with_suffix(".json"), output.with_suffix(".json")
    if card.is_file() and card.resolve() != carried.resolve():
        write_whole(carried, card.read_bytes())


def _convert(
    model: "keras.Model",
    model_path: Path,
    to: str,
    path: Path,
    calibration: np.ndarray | None,
) -> None:
    """Writes the unchecked export; `calibration` is float32 (count, 1, size, size, 3) or None."""
    try:
        # Converters talk a lot on standard error; what is wrong they raise as well.
        with quiet_tensorflow(), tempfile.TemporaryDirectory() as scratch:
            model(np.zeros((1, *model.input_shape[1:]), "float32"))  # Keras exports what was called
            if to == "litert" and calibration is None:
                model.export(path, format="litert", verbose=False)
            elif to == "litert":
                path.write_bytes(_int8_litert(model, Path(scratch), calibration))
            elif calibration is None:
                model.export(path, format="onnx", verbose=False)
            else:
                model.export(Path(scratch, "float.onnx"), format="onnx", verbose=False)
                _int8_onnx(Path(scratch), path, calibration)
    except ImportError as error:
        needed = f"{error.name or error}: pip install -r requirements-export.txt"
        raise InputError(f"the export to {to} needs {needed}") from error
    except OSError:
        raise
    except Exception as error:  # whatever a layer that the format lacks makes a converter raise
        raise InputError(f"{model_path} has no form in {to}: {first_line(error)}") from error


def _int8_litert(model: "keras.Model", scratch: Path, calibration: np.ndarray) -> bytes:
    """Quantizes through TensorFlow's converter, whose debugger is what leaves layers float."""
    import tensorflow as tf

    model.export(scratch / "saved_model", format="tf_saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(scratch / "saved_model"))
    names = [
        tensor["name"]
        for tensor in tf.lite.Interpreter(model_content=converter.convert()).get_tensor_details()
    ]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([crop] for crop in calibration)
    options = tf.lite.experimental.QuantizationDebugOptions(
        # The graph's outputs have no layer's name any more, only the call's.
        denylisted_nodes=[
            name
            for name in names
            if HEAD_LAYERS.search(name) or name.startswith("StatefulPartitionedCall")
        ]
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=converter.representative_dataset,
        debug_options=options,
    )
    return debugger.get_nondebug_quantized_model()


def _int8_onnx(scratch: Path, path: Path, calibration: np.ndarray) -> None:
    """Quantizes `float.onnx` in the scratch folder through ONNX Runtime."""
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, input_name):
            self.feeds = ({input_name: crop} for crop in calibration)

        def get_next(self):
            return next(self.feeds, None)

    quantization.quant_pre_process(
        scratch / "float.onnx", scratch / "simple.onnx", skip_symbolic_shape=True
    )
    graph = onnx.load(scratch / "simple.onnx").graph
    quantization.quantize_static(
        scratch / "simple.onnx",
        path,
        Reader(graph.input[0].name),
        nodes_to_exclude=[node.name for node in graph.node if HEAD_LAYERS.search(node.name)],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        reduce_range=True,  # 8-bit weights overflow 16-bit sums on processors without VNNI
    )


def _read_split(prepared_dir: Path, split: str) -> "pd.DataFrame":
    from imdb_wiki.pipeline import read_split  # here: it imports TensorFlow

    return read_split(prepared_dir, split)


def _crops(frame: "pd.DataFrame", image_size: int) -> Iterable[np.ndarray]:
    """The images of some rows in batches, uint8 (batch, size, size, 3)."""
    from imdb_wiki.pipeline import make_dataset, named_broken_images

    with named_broken_images(frame):
        for images, _ in make_dataset(frame, image_size, BATCH_SIZE):
            yield images.numpy()


def _calibration_crops(prepared_dir: Path, image_size: int) -> np.ndarray:
    """Crops drawn from the training split, float32 (count, 1, size, size, 3)."""
    frame = _read_split(prepared_dir, "train")
    frame = frame.sample(min(CALIBRATION_CROPS, len(frame)), random_state=0)
    crops = np.concatenate(list(_crops(frame, image_size)))
    return crops[:, np.newaxis].astype("float32")


def _drawn_faces(image_size: int) -> np.ndarray:
    """Drawn faces, uint8 (count, size, size, 3), RGB."""
    from imdb_wiki.sample import draw_face

    rng = np.random.default_rng(0)
    ages = rng.integers(0, 101, DRAWN_FACES)
    genders = rng.choice([FEMALE, MALE], DRAWN_FACES)
    faces = [draw_face(rng, *labels, image_size) for labels in zip(ages, genders, strict=True)]
    return np.stack(faces)[..., ::-1]


def _check(
    model: "keras.Model", exported: ExportedModel, frame: "pd.DataFrame | None", quantized: bool
) -> Check:
    """Lets network and export answer the same images, and judges the difference."""
    if frame is None:
        images = _drawn_faces(exported.image_size)
        batches, count, what = [images], len(images), "drawn faces"
    else:
        batches, count, what = _crops(frame, exported.image_size), len(frame), "crops"
    wanted, given = [], []
    with tqdm(total=count, desc="checking", unit="crop", leave=False) as progress:
        for images in batches:
            wanted.append(model.predict_on_batch(images))
            given.append(exported(images))
            progress.update(len(images))
    wanted, given = _joined(wanted), _joined(given)
    if set(given) != set(wanted) & set(OUTPUT_SIZES):
        return Check(False, f"it answers {', '.join(given)}, not {', '.join(wanted)}")
    if quantized:
        return quantized_check(wanted, given, frame["age"].to_numpy(), frame["gender"].to_numpy())
    check = float_check(wanted, given)
    return check._replace(text=f"{check.text} on {count:,} {what}")


def _joined(answers: list[dict]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def float_check(wanted: dict, given: dict) -> Check:
    """Judges a float export: every answer within `RELATIVE_TOLERANCE` of the network's.

    Args:
        wanted: The network's answers, each (count, n), by name.
        given: The export's.

    Returns:
        Whether it passes, and the largest relative difference.
    """
    worst = {}
    for name, values in given.items():
        scale = np.maximum(np.abs(wanted[name]), RELATIVE_FLOORS[name])
        worst[name] = float(np.max(np.abs(values - wanted[name]) / scale))
    name = max(worst, key=lambda name: np.nan_to_num(worst[name], nan=np.inf))
    passed = worst[name] <= RELATIVE_TOLERANCE  # never where it is not a number
    text = f"{name} differs by up to {worst[name]:.1e} of itself (at most {RELATIVE_TOLERANCE:g})"
    return Check(passed, text)


def quantized_check(wanted: dict, given: dict, age_years: np.ndarray, gender: np.ndarray) -> Check:
    """Judges a quantized export: as accurate as the network, within the two tolerances.

    Args:
        wanted: The network's answers, each (count, n), by name.
        given: The export's.
        age_years: True ages, (count,).
        gender: True labels, 0 female, 1 male, (count,).

    Returns:
        Whether it passes, and both measures of both.
    """
    age = [age_mae_years(age_years, answer["age_years"][:, 0]) for answer in (wanted, given)]
    right = [100 * accuracy(gender, answer["gender"]) for answer in (wanted, given)]
    passed = (
        all(np.isfinite(values).all() for values in given.values())
        and abs(age[1] - age[0]) <= AGE_TOLERANCE_YEARS
        and abs(right[1] - right[0]) <= GENDER_TOLERANCE_POINTS
    )
    text = (
        f"age error {age[1]:.2f} years, {age[1] - age[0]:+.2f} against the float network (at most "
        f"{AGE_TOLERANCE_YEARS}), gender accuracy {right[1]:.1f} %, {right[1] - right[0]:+.1f} "
        f"points (at most {GENDER_TOLERANCE_POINTS}) on {len(gender):,} crops"
    )
    return Check(passed, text)


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input or an export that differs."""
    parser = OneLineParser(prog="python -m imdb_wiki.export", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a .keras file")
    parser.add_argument("--to", choices=SUFFIXES, required=True, help="the format")
    parser.add_argument(
        "--quantize", choices=["int8"], help="8-bit weights and activations (default: float)"
    )
    parser.add_argument(
        "--prepared_dir",
        type=Path,
        help="folder of imdb_wiki_preparation.py: its validation split checks the export, its "
        "training split calibrates int8 (default: drawn faces check, float only)",
    )
    parser.add_argument("--output", type=Path, help="file to write (default: beside the model)")
    options = parser.parse_args(arguments)
    with quiet_tensorflow():
        import tensorflow as tf

        tf.config.list_physical_devices()  # the first look for a GPU is what it talks about
    path, text = export(
        options.model, options.to, options.prepared_dir, options.quantize, options.output
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
