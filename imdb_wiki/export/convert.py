"""Exports a model to LiteRT or ONNX, and keeps the file only if it predicts as the model does.

As a command: python -m imdb_wiki export models/compact.keras --to litert --quantize int8
--prepared_dir data/utkface
"""

import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.export.check import Check, float_check, quantized_check
from imdb_wiki.files import refuse_foreign, write_together
from imdb_wiki.labels import FEMALE, MALE, MAX_AGE_YEARS, MIN_AGE_YEARS
from imdb_wiki.models.description import DESCRIPTION_KIND, find_description
from imdb_wiki.models.exported import EXPORT_KIND, ExportedModel, load_exported
from imdb_wiki.models.files import OUTPUT_SIZES, load_model, refuse_nan
from imdb_wiki.tensorflow_start import quiet_tensorflow

if TYPE_CHECKING:
    import keras
    import pandas as pd

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}
LEAST_ROOM_BYTES = 1_000_000  # with less, a converter's error is one of a full disk
CALIBRATION_CROPS = 400  # more do not move the ranges of values any further
DRAWN_FACES = 64
BATCH_SIZE = 64  # crops that are compared at once
# The last layers stay float in a quantized export: a softmax in steps of 1/256 does not sum to 1,
# which changes an expected age, a sum over 0–100 years, by half a year.
HEAD_LAYERS = re.compile(rf"/({'|'.join(OUTPUT_SIZES)})(_\d+)?/")


def export(
    model_path: Path,
    to: str,
    prepared_dir: Path | None = None,
    quantize: str | None = None,
    output: Path | None = None,
) -> tuple[Path, str]:
    """Exports and checks; only then is the file written, or an older export replaced.

    The `.json` of the model is copied, under the export's name.

    Args:
        model_path: A `.keras` file of the contract in `imdb_wiki.networks`, its image square.
        to: `litert` or `onnx`.
        prepared_dir: Folder of `imdb_wiki_preparation.py`: its validation split checks the
            export, its training split calibrates int8. Without one, drawn faces check a float
            export.
        quantize: `int8` for 8-bit weights and activations (input and outputs stay float); None for
            float.
        output: The file to write; by default beside the model, `compact.tflite` or
            `compact-int8.tflite`.

    Returns:
        The file that was written, and the check's result in one line.

    Raises:
        FileNotFoundError: There is no such model, or no such prepared folder.
        InputError: The model cannot be exported, the export differs too much, or there is another
            file of its name.
        OSError: There is no room; the error names the file or folder.
    """
    output = output or default_output(model_path, to, quantize)
    description = look_first(model_path, to, prepared_dir, quantize, output)
    model = load_model(model_path)
    height, width = model.input_shape[1:3]
    if height != width:
        raise InputError(f"{model_path} takes {width} × {height} pixels, not a square")
    frame = None if prepared_dir is None else _read_split(prepared_dir, "val")
    calibration = _calibration_crops(prepared_dir, height) if quantize and prepared_dir else None
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        unchecked = Path(scratch, f"unchecked{SUFFIXES[to]}")
        _convert(model, model_path, to, unchecked, calibration)
        check = _check(model, model_path, load_exported(unchecked), frame, bool(quantize))
        if not check.passed:
            raise InputError(f"{output} was not kept: {check.text}")
        written = {output: unchecked.read_bytes()}
    if description is not None:
        written[output.with_suffix(".json")] = description
    write_together(written)
    return output, check.text


def look_first(
    model_path: Path, to: str, prepared_dir: Path | None, quantize: str | None, output: Path
) -> bytes | None:
    """Checks, before anything is computed, what is read and the names of what is written.

    Returns:
        The content of the model's `.json`, to be written under the export's name; None if it has
        none, or if both have the same name.
    """
    if output.suffix != SUFFIXES[to]:
        raise InputError(f"{output} does not end in {SUFFIXES[to]}")
    if quantize and prepared_dir is None:
        raise InputError("int8 is calibrated and checked on real crops: give --prepared_dir")
    if not model_path.is_file():
        raise FileNotFoundError(f"no such model: {model_path}")
    if prepared_dir is not None:
        for split in ("val", "train") if quantize else ("val",):
            path = prepared_dir / f"{split}.csv"
            if not path.is_file():
                raise FileNotFoundError(f"no {split} split: {path} does not exist")
    refuse_foreign(output, EXPORT_KIND)
    description_path, carried = find_description(model_path), output.with_suffix(".json")
    if description_path is None:
        if carried.exists():
            raise InputError(
                f"{carried} exists and would be used for the export, but {model_path} has no "
                ".json: give --output another name, or move it"
            )
        return None
    if description_path.resolve() == carried.resolve():
        return None
    refuse_foreign(carried, DESCRIPTION_KIND)
    return description_path.read_bytes()


def default_output(model_path: Path, to: str, quantize: str | None = None) -> Path:
    """Names the export of a model: beside it, e.g. `compact-int8.tflite`."""
    stem = f"{model_path.stem}-{quantize}" if quantize else model_path.stem
    return model_path.with_name(stem + SUFFIXES[to])


def _convert(
    model: "keras.Model",
    model_path: Path,
    to: str,
    path: Path,
    calibration: np.ndarray | None,
) -> None:
    """Writes the unchecked export; `calibration` is float32 (count, 1, size, size, 3) or None."""
    scratch = path.parent
    try:
        # Converters write much to standard error; their errors are raised as well.
        with quiet_tensorflow():
            model.predict_on_batch(np.zeros((1, *model.input_shape[1:])))  # export needs one call
            if calibration is None:
                model.export(path, format=to, verbose=False)
            elif to == "litert":
                path.write_bytes(_int8_litert(model, scratch, calibration))
            else:
                model.export(scratch / "float.onnx", format="onnx", verbose=False)
                _int8_onnx(scratch, path, calibration)
    except ImportError as error:
        needed = f"{error.name or error}: pip install -r requirements-export.txt"
        raise InputError(f"the export to {to} needs {needed}") from error
    except Exception as error:  # a layer that the format lacks may make a converter raise anything
        if isinstance(error, OSError) or shutil.disk_usage(scratch).free < LEAST_ROOM_BYTES:
            reason = getattr(error, "strerror", None) or "No space left on device"
            raise OSError(getattr(error, "errno", None), reason, str(scratch.parent)) from error
        raise InputError(f"{model_path} has no form in {to}: {first_line(error)}") from error


def _int8_litert(model: "keras.Model", scratch: Path, calibration: np.ndarray) -> bytes:
    """Quantizes by TensorFlow's converter; its debugger is the part that can leave layers float."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    model.export(scratch / "saved_model", format="tf_saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(scratch / "saved_model"))
    names = [
        tensor["name"]
        for tensor in Interpreter(model_content=converter.convert()).get_tensor_details()
    ]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([crop] for crop in calibration)
    options = tf.lite.experimental.QuantizationDebugOptions(
        # In the graph, the outputs have the name of the call, not of a layer.
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

        # pyrefly: ignore[bad-override]  # its types lack the None that ends the crops
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

    return read_split(prepared_dir, split, incomplete=True)


def _crops(frame: "pd.DataFrame", image_size: int) -> Iterable[np.ndarray]:
    """The images of some rows in batches, uint8 (batch, size, size, 3)."""
    from imdb_wiki.pipeline import make_dataset, named_broken_images

    with named_broken_images(frame):
        for images, *_ in make_dataset(frame, image_size, BATCH_SIZE):
            yield images.numpy()


def _calibration_crops(prepared_dir: Path, image_size: int) -> np.ndarray:
    """Crops drawn from the training split, float32 (count, 1, size, size, 3)."""
    frame = _read_split(prepared_dir, "train")
    frame = frame.sample(min(CALIBRATION_CROPS, len(frame)), random_state=0)
    crops = np.concatenate(list(_crops(frame, image_size)))
    return crops[:, np.newaxis].astype("float32")


def _drawn_faces(image_size: int) -> np.ndarray:
    """Drawn faces, uint8 (count, size, size, 3), RGB."""
    from imdb_wiki.sample.draw import draw_face

    rng = np.random.default_rng(0)
    ages = rng.integers(MIN_AGE_YEARS, MAX_AGE_YEARS + 1, DRAWN_FACES)
    genders = rng.choice([FEMALE, MALE], DRAWN_FACES)
    faces = [draw_face(rng, *labels, image_size) for labels in zip(ages, genders, strict=True)]
    return np.stack(faces)[..., ::-1]


def _check(
    model: "keras.Model",
    model_path: Path,
    exported: ExportedModel,
    frame: "pd.DataFrame | None",
    quantized: bool,
) -> Check:
    """Compares the predictions of the model and of the export on the same images."""
    if frame is None:
        images = _drawn_faces(exported.image_size)
        batches, count, what = [images], len(images), "drawn faces"
    else:
        batches, count, what = _crops(frame, exported.image_size), len(frame), "crops"
    wanted, given = [], []
    with tqdm(total=count, desc="checking", unit="crop", leave=False) as progress:
        for images in batches:
            wanted.append(model.predict_on_batch(images))
            refuse_nan(wanted[-1], model_path)
            given.append(exported(images))
            progress.update(len(images))
    wanted, given = _joined(wanted), _joined(given)
    if set(given) != set(wanted) & set(OUTPUT_SIZES):
        return Check(False, f"it answers {', '.join(given)}, not {', '.join(wanted)}")
    if quantized:
        assert frame is not None, "`look_first` wants crops for int8"
        return quantized_check(wanted, given, frame[["age_low", "age_high"]], frame["gender"])
    check = float_check(wanted, given)
    return check._replace(text=f"{check.text} on {count:,} {what}")


def _joined(answers: list[dict]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
