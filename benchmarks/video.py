"""How many frames of a video are answered a second, and whether people who cross stay two.

    python benchmarks/video.py
    python benchmarks/video.py --photo_dir UTKFace

The video is made for it: one or two copies of scikit-image's astronaut (NASA, public domain) walk
across a plain ground, 25 frames a second. It is read, searched, answered, drawn and written as the
command does it. Printed is the fastest of several rounds, as other work on the machine only makes
it slower, and which share each step takes. With UTKFace's photos, pairs of them cross instead, one
before the other, and what the tracks make of them is counted; no network is asked.
"""

import itertools
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from tqdm import tqdm

from imdb_wiki.command import OneLineParser, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.faces.detection import detect_faces
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.prediction import faces
from imdb_wiki.prediction.drawn_video import DrawnVideo, drawn
from imdb_wiki.prediction.footage import open_video
from imdb_wiki.prediction.limits import SEARCHES_PER_SECOND
from imdb_wiki.prediction.tracks import LEAST_FINDS, Follower
from imdb_wiki.prediction.video import Watching
from imdb_wiki.tensorflow_start import start_tensorflow

SIZES = ((640, 480), (1280, 720))
FPS = 25
GREY = (150, 140, 120)
CROSSING_SECONDS = 5.0
# Of two who cross, a face is counted as that of the nearer one where that is nearer by so much: in
# UTKFace's photos, the face is not quite in the middle.
APART_PIXELS = 50


def put(scene: np.ndarray, picture: np.ndarray, left: float, top: float) -> None:
    """Puts a picture into a scene, where it may reach beyond its edges."""
    x, y = int(left), int(top)
    right, bottom = min(scene.shape[1], x + picture.shape[1]), min(scene.shape[0], y + len(picture))
    left, top = max(0, x), max(0, y)
    if left < right and top < bottom:
        scene[top:bottom, left:right] = picture[top - y : bottom - y, left - x : right - x]


def walk(size: tuple[int, int], persons: int, frames: int) -> Iterator[np.ndarray]:
    """Pictures (height, width, 3), RGB, in which one or two faces walk from side to side."""
    import skimage.data

    width, height = size
    photo = skimage.data.astronaut()[:260, 60:400]
    photo = cv2.resize(photo, None, fx=height / 520, fy=height / 520, interpolation=cv2.INTER_AREA)
    room = width - photo.shape[1]
    for number in range(frames):
        scene = np.full((height, width, 3), GREY, "uint8")
        way = room * abs((number / FPS / 4) % 2 - 1)  # there in four seconds, and back
        put(scene, photo, way, 0)
        if persons == 2:
            put(scene, cv2.flip(photo, 1), room - way, height / 2)
        yield scene


class Clock:
    """Sums up the seconds that a function takes."""

    def __init__(self, function: Callable):
        """Takes the function that it stands for."""
        self.function, self.seconds, self.calls = function, 0.0, 0

    def __call__(self, *arguments):
        """Calls it."""
        begun = time.perf_counter()
        answer = self.function(*arguments)
        self.seconds += time.perf_counter() - begun
        self.calls += 1
        return answer


def answered(path: Path, model: faces.Predictor, folder: Path) -> dict[str, float]:
    """Answers a video once; seconds of all of it, of its steps, and counts."""
    detector, network = Clock(detect_faces), Clock(model.answer)
    model = faces.Predictor(network, model.image_size, model.framing, model.age_interval)
    faces.detect_faces = detector  # pyrefly: ignore[bad-assignment]  # it is called alike
    output = DrawnVideo(folder / "drawn.mp4", FPS)
    add = Clock(lambda frame, seen: output.add(drawn(frame.image, seen), frame.second))
    begun = time.perf_counter()
    with open_video(path) as video:
        watching = Watching(video, model, SEARCHES_PER_SECOND)
        for frame, seen in watching.frames(video.frames()):
            add(frame, seen)
    output.close()
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "frames a second": watching.result().frames / seconds,
        "searches": detector.calls,
        "ms a search": 1000 * detector.seconds / detector.calls,
        "detector": detector.seconds / seconds,
        "network": network.seconds / seconds,
        "drawn and written": add.seconds / seconds,
    }


def measure_speed(model_path: Path, frames: int, rounds: int) -> None:
    """Prints a line a video."""
    start_tensorflow()
    model = faces.load_predictor(model_path)
    with tempfile.TemporaryDirectory() as folder:
        for size, persons in itertools.product(SIZES, (1, 2)):
            path = Path(folder, "walk.mp4")
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
            for scene in walk(size, persons, frames):
                writer.write(cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
            writer.release()
            # The first round is not counted: TensorFlow prepares itself.
            runs = [answered(path, model, Path(folder)) for _ in range(rounds + 1)][1:]
            best = max(runs, key=lambda run: run["frames a second"])
            shares = ", ".join(
                f"{name} {best[name]:.0%}" for name in ("detector", "network", "drawn and written")
            )
            print(
                f"{size[0]}×{size[1]}, {persons} face(s): {best['frames a second']:.1f} frames a "
                f"second; {best['searches']:.0f} searches of {best['ms a search']:.0f} ms in "
                f"{frames} frames; {shares}"
            )


def crossing(
    random: np.random.Generator, photos: list[Path]
) -> tuple[list[tuple[np.ndarray, float]], np.ndarray, float]:
    """Two faces, each with its speed in pixels per second, a ground, and how much one is lower."""
    persons = []
    for path in random.choice(np.array(photos, object), 2):
        side = int(random.integers(90, 150))
        photo = cv2.imread(str(path))
        if photo is None:
            raise InputError(f"{path}: not a readable image")
        face = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
        persons.append((cv2.resize(face, (side, side)), random.uniform(60, 260)))
    persons[0] = persons[0][0], -persons[0][1] * random.integers(0, 2)  # every second one stands
    blotches = random.integers(60, 160, (5, 8, 3), dtype="uint8")
    ground = cv2.resize(blotches, (640, 360), interpolation=cv2.INTER_CUBIC)
    return persons, ground, random.uniform(-25, 25)


def measure_crossings(photo_dir: Path, count: int) -> None:
    """Prints how many tracks are of both persons of a pair, and how many persons are in pieces."""
    photos = sorted(photo_dir.rglob("*.jpg"))
    if len(photos) < 2:
        raise InputError(f"{photo_dir} holds no photos")
    random, totals = np.random.default_rng(0), Counter()
    for _ in tqdm(range(count), disable=None):
        persons, ground, lower = crossing(random, photos)
        follower, finds_of = Follower(), defaultdict(Counter)
        for search in range(int(CROSSING_SECONDS * SEARCHES_PER_SECOND)):
            second = search / SEARCHES_PER_SECOND
            scene, middles = ground.copy(), []
            for number, (face, speed) in enumerate(persons):
                middles.append(320 + speed * (second - CROSSING_SECONDS / 2))
                top = 130 - len(face) / 2 + lower * number
                put(scene, face, middles[-1] - len(face) / 2, top)
            found = [
                faces.Face(0, one.box, one.score, 30, None, None, "female", 0.9)
                for one in detect_faces(scene)
            ]
            for face, track in zip(found, follower.update(found, second), strict=True):
                away = [abs((face.box.left + face.box.right) / 2 - middle) for middle in middles]
                if abs(away[0] - away[1]) > APART_PIXELS:
                    finds_of[track][int(np.argmin(away))] += 1
        tracks = [finds for finds in finds_of.values() if finds.total() >= LEAST_FINDS]
        totals["mixed"] += sum(min(finds[0], finds[1]) > 1 for finds in tracks)
        totals["pieces"] += len(tracks)
    print(
        f"{count} pairs: {totals['pieces']} tracks, of which {totals['mixed']} are of both persons"
    )


def parse_arguments(arguments: list[str] | None = None):
    """Reads the command line."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", type=Path, default=SHIPPED_MODEL, metavar="FILE", help="a model with its .json")
    add("--limit", type=whole_number(10), default=200, help="frames of each video")
    add("--rounds", type=whole_number(1), default=5, help="times that each video is answered")
    add(
        "--photo_dir",
        type=Path,
        metavar="DIR",
        help="UTKFace's photos, for the people who cross (default: speed is measured)",
    )
    add("--pairs", type=whole_number(1), default=100, help="pairs of people who cross")
    return parser.parse_args(arguments)


@says_errors_in_one_line
def main() -> int:
    """Runs one of the two benchmarks."""
    chosen = parse_arguments()
    if chosen.photo_dir:
        measure_crossings(chosen.photo_dir, chosen.pairs)
    else:
        measure_speed(chosen.model, chosen.limit, chosen.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
