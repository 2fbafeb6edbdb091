"""The last step: crops move to their final places, and the CSVs are written."""

from pathlib import Path

import pandas as pd

from imdb_wiki.files import write_whole
from imdb_wiki.labels import GENDER_NAMES, SPLIT_NAMES, UNLABELLED, with_age_ranges
from imdb_wiki.layout import CROP_NAME
from imdb_wiki.preparation.journal import Journal
from imdb_wiki.preparation.prepared_folder import SAMPLE_NAME


def with_filenames(kept: pd.DataFrame) -> pd.DataFrame:
    """Adds each crop's final path below `crop/`; genders and ages become whole numbers.

    What is unknown stays empty, and the ages' ranges are added.

    Args:
        kept: the kept rows with their `split`.
    """
    folder = kept["gender"].map(dict(enumerate(GENDER_NAMES))).fillna(UNLABELLED)
    kept = kept.assign(filename=kept["split"] + "/" + folder + "/" + kept["crop_name"])
    columns = ["age", "gender"]
    if kept[columns].isna().any(axis=None):
        kept = with_age_ranges(kept)
        columns += ["age_low", "age_high"]
    elif "age_low" in kept:  # all are exact, and both labels are there: `age` says all
        kept = kept.drop(columns=["age_low", "age_high"])
    return kept.astype(dict.fromkeys(columns, "Int64"))


def publish(table: pd.DataFrame, kept: pd.DataFrame, journal: Journal, output_dir: Path) -> None:
    """Puts crops and CSVs under their final names.

    Args:
        table: every row with its `rule`, "" where it is kept.
        kept: the kept rows, from `with_filenames`.
        journal: of the run.
        output_dir: the folder of the result.

    Raises:
        InputError: a crop was removed.
        OSError: a file cannot be written.
    """
    journal.publish_folder(SAMPLE_NAME)
    for split in kept["split"].unique():
        for gender_name in GENDER_NAMES:
            (output_dir / CROP_NAME / split / gender_name).mkdir(parents=True, exist_ok=True)
        if kept["gender"].isna().any():
            (output_dir / CROP_NAME / split / UNLABELLED).mkdir(exist_ok=True)
    for crop_name, filename in zip(kept["crop_name"], kept["filename"], strict=True):
        journal.publish(crop_name, f"{output_dir}/{CROP_NAME}/{filename}")
    columns = ["filename", "age", "gender", "identity", "face_score", "source"]
    columns += [name for name in ("age_low", "age_high", "race") if name in kept]
    for split in SPLIT_NAMES:
        rows = kept.loc[kept["split"] == split, columns]
        if len(rows):
            write_whole(output_dir / f"{split}.csv", rows.to_csv(index=False))
    rejects = table.loc[table["rule"] != "", ["source", "rule", "detail"]]
    write_whole(output_dir / "rejects.csv", rejects.to_csv(index=False))
