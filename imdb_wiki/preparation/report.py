"""What a preparation did: `report.json`, the table on the screen and a picture."""

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imdb_wiki.labels import GENDER_NAMES, SPLIT_NAMES, UNLABELLED
from imdb_wiki.preparation.rules import rule_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PACKAGES = ("numpy", "scipy", "pandas", "opencv-python-headless")


def preparation_report(
    table: pd.DataFrame,
    kept: pd.DataFrame,
    split_by: str,
    image_count: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Counts rows per rule and images per split and gender.

    Args:
        table: every row with its `rule`, "" where it is kept.
        kept: the kept rows with their `split`.
        split_by: "identity" if people were kept together, "image", or "official" as published.
        image_count: photos this run has opened.
        seconds: per step.

    Returns:
        JSON values, the content of `report.json` without the arguments.
    """
    counts = table["rule"].value_counts()
    splits = {}
    for split in SPLIT_NAMES:
        rows = kept[kept["split"] == split]
        if len(rows):
            splits[split] = {
                "images": len(rows),
                "people": int(rows.loc[rows["identity"] != "", "identity"].nunique()),
                **{name: int((rows["gender"] == g).sum()) for g, name in enumerate(GENDER_NAMES)},
                "mean_age_years": _mean_age_years(rows),
            }
            if rows["gender"].isna().any():
                splits[split][UNLABELLED] = int(rows["gender"].isna().sum())
    return {
        "rows": len(table),
        "rejected": {rule: int(counts.get(rule, 0)) for rule in rule_names()},
        "kept": len(kept),
        "mean_age_years": _mean_age_years(kept),
        "split_by": split_by,
        "people_in_two_splits": _people_in_two_splits(kept),
        "splits": splits,
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "images_per_second": round(image_count / max(seconds["crops"], 1e-9), 1),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }


def _people_in_two_splits(kept: pd.DataFrame) -> int:
    named = kept[kept["identity"] != ""]
    return int((named.groupby("identity")["split"].nunique() > 1).sum())


def ages_or_middles(rows: pd.DataFrame) -> pd.Series:
    """Each row's age in years, `(rows,)`, or the middle of its range; NaN where it is unknown."""
    ages = rows["age"].astype(float)
    if "age_low" in rows:
        ages = ages.fillna(rows[["age_low", "age_high"]].astype(float).mean(axis=1))
    return ages


def _mean_age_years(rows: pd.DataFrame) -> float | None:
    mean = ages_or_middles(rows).mean()
    return None if np.isnan(mean) else round(float(mean), 2)


def rejected_text(table: pd.DataFrame) -> str:
    """How many rows fell to which rule, and an example of what most of them fell to.

    Args:
        table: every row with its `source` and `rule`, "" where it is kept.
    """
    rejected = table[table["rule"] != ""]
    counts = rejected["rule"].value_counts()
    texts = [f"{rule} {count:,}" for rule, count in counts.items()]
    if texts:
        example = rejected.loc[rejected["rule"] == counts.index[0], "source"].iloc[0]
        texts[0] += f" (such as {example})"
    return ", ".join(texts)


def report_text(report: dict[str, Any]) -> str:
    """The report as tables for the screen."""
    lines = [f"{'rows':<28}{report['rows']:>9,}"]
    lines += [f"  {rule:<26}{n:>9,}" for rule, n in report["rejected"].items()]
    lines += [f"{'kept':<28}{report['kept']:>9,}", ""]
    lines += [f"{'split':<8}{'images':>9}{'female':>9}{'male':>9}{'people':>9}{'mean age':>10}"]
    lines += [
        f"{name:<8}{s['images']:>9,}{s['female']:>9,}{s['male']:>9,}"
        f"{s['people'] or '-':>9}"
        + (f"{'-':>10}" if s["mean_age_years"] is None else f"{s['mean_age_years']:>10.2f}")
        + (f"  {s[UNLABELLED]:,} without gender" if UNLABELLED in s else "")
        for name, s in report["splits"].items()
    ]
    links = report["same_picture_links"]
    lines += [
        "",
        f"same picture in one split: {links['identical_files']:,} identical files, "
        f"{links['near_identical']:,} near-identical",
        "",
    ]
    if notes := report.get("labels_read_as"):
        lines += ["labels were read as:", *(f"  {note}" for note in notes), ""]
    if passed_over := report["passed_over"]["count"]:
        examples = ", ".join(report["passed_over"]["examples"])
        lines += [f"{passed_over:,} files are no photos by their names: {examples}", ""]
    lines += [
        f"{step.replace('_', ' ') + ', seconds':<28}{value:>9.1f}"
        for step, value in report["seconds"].items()
    ]
    lines += [
        f"{'in all, seconds':<28}{sum(report['seconds'].values()):>9.1f}",
        f"{'crops, images a second':<28}{report['images_per_second']:>9,.0f}",
    ]
    return "\n".join(lines)


def report_figure(kept: pd.DataFrame, crop_dir: Path, report: dict[str, Any]) -> "Figure":
    """Draws ages by gender and split, what became of the rows, and some faces.

    Args:
        kept: the kept rows with `split`, `age`, `gender` and `filename`.
        crop_dir: the folder that the file names are relative to.
        report: the counts.
    """
    import matplotlib  # a second to import, only needed at the end
    from matplotlib.figure import Figure

    from imdb_wiki.plots.counts import draw_ages, draw_rules
    from imdb_wiki.plots.faces import draw_faces, label_texts
    from imdb_wiki.plots.style import FACE_INCHES, FACES_A_ROW, PAGE_INCHES, STYLE

    shown = kept.assign(age=ages_or_middles(kept), gender=kept["gender"].astype(float))
    by_gender = shown.groupby("gender", dropna=False)  # the unknown last
    chosen = [_from_youngest_to_oldest(rows, FACES_A_ROW) for _, rows in by_gender]
    rules = sum(count > 0 for count in report["rejected"].values())
    heights = [3.0, 0.9 + 0.28 * rules, 0.3 + (FACE_INCHES + 0.2) * len(chosen)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(PAGE_INCHES, sum(heights)), layout="constrained")
        ages, rows, grids = figure.subfigures(3, 1, squeeze=False, height_ratios=heights).flat
        draw_ages(ages, {s: shown[shown["split"] == s] for s in report["splits"]})
        draw_rules(rows, report["rejected"], report["kept"])
        grids.suptitle("kept faces from the youngest to the oldest", x=0.01, ha="left")
        grid = grids.subplots(len(chosen), FACES_A_ROW, squeeze=False)
        for row, part in zip(grid, chosen, strict=True):
            paths = [crop_dir / name for name in part["filename"]]
            draw_faces(figure, row, paths, label_texts(part))
    return figure


def _from_youngest_to_oldest(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most so many faces, evenly spread over the rows sorted by age."""
    steps = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    return rows.sort_values("age", kind="stable").iloc[steps]
