"""Writes tiny prepared folders whose images show their labels, so that mix-ups become visible."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from imdb_wiki.labels import GENDER_NAMES


def write_prepared(
    prepared_dir: Path,
    counts: dict[str, int] | None = None,
    image_size: int = 32,
    seed: int = 0,
) -> Path:
    """Writes splits of plain images: green is twice the age, red is 200 for men, 50 for women."""
    random = np.random.default_rng(seed)
    for split, count in (counts or {"train": 10, "val": 5, "test": 7}).items():
        rows = []
        for number in range(count):
            age, gender = int(random.integers(0, 101)), number % 2
            name = f"{split}/{GENDER_NAMES[gender]}/{number:03}.jpg"
            image = np.zeros((image_size, image_size, 3), "uint8")
            image[:] = (120, 2 * age, 200 if gender else 50)  # BGR, as OpenCV writes
            path = prepared_dir / "crop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
            rows.append((name, age, gender, f"person {number}", 2.5, f"00/{number}.jpg"))
        columns = ["filename", "age", "gender", "identity", "face_score", "source"]
        pd.DataFrame(rows, columns=columns).to_csv(prepared_dir / f"{split}.csv", index=False)
    return prepared_dir


def write_noise(path: Path, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Writes a JPEG of coloured blotches, which chroma subsampling and scaling both change."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype="uint8")
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return cv2.imread(str(path))[..., ::-1]


def take_labels_away(prepared_dir: Path) -> Path:
    """Makes every third age a range of its decade and every third unknown, every fourth gender."""
    for path in prepared_dir.glob("*.csv"):
        table = pd.read_csv(path)
        rows, decade = np.arange(len(table)), table["age"] // 10 * 10
        for name, values in {"age_low": decade, "age_high": decade + 9}.items():
            table[name] = table["age"].where(rows % 3 != 1, values).where(rows % 3 != 2)
        table["age"] = table["age"].where(rows % 3 == 0)
        table["gender"] = table["gender"].where(rows % 4 != 3)
        table.astype(dict.fromkeys(("age", "age_low", "age_high", "gender"), "Int64")).to_csv(
            path, index=False
        )
    return prepared_dir
