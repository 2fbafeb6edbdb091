"""How fast the preparation is, beside the plain way and beside the limit, in one run.

    python benchmarks/preparation.py --db_path imdb_crop/imdb.mat --archive imdb_size/imdb_crop.tar

First comes the whole command, from its start to its end, beside the plain way's crops alone: on the
first 5,000 rows of the folder, on all of them, and on an archive of IMDB's size (`--only_whole`
stops there). Then come its parts. The plain way reads the metadata row by row and then, in one
process, does `cv2.imread`, `cv2.resize` and `cv2.imwrite` for each photo. The limit is what
decoding (at the scale at which the preparation decodes) and encoding alone take on all cores.
Rounds alternate between the ways, and medians are shown, because machines are noisy.
"""

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
import pandas as pd
import scipy.io

from benchmarks.sharpness import sharpness
from benchmarks.whole_preparation import described, first_rows, heading, opened_photos, prepared
from imdb_wiki.command import OneLineParser, says_errors_in_one_line, whole_number
from imdb_wiki.datasets import DATASETS
from imdb_wiki.datasets.matlab import table_of_mat
from imdb_wiki.images.headers import UnreadableImageError
from imdb_wiki.images.pixels import decode, encode, square
from imdb_wiki.images.reading import read_bytes
from imdb_wiki.labels import age_in_years
from imdb_wiki.parallel import in_chunks, run_parallel
from imdb_wiki.preparation import crops
from imdb_wiki.preparation.crops import Job, Outcome, make_crops
from imdb_wiki.preparation.photos import open_photos
from imdb_wiki.preparation.rules import first_broken_rule
from imdb_wiki.preparation.settings import Settings
from imdb_wiki.preparation.splits import person_numbers, split_groups
from imdb_wiki.preparation.workers import PHOTOS_PER_CHUNK

SIZE, QUALITY = 200, 95  # the preparation's defaults
MIN_SCORE = 1.0
SETTINGS = Settings(output_dir=Path("prepared"), min_score=MIN_SCORE)  # for the rules
WITHOUT_HASHES = "this, without hashes"
FEW_ROWS = 5_000
PLAIN_PHOTOS = 5_000  # of the archive: the plain way's seconds for all are computed from these
METADATA_ROWS = (5_000, 50_000, 460_723)  # the last is IMDB's
# In memory where the system has that: how fast a disk takes new files is not ours to measure.
SCRATCH_DIR = "/dev/shm" if Path("/dev/shm").is_dir() else None


def plain_images(paths: list[str], out: Path, interpolation: int) -> None:
    """One process, one photo after the other, as most scripts do it."""
    for number, path in enumerate(paths):
        image = cv2.imread(path)
        if image is not None:
            image = cv2.resize(image, (SIZE, SIZE), interpolation=interpolation)
            cv2.imwrite(str(out / f"{number}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def our_images(
    paths: list[str],
    out: Path,
    workers: int,
    photos_per_chunk: int = PHOTOS_PER_CHUNK,
    make: Callable[..., list[Outcome]] = make_crops,
) -> None:
    """The preparation's own crops step."""
    jobs = (Job(number, path, f"{number}.jpg") for number, path in enumerate(paths))
    work = partial(make, folder=out, size=SIZE, jpeg_quality=QUALITY)
    for _ in run_parallel(work, in_chunks(jobs, photos_per_chunk), workers):
        pass


def crops_without_hashes(jobs: list[Job], **settings) -> list[Outcome]:
    """`make_crops` without the pictures' hashes, which the limit does not compute either."""
    with patch.object(crops, "perceptual_hashes", lambda jpegs: np.zeros(len(list(jpegs)))):
        return make_crops(jobs, **settings)


def codec_seconds(paths: list[str]) -> float:
    """Seconds of decoding and encoding alone for a chunk; reading and resizing not counted."""
    seconds = 0.0
    for path in paths:
        data = Path(path).read_bytes()
        start = time.perf_counter()
        try:
            image = decode(data, SIZE)
        except UnreadableImageError:
            continue
        seconds += time.perf_counter() - start
        crop = square(image, SIZE)
        start = time.perf_counter()
        encode(crop, QUALITY)
        seconds += time.perf_counter() - start
    return seconds


def limit_seconds(paths: list[str], workers: int) -> float:
    """What decoding and encoding alone take, shared among the processes, all of them busy."""
    chunks = in_chunks(paths, PHOTOS_PER_CHUNK)
    return sum(run_parallel(codec_seconds, chunks, workers)) / workers


def timed(work, *arguments) -> float:
    """Seconds that a call takes, with an empty folder for its crops."""
    with tempfile.TemporaryDirectory(dir=SCRATCH_DIR) as out:
        start = time.perf_counter()
        work(*arguments[:1], Path(out), *arguments[1:])
        return time.perf_counter() - start


def compare_whole(mat_path: Path, rounds: int, workers: int) -> None:
    """Seconds and peak memory of the whole command, beside the plain way's crops alone."""
    for rows in (FEW_ROWS, None):
        runs, plain = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(dir=SCRATCH_DIR) as name:
                few = Path(name, mat_path.name) if rows else mat_path
                if rows:
                    first_rows(mat_path, rows, few)
                paths = passing_photos(few, mat_path.parent)
                plain.append(timed(plain_images, paths, cv2.INTER_AREA))
                source = ("--db_path", str(few), "--photo_dir", str(mat_path.parent))
                runs.append(prepared([*source, "--workers", str(workers)], Path(name)))
        middle = sorted(runs, key=lambda report: report["wall_seconds"])[rounds // 2]
        print(described(middle, statistics.median(plain)), flush=True)


def compare_whole_archive(archive: Path, workers: int) -> None:
    """The same for an archive, once; the plain way's seconds are computed from some photos."""
    with tempfile.TemporaryDirectory(dir=SCRATCH_DIR) as name:
        seconds_each = plain_seconds_each(archive, Path(name))
        report = prepared(["--photo_dir", str(archive), "--workers", str(workers)], Path(name))
        print(described(report, seconds_each * opened_photos(report)), flush=True)


def passing_photos(mat_path: Path, photo_dir: Path) -> list[str]:
    """The photos in a folder that no rule about the table takes."""
    table = table_of_mat(mat_path.read_bytes(), mat_path, mat_path.stem)
    table = table[first_broken_rule(table, SETTINGS)["rule"] == ""]
    paths = (photo_dir / source for source in table["source"])
    return [str(path) for path in paths if path.is_file()]


def plain_seconds_each(archive: Path, folder: Path) -> float:
    """The plain way's seconds for a photo of an archive, of which it gets some as files."""
    photos = open_photos(archive)
    settings = Settings(output_dir=Path("prepared"), photo_dir=archive)
    table = DATASETS["imdb"].read(photos, settings).rows
    table = table[first_broken_rule(table, SETTINGS)["rule"] == ""]
    some = table.iloc[:: max(1, len(table) // PLAIN_PHOTOS)].assign(crop_name="")
    paths = []
    for job in photos.jobs(some[["source", "crop_name"]]):
        paths.append(str(folder / f"{job.row}.jpg"))
        Path(paths[-1]).write_bytes(read_bytes(job.photo))
    return timed(plain_images, paths, cv2.INTER_AREA) / len(paths)


def compare_images(mat_path: Path, limit: int | None, rounds: int, workers: int) -> dict:
    """Images a second of the plain way, of this with and without hashes, and of the limit."""
    paths = passing_photos(mat_path, mat_path.parent)[:limit]
    ways = {
        "plain, area interpolation": lambda: timed(plain_images, paths, cv2.INTER_AREA),
        "plain, bilinear": lambda: timed(plain_images, paths, cv2.INTER_LINEAR),
        "this": lambda: timed(our_images, paths, workers),
        WITHOUT_HASHES: lambda: timed(
            our_images, paths, workers, PHOTOS_PER_CHUNK, crops_without_hashes
        ),
        "limit: decode and encode only": lambda: limit_seconds(paths, workers),
        "start-up of the workers": lambda: timed(our_images, paths[:workers], workers, 1),
    }
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    median = {name: statistics.median(values) for name, values in seconds.items()}
    start_up = median.pop("start-up of the workers")
    for name in ("this", WITHOUT_HASHES):
        median[name] -= start_up  # shown apart
    rates = {name: len(paths) / value for name, value in median.items()}
    print(f"{len(paths):,} photos, {workers} processes, medians of {rounds} rounds")
    for name, rate in rates.items():
        print(f"  {name:<32}{rate:>8,.0f} images a second")
    print(f"  {'start-up of the workers':<32}{start_up:>8.2f} seconds")
    ours, limit_rate = rates["this"], rates["limit: decode and encode only"]
    print(
        f"  this is {ours / rates['plain, area interpolation']:.2f} times the plain way, "
        f"{ours / rates['plain, bilinear']:.2f} times the plain way with bilinear interpolation, "
        f"{ours / limit_rate:.2f} of the limit; "
        f"without hashes {rates[WITHOUT_HASHES] / limit_rate:.2f} of the limit"
    )
    return {"images_per_second": rates, "start_up_seconds": start_up}


def synthetic_struct(rows: int) -> dict[str, np.ndarray]:
    """Metadata of the original's kind: about 23 photos a person."""
    rng = np.random.default_rng(0)
    return {
        "dob": rng.integers(693_000, 729_000, rows).astype(np.int32),
        "photo_taken": rng.integers(1950, 2015, rows).astype(np.uint16),
        "gender": rng.choice([0.0, 1.0, np.nan], rows),
        "face_score": np.where(rng.random(rows) < 0.1, -np.inf, rng.gamma(6, 0.6, rows)),
        "second_face_score": np.where(rng.random(rows) < 0.1, 1.0, np.nan),
        "celeb_id": rng.integers(1, rows // 23 + 2, rows).astype(np.float64),
        "full_path": np.array([f"{n % 100:02d}/nm{n:07d}_rm{n}.jpg" for n in range(rows)]),
    }


def vectorised_metadata(struct: dict[str, np.ndarray]) -> None:
    """Ages, rules and split as the preparation does them."""
    table = pd.DataFrame(
        {
            "source": struct["full_path"],
            "age": age_in_years(struct["dob"], struct["photo_taken"]),
            "gender": struct["gender"],
            "identity": pd.Series(struct["celeb_id"].astype(np.int64)).astype(str),
            "face_score": struct["face_score"],
            "second_face_score": struct["second_face_score"],
        }
    )
    kept = table[first_broken_rule(table, SETTINGS)["rule"] == ""]
    split_groups(person_numbers(kept["identity"]), kept["identity"], (0.7, 0.15, 0.15), 0)


def row_by_row_metadata(struct: dict[str, np.ndarray]) -> None:
    """The same in a Python loop over the rows, the rejected rows' rule and value included."""
    photos_of_person: dict[int, list] = {}
    rejects = []
    for row in range(len(struct["dob"])):
        path, score = str(struct["full_path"][row]), struct["face_score"][row]
        second_score, gender = struct["second_face_score"][row], struct["gender"][row]
        if np.isinf(score):
            rejects.append((path, "no_face", ""))
            continue
        if score < MIN_SCORE:
            rejects.append((path, "low_score", f"{score:g}"))
            continue
        if not np.isnan(second_score):
            rejects.append((path, "second_face", f"{second_score:g}"))
            continue
        if np.isnan(gender):
            rejects.append((path, "no_gender", f"{gender:g}"))
            continue
        born = datetime.date.fromordinal(int(struct["dob"][row]) - 366)
        age = int(struct["photo_taken"][row]) - born.year - ((born.month, born.day) > (7, 1))
        if not 0 <= age <= 100:
            rejects.append((path, "bad_age", f"{age:g}"))
            continue
        person = int(struct["celeb_id"][row])
        photos_of_person.setdefault(person, []).append((path, age, int(gender)))
    people = list(photos_of_person)
    np.random.default_rng(0).shuffle(people)
    wanted = sum(map(len, photos_of_person.values()))
    splits: list[list] = [[], [], []]
    for person in people:
        done = sum(map(len, splits)) / wanted
        splits[(done > 0.7) + (done > 0.85)].extend(photos_of_person[person])


def measure_metadata(way: str, rows: int) -> dict:
    """Seconds and peak memory of one way, in this process, which does nothing else."""
    if way == "loadmat":
        struct = synthetic_struct(rows)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "imdb.mat"
            cells = {"full_path": struct["full_path"].astype(object)}
            scipy.io.savemat(path, {"imdb": struct | cells}, do_compression=True)
            start = time.perf_counter()
            scipy.io.loadmat(path)
            seconds = time.perf_counter() - start
    else:
        work = {"this": vectorised_metadata, "row by row": row_by_row_metadata}.get(way)
        struct = synthetic_struct(rows)
        start = time.perf_counter()
        if work:
            work(struct)
        seconds = time.perf_counter() - start
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "mib": kibibytes / 1024}


def grow_metadata() -> None:
    """Seconds and peak memory against the number of rows, each in a process of its own."""
    print(f"{'metadata rows':>14}{'way':>14}{'seconds':>10}{'peak MiB':>10}")
    seconds = {}
    for rows in METADATA_ROWS:
        for way in ("data only", "this", "row by row", "loadmat"):
            command = [sys.executable, __file__, "--metadata", way, str(rows)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            result = json.loads(done.stdout)
            seconds[way] = result["seconds"]
            print(f"{rows:>14,}{way:>14}{result['seconds']:>10.2f}{result['mib']:>10.0f}")
    ratio = seconds["row by row"] / seconds["this"]
    print(
        f"  after loadmat this is {ratio:.1f} times as fast as row by row, "
        f"at {METADATA_ROWS[-1]:,} rows"
    )


def start_up_seconds() -> float:
    """A process of its own that imports all that the preparation's command needs."""
    script = Path(__file__).parents[1] / "imdb_wiki_preparation.py"
    code = "import imdb_wiki.preparation.prepare, imdb_wiki.preparation.report"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=script.parent, check=True)
    return time.perf_counter() - start


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Measures what the command line asks for; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("photos").add_argument
    add(
        "--db_path",
        type=Path,
        metavar="FILE",
        help="imdb.mat in the folder of its photos (default: none, only the metadata is measured)",
    )
    add(
        "--limit",
        type=whole_number(1),
        metavar="PHOTOS",
        help="most photos that are measured (default: all)",
    )
    add(
        "--archive",
        type=Path,
        metavar="FILE",
        help="the archive that imdb_size.py writes (default: none, nothing of that size)",
    )
    add = parser.add_argument_group("how it is measured").add_argument
    add(
        "--rounds",
        type=whole_number(1, 1000),
        default=3,
        metavar="ROUNDS",
        help="rounds of timing, whose median is shown",
    )
    add(
        "--workers",
        type=whole_number(1, 1024),
        default=os.cpu_count() or 1,
        metavar="PROCESSES",
        help="worker processes of the preparation (default: one for each of the machine's cores)",
    )
    add("--only_whole", action="store_true", help="measure the whole command, not its parts")
    add("--metadata", nargs=2, help=argparse.SUPPRESS)  # how this script calls itself
    options = parser.parse_args(arguments)
    if options.metadata:
        print(json.dumps(measure_metadata(options.metadata[0], int(options.metadata[1]))))
        return 0
    print(f"whole command, {options.workers} processes; plain: the plain way's crops alone")
    print(heading(), flush=True)
    if options.db_path:
        compare_whole(options.db_path, options.rounds, options.workers)
    if options.archive:
        compare_whole_archive(options.archive, options.workers)
    if options.only_whole:
        return 0
    print(f"start-up of the script: {start_up_seconds():.2f} seconds")
    if options.db_path:
        compare_images(options.db_path, options.limit, options.rounds, options.workers)
        sharpness(options.db_path, SIZE, QUALITY)
    grow_metadata()
    return 0


if __name__ == "__main__":
    sys.exit(main())
