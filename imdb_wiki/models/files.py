"""Saves models so that any Keras 3 loads them, and loads only models that can be used here.

A `.keras` file is a zip file of `config.json`, which describes the layers, and `model.weights.h5`.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.files import Kind, write_whole
from imdb_wiki.labels import AGES_YEARS, GENDER_NAMES, TASK_OUTPUTS
from imdb_wiki.options import MAX_IMAGE_SIDE

if TYPE_CHECKING:  # an exported model is used without Keras and TensorFlow
    import keras

# Keywords that layers and initializers have got since Keras 3.0, with their defaults.
NEW_KEYWORDS = {
    "optional": False,  # InputLayer
    "ragged": False,
    "renorm": False,  # BatchNormalization
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
    "quantization_config": None,  # Dense
    "input_axes": None,  # HeNormal, GlorotUniform and their like
    "output_axes": None,
}
MODEL_FILE = "model.keras"  # what a training calls it
CONFIG_NAME = "config.json"  # in the zip, as Keras names it
WEIGHTS_NAME = "model.weights.h5"
# The largest network here has 0.11 GB. A small file may unpack to so much that it fills the memory,
# so the sizes are checked first.
MAX_MODEL_BYTES = 1_000_000_000
MAX_CONFIG_BYTES = 20_000_000  # as Python objects, JSON takes about ten times its size in memory
# How a model is recognized among other files; Keras does not compress the config.
MODEL_KIND = Kind(
    "model for age and gender", (CONFIG_NAME.encode(),), one_of=(b'"age_years"', b'"gender"')
)
# The outputs that a model may have, by name, with their values per image; it has one of the first
# two or both.
OUTPUT_SIZES = {
    "age_years": 1,
    "gender": len(GENDER_NAMES),
    "age_distribution": len(AGES_YEARS),
}


def save_model(model: "keras.Model", path: str | PathLike, note: str = "") -> None:
    """Saves a model for use: in float32, without optimizer and loss, for any version of Keras 3.

    Args:
        model: A functional model of built-in layers.
        path: The file, ending in `.keras`; an older one is replaced only when the new one is
            complete.
        note: A few words about the model for `read_note`, kept in the file.

    Raises:
        OSError: The file cannot be written; the error names it, and an older one stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, model_bytes(model, path, note))


def model_bytes(model: "keras.Model", path: Path, note: str = "") -> bytes:
    """Makes the content of a model's file, as `save_model` writes it.

    Args:
        model: A functional model of built-in layers.
        path: The file that it will be written to; Keras writes a draft beside it.
        note: A few words about the model for `read_note`.

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
    draft = path.with_name(f"{path.stem}.imdb_wiki_part.keras")  # Keras asks for the ending
    try:
        plain.save(draft)
        return for_any_keras(draft.read_bytes(), note)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


def read_note(path: str | PathLike) -> str:
    """Reads what `save_model` was told to note, without loading the model.

    Args:
        path: A `.keras` file.

    Returns:
        The note; empty if the file has none or does not exist.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode()
    except (OSError, ValueError, zipfile.BadZipFile):
        return ""


def for_any_keras(content: bytes, note: str = "") -> bytes:
    """Rewrites a `.keras` file so that every Keras from 3.0 on loads it; its weights stay the same.

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
    """Leaves out what an older Keras does not know from a Keras object's config.

    New versions of Keras add keywords to layers and initializers, save all of them, and refuse
    keywords that they do not know. A new keyword with its default value changes nothing, so it is
    left out; with another value it stays.

    Args:
        config: The config, or a part of it: dicts, lists and plain values.

    Returns:
        A config of which any version of Keras 3 makes the same object.
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
    keywords = config["config"] = {
        name: value
        for name, value in config["config"].items()
        if name not in NEW_KEYWORDS or value != NEW_KEYWORDS[name]
    }
    inputs = keywords.get("input_layers")
    if inputs and isinstance(inputs[0], str):  # one input: Keras 3.0 to 3.3 need a list
        keywords["input_layers"] = [inputs]
    return config


def load_model(path: str | Path) -> "keras.Model":
    """Loads a saved model and checks that it keeps the contract in `imdb_wiki.networks`.

    Args:
        path: A `.keras` file.

    Returns:
        The model, uncompiled.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is not a model, is too large, or has other inputs or outputs.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such model: {path}")
    refuse_too_large(path)
    _refuse_bomb(path)
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # a broken file may make Keras raise anything
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
    if not has_known_outputs(shapes):
        answers = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no dictionary"
        raise InputError(f"{path} answers {answers}, not {WANTED_OUTPUTS}")
    return model


WANTED_OUTPUTS = "age_years (batch, 1), gender (batch, 2) or both"  # for messages


def has_known_outputs(shapes: Mapping[str, Sequence[int | None]]) -> bool:
    """Whether outputs, by their shapes (batch, n), are what a model for ages or genders has."""
    known = [name for name in OUTPUT_SIZES if name in shapes]
    right = all(tuple(shapes[name])[1:] == (OUTPUT_SIZES[name],) for name in known)
    return right and any(output in known for output in TASK_OUTPUTS.values())


def refuse_too_large(path: Path) -> None:
    """Checks a model file's size before it is read.

    Raises:
        InputError: It is above `MAX_MODEL_BYTES`.
    """
    _refuse_more(path, "has", path.stat().st_size)


def _refuse_bomb(path: Path) -> None:
    """Checks what a `.keras` file says that it unpacks to; never more than that is unpacked."""
    if not zipfile.is_zipfile(path):
        return  # Keras says that it is not one
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            _refuse_more(path, "unpacks to", sum(m.file_size for m in archive.infolist()))
            _refuse_more(path, "holds a config of", sizes.get(CONFIG_NAME, 0), MAX_CONFIG_BYTES)
            _refuse_more(path, "holds weights of", _weights_bytes(archive))
    except InputError:
        raise
    except Exception as error:  # a damaged zip or HDF5 file may raise anything
        raise InputError(f"{path} is not a saved Keras model: {first_line(error)}") from error


def _refuse_more(path: Path, verb: str, size: int, limit: int = MAX_MODEL_BYTES) -> None:
    if size > limit:  # bytes
        raise InputError(
            f"{path} {verb} {size / 1e6:,.0f} MB; a model may have at most {limit / 1e6:,.0f} MB"
        )


def _weights_bytes(archive: zipfile.ZipFile) -> int:
    """The bytes in memory of the arrays in a `.keras` file, which may be compressed in it."""
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
    """Refuses a model whose answers are NaN (not a number) or infinite.

    Args:
        answers: Its answers by name, such as `age_years` (batch, 1).
        path: Its file, for the message.

    Raises:
        InputError: One of the answers is NaN or infinite.
    """
    broken = [name for name, values in answers.items() if not np.isfinite(values).all()]
    if broken:
        raise InputError(
            f"{path} answers NaN or infinity instead of numbers ({', '.join(broken)}), as after a "
            "training whose loss became NaN: take an earlier model, or train again"
        )
