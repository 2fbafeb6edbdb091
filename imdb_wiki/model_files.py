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
from imdb_wiki.own_files import Kind

if TYPE_CHECKING:  # an exported model is used without Keras and TensorFlow
    import keras

MODEL_FILE = "model.keras"  # what a training calls it
CONFIG_NAME = "config.json"  # in the zip, as Keras names it
WEIGHTS_NAME = "model.weights.h5"
# The largest network here has 0.11 GB. More is no model of this project; unpacked, it would fill
# the memory before anything else could be said of it.
MAX_MODEL_BYTES = 1_000_000_000
MAX_IMAGE_SIDE = 2048  # in pixels, of a model's input
# How a model of the contract is told from other files; Keras does not compress the config.
MODEL_KIND = Kind("model for age and gender", (CONFIG_NAME.encode(), b'"age_years"', b'"gender"'))


def save_model(model: "keras.Model", path: str | PathLike) -> None:
    """Saves a model for use: without optimizer and loss, computing in float32, for any Keras 3.

    Args:
        model: A functional model of built-in layers.
        path: Where to, ending in `.keras`; an older file is replaced only by a whole new one.

    Raises:
        OSError: The file cannot be written; the error names it, and an older one is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, model_bytes(model, path))


def model_bytes(model: "keras.Model", path: Path) -> bytes:
    """Makes the content of a model's file, as `save_model` writes it.

    Args:
        model: A functional model of built-in layers.
        path: The file that it is for; Keras writes a draft of it beside.

    Raises:
        OSError: There is no room for the draft; the error names the file.
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
    draft = path.with_name(f"partial-{path.stem}.keras")  # Keras asks for the ending
    try:
        plain.save(draft)
        return for_any_keras(draft.read_bytes())
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


def for_any_keras(content: bytes) -> bytes:
    """Rewrites a `.keras` file so that every Keras from 3.0 on reads it; its weights stay.

    Args:
        content: The file of a functional model of built-in layers, saved by a newer Keras.
    """
    rewritten = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(rewritten, "w") as written:
        for member in given.infolist():
            data = given.read(member)
            if member.filename == CONFIG_NAME:
                data = json.dumps(plain_config(json.loads(data))).encode()
            written.writestr(member, data)
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
    _refuse_bomb(path)
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
    """Looks at a model file's size before it is read.

    Raises:
        InputError: It is above `MAX_MODEL_BYTES`.
    """
    _refuse_more(path, "has", path.stat().st_size)


def _refuse_bomb(path: Path) -> None:
    """Looks at what a `.keras` file says that it unpacks to; no more than that is unpacked."""
    if not zipfile.is_zipfile(path):
        return  # Keras says what it is not
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked_bytes = sum(member.file_size for member in archive.infolist())
            _refuse_more(path, "unpacks to", unpacked_bytes)
            _refuse_more(path, "holds weights of", _weights_bytes(archive))
    except InputError:
        raise
    except Exception as error:  # whatever a damaged zip or HDF5 file raises
        raise InputError(f"{path} is not a saved Keras model: {first_line(error)}") from error


def _refuse_more(path: Path, verb: str, size_bytes: int) -> None:
    if size_bytes > MAX_MODEL_BYTES:
        most = f"for a model at most {MAX_MODEL_BYTES / 1e9:g} GB is read"
        raise InputError(f"{path} {verb} {size_bytes / 1e9:.1f} GB: {most}")


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
            f"{path} answers NaN or infinity instead of numbers ({', '.join(broken)}), as after a "
            "training whose loss became NaN: take an earlier model, or train again"
        )
