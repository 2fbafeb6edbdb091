"""How long a preparation of IMDB's size takes, and how much memory and disk, without IMDB.

    python benchmarks/imdb_size.py --photo_dir UTKFace --work_dir /a/disk/with/20_GB

Writes an archive in IMDB's layout and of about IMDB's size: 460,723 rows of 20,284 people in about
7 GB. Each kept row has a picture of its own: a UTKFace face, cropped, turned and mirrored at
random, with side lengths like the original's. The rules reject the same shares as of WIKI. Then the
preparation's command runs on this archive. Memory is the sum over the command and its worker
processes (proportional set size, Linux only), read five times a second.
"""

import io
import json
import resource
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
import psutil
import scipy.io
from tqdm import tqdm

from imdb_wiki.command import OneLineParser, whole_number

ROWS, PEOPLE = 460_723, 20_284  # IMDB's
# Rows that the rules reject of wiki.mat's 62,328: no face, low score, second face, no gender.
REJECTED = {"no_face": 0.289, "low_score": 0.021, "second_face": 0.065, "no_gender": 0.012}
SCRIPT = Path(__file__).parents[1] / "imdb_wiki_preparation.py"


def metadata(rows: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The fields of imdb.mat, each (rows,), and `rejected`: which rows a rule rejects."""
    people = max(1, rows * PEOPLE // ROWS)
    person = np.sort(random.integers(0, people, rows))  # (rows,)
    birth_year = random.integers(1920, 1995, people)[person]
    rule = random.choice([*REJECTED, ""], rows, p=[*REJECTED.values(), 1 - sum(REJECTED.values())])
    taken = birth_year + random.integers(1, 80, rows)
    score = np.where(rule == "no_face", -np.inf, random.uniform(1, 7, rows))
    paths = [
        f"{p % 100:02}/nm{p:07}_rm{n}_1970-1-1_{t}.jpg"
        for n, (p, t) in enumerate(zip(person, taken, strict=True))
    ]
    names = np.array([f"Person {number}" for number in range(people)], dtype=object)
    locations = np.empty(rows, dtype=object)
    locations[:] = [np.array([[1.0, 1.0, 200.0, 200.0]])] * rows
    return {
        "dob": (birth_year * 365.2425 + 1).astype(np.int32),
        "photo_taken": taken.astype(np.uint16),
        "full_path": np.array(paths, dtype=object),
        "gender": np.where(rule == "no_gender", np.nan, (person % 5 < 3).astype(np.float64)),
        "name": names[person],
        "face_location": locations,
        "face_score": np.where(rule == "low_score", 0.5, score),
        "second_face_score": np.where(rule == "second_face", 2.0, np.nan),
        "celeb_names": names,
        "celeb_id": (person + 1).astype(np.float64),
        "rejected": rule != "",
    }


def changed_face(chip: np.ndarray, random: np.random.Generator) -> bytes:
    """A JPEG of a part of the chip, turned and mirrored, at a side length as in the original."""
    side = int(np.clip(random.lognormal(np.log(300), 0.5), 60, 900))
    scale = side / (random.uniform(0.6, 1.0) * chip.shape[0])
    turn = cv2.getRotationMatrix2D(
        tuple(chip.shape[0] * random.uniform(0.4, 0.6, 2)), random.uniform(-20, 20), scale
    )
    turn[:, 2] += side / 2 - np.array(chip.shape[:2]) / 2
    face = cv2.warpAffine(chip, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    if random.random() < 0.5:
        face = face[:, ::-1]
    return cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def write_archive(path: Path, photo_dir: Path, rows: int) -> None:
    """Writes the archive, its .mat first."""
    random = np.random.default_rng(0)
    fields = metadata(rows, random)
    rejected = fields.pop("rejected")
    mat = io.BytesIO()
    struct = {name: values[np.newaxis] for name, values in fields.items()}
    scipy.io.savemat(mat, {"imdb": struct}, do_compression=True)
    photos = sorted(photo_dir.glob("*.jpg"))
    chips = [cv2.imread(str(photo)) for photo in photos]
    chips = [chip for chip in chips if chip is not None]
    partial = path.with_name(f"partial-{path.name}")
    with tarfile.open(partial, "w") as archive:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(f"imdb_crop/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

        add("imdb.mat", mat.getvalue())
        photo = changed_face(chips[0], random)
        for row, name in enumerate(tqdm(fields["full_path"], desc="archive", unit=" photos")):
            if not rejected[row]:  # a rejected row's photo is never opened: repeat one
                photo = changed_face(chips[row % len(chips)], random)
            add(name, photo)
            archive.members = []  # it would keep all of them
    partial.rename(path)


def measured(command: list[str]) -> tuple[float, float, int]:
    """Seconds, processor seconds and the most bytes of memory of a command with its workers."""
    start, most = time.perf_counter(), 0
    process = psutil.Popen(command)
    while process.poll() is None:
        total = 0
        for one in (process, *process.children(recursive=True)):
            try:
                total += one.memory_full_info().pss
            except psutil.Error:  # it has just ended
                continue
        most = max(most, total)
        time.sleep(0.2)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, most


def main() -> None:
    """Writes the archive unless it is there, prepares it and prints what that took."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("folders").add_argument
    add("--photo_dir", type=Path, required=True, help="folder of UTKFace's aligned faces")
    add("--work_dir", type=Path, required=True, help="folder for the archive and the result")
    add = parser.add_argument_group("size").add_argument
    rows, pixels = whole_number(100, 10_000_000), whole_number(8, 4096)
    add("--rows", type=rows, default=ROWS, metavar="ROWS", help="rows of the .mat")
    add(
        "--img_size", type=pixels, default=200, metavar="PIXELS", help="side of the crops in pixels"
    )
    options = parser.parse_args()
    options.work_dir.mkdir(parents=True, exist_ok=True)
    archive = options.work_dir / f"imdb_crop_{options.rows}.tar"
    if not archive.exists():
        write_archive(archive, options.photo_dir, options.rows)
    output_dir = options.work_dir / f"prepared_{options.rows}_{options.img_size}"
    seconds, processor_seconds, memory_bytes = measured(
        [
            *(sys.executable, str(SCRIPT), "--photo_dir", str(archive)),
            *("--output_dir", str(output_dir), "--img_size", str(options.img_size)),
        ]
    )
    report = json.loads((output_dir / "report.json").read_text(encoding="utf-8"))
    crop_bytes = sum(path.stat().st_size for path in (output_dir / "crop").rglob("*.jpg"))
    print(
        f"{report['rows']:,} rows, {report['kept']:,} kept, archive of "
        f"{archive.stat().st_size / 1e9:.2f} GB, {options.img_size} pixels: {seconds:.0f} seconds "
        f"({processor_seconds:.0f} processor seconds), {memory_bytes / 1e9:.2f} GB of memory at "
        f"the most, crops of {crop_bytes / 1e9:.2f} GB"
    )


if __name__ == "__main__":
    main()
