"""The model file: written so that any Keras 3 reads it, read with a look at what it is.

A `.keras` file is a zip of `config.json`, which says the layers, and `model.weights.h5`.
"""

import importlib
import inspect
import io
import json
import zipfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.journal import write_whole

if TYPE_CHECKING:  # an exported model is used without Keras and TensorFlow
    import keras

CONFIG_NAME = "config.json"  # in the zip, as Keras names it
WEIGHTS_NAME = "model.weights.h5"
# The largest network here has 0.11 GB. More is no model of this project; unpacked, it would fill
# the memory before anything else could be said of it.
MAX_MODEL_BYTES = 1_000_000_000
MAX_IMAGE_SIDE = 2048  # in pixels, of a model's input


def save_model(model: "keras.Model", path: str | PathLike, note: str = "") -> None:
    """Saves a model for use: without optimizer and loss, computing in float32, for any Keras 3.

    Args:
        model: A functional model of built-in layers.
        path: Where to, ending in `.keras`; an older file is replaced only by a whole new one.
        note: A few words about the model for `read_note`, kept in the file.

    Raises:
        OSError: The file cannot be written; the error names it, and an older one is as it was.
    """
    import keras

    def in_float32(layer):
        config = layer.get_config()
        if isinstance(layer, keras.Layer):  # plain operations, such as a sum, have no dtype
            config["dtype"] = "float32"
        return type(layer).from_config(config)

    uncompiled = keras.Model(model.input, model.output, name=model.name)  # a clone takes all along
    plain = keras.models.clone_model(uncompiled, clone_function=in_float32)
    plain.set_weights(model.get_weights())
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")  # Keras asks for the ending
    try:
        plain.save(partial)
        content = for_any_keras(partial.read_bytes(), note)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
    write_whole(path, content)


def read_note(path: str | PathLike) -> str:
    """Reads what `save_model` was told to note, without loading the model.

    Args:
        path: A `.keras` file.

    Returns:
        The note; empty where there is none, or no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode()
    except (OSError, ValueError, zipfile.BadZipFile):
        return ""


def for_any_keras(content: bytes, note: str = "") -> bytes:
    """Rewrites a `.keras` file so that every Keras from 3.0 on reads it; its weights stay.

    Args:
        content: The file of a functional model of built-in layers, saved by a newer Keras.
        note: Becomes the zip's comment.
    """
    rewritten = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(rewritten, "w") as written:
        for member in given.infolist():
            data = given.read(member)
            if member.filename == CONFIG_NAME:
                data = json.dumps(plain_config(json.loads(data))).encode()
            written.writestr(member, data)
        written.comment = note.encode()
    return rewritten.getvalue()


def plain_config(config):
    """Leaves out of a Keras object's config what an older Keras does not know.

    Each Keras adds keywords to its layers and initializers, saves all of them, and refuses those
    that it does not know itself. A keyword with its default value says nothing: it is left out.

    Args:
        config: The config, or a part of it: plain dicts, lists and values.

    Returns:
        The same for every Keras 3: older ones take it, newer ones build the same object of it.
    """
    if isinstance(config, list):
        return [plain_config(part) for part in config]
    if not isinstance(config, dict):
        return config
    config = {name: plain_config(part) for name, part in config.items()}
    if not {"module", "class_name", "config"} <= config.keys():
        return config
    if config["class_name"] == "DTypePolicy":  # Keras 3.0 knows it only by its name
        return config["config"]["name"]
    config["config"] = _without_defaults(config)
    inputs = config["config"].get("input_layers")
    if inputs and isinstance(inputs[0], str):  # one input; until Keras 3.3 a list was needed
        config["config"]["input_layers"] = [inputs]
    return config


def _without_defaults(config: dict) -> dict:
    """The keywords of a Keras object's config that have another value than by default."""
    made_by = getattr(importlib.import_module(config["module"]), config["class_name"])
    parameters = inspect.signature(made_by).parameters
    kept = {}
    for name, value in config["config"].items():
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        default = list(default) if isinstance(default, tuple) else default
        same = type(value) is type(default) and value == default
        # Rescaling reads its offset without asking whether it is there. An input layer's `ragged`
        # is None by default, which it saves as false.
        if (not same or name == "offset") and (name, value) != ("ragged", False):
            kept[name] = value
    return kept


def load_model(path: str | Path) -> "keras.Model":
    """Loads a saved model and checks that it keeps the contract in `networks.py`.

    Args:
        path: A `.keras` file.

    Returns:
        The model, uncompiled.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no model, is too large, or is one with another input or other outputs.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such model: {path}")
    refuse_too_large(path)
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever one of the file's parts raises
        raise InputError(f"{path} is not a saved Keras model: {first_line(error)}") from error
    inputs = model.input_shape if isinstance(model, keras.Model) else None
    if not (isinstance(inputs, tuple) and len(inputs) == 4 and inputs[3] == 3):
        raise InputError(f"{path} takes {inputs}, not one image (batch, height, width, 3)")
    if None in inputs[1:]:
        raise InputError(f"{path} does not say its image size: it takes {inputs}")
    if max(inputs[1:3]) > MAX_IMAGE_SIDE:
        raise InputError(f"{path} takes {inputs}: more than {MAX_IMAGE_SIDE} pixels a side")
    outputs = model.output
    shapes = {k: v.shape for k, v in outputs.items()} if isinstance(outputs, dict) else {}
    if shapes.get("age_years", ())[1:] != (1,) or shapes.get("gender", ())[1:] != (2,):
        answers = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no dictionary"
        wanted = "age_years (batch, 1) and gender (batch, 2)"
        raise InputError(f"{path} answers {answers}, not {wanted}")
    return model


def refuse_too_large(path: Path) -> None:
    """Looks at a model file's size, and at what a `.keras` says that it unpacks to.

    Raises:
        InputError: It is above `MAX_MODEL_BYTES`.
    """
    sizes = {"has": path.stat().st_size}
    if zipfile.is_zipfile(path) and sizes["has"] <= MAX_MODEL_BYTES:
        try:
            with zipfile.ZipFile(path) as archive:  # which never unpacks more than is said here
                sizes["unpacks to"] = sum(member.file_size for member in archive.infolist())
                if sizes["unpacks to"] <= MAX_MODEL_BYTES:
                    sizes["holds weights of"] = _weights_bytes(archive)
        except Exception as error:  # whatever a damaged zip or HDF5 file raises
            raise InputError(f"{path} is not a saved Keras model: {first_line(error)}") from error
    for verb, size in sizes.items():
        if size > MAX_MODEL_BYTES:
            most = f"at most {MAX_MODEL_BYTES / 1e9:g} GB is read"
            raise InputError(f"{path} {verb} {size / 1e9:.1f} GB: for a model {most}")


def _weights_bytes(archive: zipfile.ZipFile) -> int:
    """What the arrays in a `.keras` file take in memory; HDF5 may hold them compressed."""
    import h5py

    if WEIGHTS_NAME not in archive.namelist():
        return 0
    sizes = []
    with archive.open(WEIGHTS_NAME) as file, h5py.File(io.BytesIO(file.read())) as weights:
        weights.visititems(
            lambda _, part: sizes.append(part.nbytes) if isinstance(part, h5py.Dataset) else None
        )
    return sum(sizes)


def refuse_nan(answers: dict[str, np.ndarray], path: str | Path) -> None:
    """Refuses answers that are no numbers, which no table and no average shows as what they are.

    Args:
        answers: A model's answers by name, such as `age_years` (batch, 1).
        path: The model's file, for the message.

    Raises:
        InputError: One of them is NaN or infinite.
    """
    broken = [name for name, values in answers.items() if not np.isfinite(values).all()]
    if broken:
        raise InputError(
            f"{path} cannot be used: its {' and '.join(broken)} is not a number (NaN), as after "
            "a training whose loss became NaN; take an earlier model or train again"
        )
