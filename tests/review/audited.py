"""Writes what an audit leaves: prepared folders and a table of suspects."""

import os
from pathlib import Path

import pandas as pd

from tests.prepared import write_prepared

NETWORK = {
    "predicted_age_years": 61.2,
    "age_low_years": 52.4,
    "age_high_years": 69.7,
    "male_probability": 0.93,
    "wrong_age_probability": 0.95,
    "wrong_gender_probability": 0.004,
}


def suspects_of(prepared: Path) -> pd.DataFrame:
    """A row for each face of a prepared folder, its probabilities falling from 0.99 to 0."""
    tables = [
        pd.read_csv(prepared / f"{split}.csv").assign(split=split)
        for split in ("train", "val", "test")
    ]
    table = pd.concat(tables, ignore_index=True)
    table["wrong_probability"] = [
        round(0.99 * (1 - row / (len(table) - 1)), 4) for row in range(len(table))
    ]
    table["folder"] = str(prepared)
    wanted = ["filename", "source", "age", "gender", "wrong_probability", "folder", "split"]
    return table[wanted].assign(**NETWORK)


def write_audit(folder: Path, table: pd.DataFrame | None = None) -> Path:
    """Writes an audit's folder of 22 faces."""
    prepared = write_prepared(folder / "prepared")
    table = suspects_of(prepared) if table is None else table
    table.to_csv(folder / "suspects.csv", index=False)
    return folder


def write_large_audit(folder: Path, count: int) -> Path:
    """Writes an audit's folder of many faces, each with a file of its own."""
    prepared = write_prepared(folder / "prepared")
    few = suspects_of(prepared)
    crops = prepared / "crop"
    names = [f"train/{number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        os.link(crops / few["filename"][number % len(few)], crops / name)
    table = few.loc[[number % len(few) for number in range(count)]].reset_index(drop=True)
    table["filename"] = names
    table["wrong_probability"] = [round(1 - number / count, 5) for number in range(count)]
    table.to_csv(folder / "suspects.csv", index=False)
    return folder
