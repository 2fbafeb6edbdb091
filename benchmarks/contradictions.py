"""How high the audit ranks photos that a data set holds twice, with different labels.

    python benchmarks/contradictions.py data/utkface144 --photo_dir UTKFace

Of two identical files with different labels one label at least is wrong. The preparation rejects
both, so `--model` has not met them. Here they are cropped as the folder's faces are, and audited
among its validation and test faces. Each group of identical files is ranked by its more suspicious
label, beside what as many labels drawn at random would have.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from benchmarks.audit import add_model_argument
from imdb_wiki.command import OneLineParser, says_errors_in_one_line
from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json
from imdb_wiki.tensorflow_start import start_tensorflow

FIRST = (0.01, 0.05, 0.1)  # parts of all faces in which a group's label is sought
# By how much the labels differ: the largest difference of the ages in years, or the gender.
KINDS = {
    "the gender": lambda groups: groups["genders"] > 1,
    "10 years or more": lambda groups: groups["years"] >= 10,
    "5 to 9 years": lambda groups: groups["years"].between(5, 9),
    "1 to 4 years": lambda groups: groups["years"].between(1, 4),
}


def contradicting_photos(prepared_dir: Path, photo_dir: Path, crop_dir: Path) -> pd.DataFrame:
    """Crops the photos that the preparation has rejected as contradicting.

    Returns:
        Rows as of `read_split`, with `group`, the same number for identical files.

    Raises:
        InputError: There are none, or they are no longer where they were.
    """
    from imdb_wiki.labels import with_age_ranges
    from imdb_wiki.layout import REPORT_NAME
    from imdb_wiki.preparation.crops import make_crops
    from imdb_wiki.preparation.duplicates import contradicting
    from imdb_wiki.preparation.photos import open_photos
    from imdb_wiki.preparation.rules import CONTRADICTING_DUPLICATE
    from imdb_wiki.preparation.settings import Settings

    try:
        about = parse_json((prepared_dir / REPORT_NAME).read_bytes())["arguments"]
        size, quality, dataset = (about[name] for name in ("img_size", "jpeg_quality", "dataset"))
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{prepared_dir / REPORT_NAME}: not the report of a preparation") from None
    if about.get("faces") == "detect":
        raise InputError(f"{prepared_dir}: its faces were detected; whole photos are needed here")
    rejected = pd.read_csv(prepared_dir / "rejects.csv", keep_default_na=False)
    names = rejected.loc[rejected["rule"] == CONTRADICTING_DUPLICATE, "source"]
    settings = Settings(output_dir=crop_dir, dataset=dataset, photo_dir=photo_dir)
    photos = open_photos(photo_dir)
    table = settings.source.read(photos, settings).rows
    table = table[table["source"].isin(names)].reset_index(drop=True)
    if table.empty:
        raise InputError(f"{prepared_dir}: no contradicting duplicates of {photo_dir}")
    table["crop_name"] = [f"{row}.jpg" for row in range(len(table))]
    jobs = list(photos.jobs(table[["source", "crop_name"]]))
    outcomes = make_crops(jobs, crop_dir, size, quality)
    for outcome, source in zip(outcomes, table["source"], strict=True):
        if outcome.rule:
            raise InputError(f"{photo_dir}: {source}: {outcome.rule} {outcome.detail}")
    table["digest"], table["rule"] = [outcome.digest for outcome in outcomes], ""
    # A photo whose double is there no more contradicts nothing.
    table = table[contradicting(table)].reset_index(drop=True)
    if table.empty:
        raise InputError(f"{photo_dir}: no photo is there twice any more")
    table["group"] = pd.factorize(table["digest"])[0]
    table["path"] = [str(crop_dir / name) for name in table["crop_name"]]
    return with_age_ranges(table)


def ranked_groups(doubles: pd.DataFrame, log_odds: np.ndarray, others: np.ndarray) -> pd.DataFrame:
    """One row a group: how its labels differ, and where its more suspicious label stands.

    Args:
        doubles: Of `contradicting_photos`.
        log_odds: How suspicious each of them is.
        others: The same of the faces among which they are ranked.

    Returns:
        `files`, `years`, `genders` and `place`, from 0 (before all others) to 1.
    """
    behind = np.searchsorted(np.sort(others), log_odds, side="left") / len(others)
    rows = doubles.assign(place=1 - behind).groupby("group")
    return pd.DataFrame(
        {
            "files": rows.size(),
            "years": rows["age"].max() - rows["age"].min(),
            "genders": rows["gender"].nunique(),
            "place": rows["place"].min(),
        }
    )


def table_lines(groups: pd.DataFrame) -> list[str]:
    """The table: by kind of difference, how many groups stand among the first."""
    heads = "".join(f"{f'in the first {part:.0%}':>20}" for part in FIRST)
    lines = [f"{'labels differ by':<20}{'groups':>8}{'middle place':>14}{heads}   (at random)"]
    for name, of_kind in KINDS.items():
        some = groups[of_kind(groups)]
        if some.empty:
            continue
        cells = ""
        for part in FIRST:
            by_chance = (1 - (1 - part) ** some["files"]).mean()
            found = (some["place"] <= part).mean()
            cells += f"{f'{found:.0%} ({by_chance:.0%})':>20}"
        middle = some["place"].median()
        lines.append(f"{name:<20}{len(some):>8}{middle:>14.1%}{cells}")
    return lines


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Audits and prints the table; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("data and model").add_argument
    add("prepared_dir", type=Path, help="the prepared folder, whose rejects.csv names the photos")
    add("--photo_dir", type=Path, required=True, metavar="DIR", help="the folder of its photos")
    add_model_argument(add)
    options = parser.parse_args(arguments)
    start_tensorflow()
    from imdb_wiki.audit.calibration import evidence_of
    from imdb_wiki.audit.faces import read_faces, refuse_known
    from imdb_wiki.audit.mixture import audit
    from imdb_wiki.models.answers import predict
    from imdb_wiki.models.files import load_model

    faces = read_faces([str(options.prepared_dir)], ("val", "test"))
    refuse_known(options.model, faces)
    with tempfile.TemporaryDirectory() as crop_dir:
        doubles = contradicting_photos(options.prepared_dir, options.photo_dir, Path(crop_dir))
        both = pd.concat([faces, doubles], ignore_index=True)
        answers = predict(load_model(options.model), both, verbose=1, flip_averaging=True)
    # Identical files are one picture with several labels: each label is judged by itself.
    found = audit(evidence_of(both, answers), np.arange(len(both)))
    groups = ranked_groups(doubles, found.log_odds[len(faces) :], found.log_odds[: len(faces)])
    print(f"{len(doubles)} files in {len(groups)} groups, among {len(faces):,} faces")
    print("\n".join(table_lines(groups)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
