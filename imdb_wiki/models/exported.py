"""Runs exported models, `.tflite` and `.onnx`, through one call, without TensorFlow."""

import threading
from pathlib import Path

import numpy as np

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.files import Kind
from imdb_wiki.models.files import (
    OUTPUT_SIZES,
    WANTED_OUTPUTS,
    has_known_outputs,
    refuse_too_large,
)
from imdb_wiki.options import MAX_IMAGE_SIDE
from imdb_wiki.tensorflow_start import quiet_tensorflow

EXPORT_KIND = Kind("export of a model for age and gender", (), one_of=(b"age_years", b"gender"))


class _LiteRT:
    """A `.tflite` file in LiteRT's interpreter."""

    def __init__(self, data: bytes, threads: int | None):
        from ai_edge_litert.interpreter import Interpreter

        self._runner = Interpreter(model_content=data, num_threads=threads).get_signature_runner()
        inputs, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        self.input_shapes = {name: part["shape_signature"] for name, part in inputs.items()}
        self.output_shapes = {name: part["shape_signature"] for name, part in outputs.items()}
        self._lock = threading.Lock()  # an interpreter has one set of buffers

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predicts (batch, size, size, 3) image by image: so its buffers never change size."""
        answers = {n: np.empty((len(images), *s[1:])) for n, s in self.output_shapes.items()}
        (input_name,) = self.input_shapes
        for number in range(len(images)):
            with self._lock:
                answer = self._runner(**{input_name: images[number : number + 1]})
            for name, value in answer.items():
                answers[name][number] = value[0]
        return answers


class _OnnxRuntime:
    """An `.onnx` file in ONNX Runtime."""

    def __init__(self, data: bytes, threads: int | None):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only; they are raised as well
        options.intra_op_num_threads = threads or 0  # 0: as many as there are cores
        # Waiting threads sleep: on a busy machine, spinning ones take most of the time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        self.input_shapes = {part.name: part.shape for part in self._session.get_inputs()}
        self.output_shapes = {part.name: part.shape for part in self._session.get_outputs()}

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predicts (batch, size, size, 3) in one step."""
        (input_name,) = self.input_shapes
        names = list(self.output_shapes)
        answers = self._session.run(names, {input_name: images})
        return {name: np.asarray(answer) for name, answer in zip(names, answers, strict=True)}


_RUNTIMES = {  # by suffix: what it is called, what runs it, the package that is needed
    ".tflite": ("LiteRT", _LiteRT, "ai-edge-litert"),
    ".onnx": ("ONNX", _OnnxRuntime, "onnxruntime"),
}
EXPORTED_SUFFIXES = tuple(_RUNTIMES)


class ExportedModel:
    """A loaded export: images in, ages and genders out. Several threads may call it.

    Attributes:
        image_size: Side of the square input in pixels.
        output_names: What it answers, of `OUTPUT_SIZES`.
    """

    def __init__(self, runtime: _LiteRT | _OnnxRuntime, image_size: int):
        """Takes a runtime whose inputs and outputs were checked; see `load_exported`."""
        self._runtime = runtime
        self.image_size = image_size
        self.output_names = tuple(n for n in OUTPUT_SIZES if n in runtime.output_shapes)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predicts a batch.

        Args:
            images: (batch, size, size, 3), RGB, 0–255, uint8 or float.

        Returns:
            What the model has, of `age_years` (batch, 1) in years, `gender` (batch, 2), the
            probabilities of female and male, and `age_distribution` (batch, 101), all float32.

        Raises:
            ValueError: The images have another shape.
        """
        shape = (self.image_size, self.image_size, 3)
        if np.shape(images)[1:] != shape:
            raise ValueError(f"images are {np.shape(images)}, not (batch, {shape})")
        answers = self._runtime.run(np.ascontiguousarray(images, dtype="float32"))
        return {name: answers[name].astype("float32", copy=False) for name in self.output_names}


def load_exported(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Loads an export and checks that it keeps the contract in `imdb_wiki.networks`.

    Args:
        path: A `.tflite` or `.onnx` file.
        threads: How many threads compute; None leaves it to the runtime.

    Returns:
        The model, ready to be called.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is not a model, is cut off, is too large, has other inputs or outputs, or its
            runtime is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such model: {path}")
    if path.suffix.lower() not in _RUNTIMES:
        raise InputError(f"{path} ends neither in {' nor in '.join(EXPORTED_SUFFIXES)}")
    kind, runtime_class, package = _RUNTIMES[path.suffix.lower()]
    refuse_too_large(path)
    try:
        with quiet_tensorflow():  # LiteRT says on standard error what computes
            runtime = runtime_class(path.read_bytes(), threads)
    except ImportError as error:
        raise InputError(
            f"{path} needs {package}: pip install -r requirements-export.txt"
        ) from error
    except OSError:
        raise
    except Exception as error:  # a broken file may make a runtime raise anything
        raise InputError(f"{path} is not a whole {kind} model: {first_line(error)}") from error
    return ExportedModel(runtime, _checked_image_size(path, runtime))


def _checked_image_size(path: Path, runtime: _LiteRT | _OnnxRuntime) -> int:
    """The side of the input; raises InputError unless inputs and outputs are the contract's."""
    inputs = [tuple(shape[1:]) for shape in runtime.input_shapes.values()]
    height = inputs[0][0] if len(inputs) == 1 and len(inputs[0]) == 3 else 0
    if not (
        isinstance(height, int | np.integer) and height > 0 and inputs == [(height, height, 3)]
    ):
        takes = ", ".join(f"{n} {_shape_text(s)}" for n, s in runtime.input_shapes.items())
        raise InputError(f"{path} takes {takes or 'nothing'}, not one image (batch, size, size, 3)")
    if height > MAX_IMAGE_SIDE:
        raise InputError(f"{path} takes images of more than {MAX_IMAGE_SIDE} pixels a side")
    if not has_known_outputs(runtime.output_shapes):
        answers = ", ".join(f"{n} {_shape_text(s)}" for n, s in runtime.output_shapes.items())
        raise InputError(f"{path} answers {answers or 'nothing'}, not {WANTED_OUTPUTS}")
    return int(height)


def _shape_text(shape) -> str:
    return f"({', '.join(['batch', *map(str, shape[1:])])})"
