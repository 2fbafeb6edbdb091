"""What a preparation did: `report.json`, the table on the screen and a picture."""

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from imdb_wiki.filters import RULES
from imdb_wiki.labels import GENDER_NAMES, SPLIT_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FACES_PER_GENDER = 8
_PACKAGES = ("numpy", "scipy", "pandas", "opencv-python-headless")


def preparation_report(
    table: pd.DataFrame,
    kept: pd.DataFrame,
    by_identity: bool,
    image_count: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Counts rows per rule and images per split and gender.

    Args:
        table: every row with its `rule`, "" where it is kept.
        kept: the kept rows with their `split`.
        by_identity: whether people were kept together.
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
                "mean_age_years": round(float(rows["age"].mean()), 2),
            }
    return {
        "rows": len(table),
        "rejected": {rule: int(counts.get(rule, 0)) for rule in RULES},
        "kept": len(kept),
        "mean_age_years": round(float(kept["age"].mean()), 2),
        "split_by": "identity" if by_identity else "image",
        "splits": splits,
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "images_per_second": round(image_count / max(seconds["crops"], 1e-9), 1),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }


def report_text(report: dict[str, Any]) -> str:
    """The report as tables for the screen."""
    lines = [f"{'rows':<28}{report['rows']:>9,}"]
    lines += [f"  {rule:<26}{n:>9,}" for rule, n in report["rejected"].items()]
    lines += [f"{'kept':<28}{report['kept']:>9,}", ""]
    lines += [f"{'split':<8}{'images':>9}{'female':>9}{'male':>9}{'people':>9}{'mean age':>10}"]
    lines += [
        f"{name:<8}{s['images']:>9,}{s['female']:>9,}{s['male']:>9,}"
        f"{s['people'] or '–':>9}{s['mean_age_years']:>10.2f}"
        for name, s in report["splits"].items()
    ]
    links = report["same_picture_links"]
    lines += [
        "",
        f"same picture in one split: {links['identical_files']:,} identical files, "
        f"{links['near_identical']:,} near-identical",
        "",
    ]
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
    """Draws ages by gender and split, what was left out, and some faces.

    Args:
        kept: the kept rows with `split`, `age`, `gender` and `filename`.
        crop_dir: the folder that the file names are relative to.
        report: the counts.
    """
    from matplotlib.figure import Figure  # a second to import, only needed at the end

    from imdb_wiki.plots import GENDER_COLOURS

    splits = list(report["splits"])
    figure = Figure(figsize=(12, 8), layout="constrained")
    charts, faces = figure.subfigures(2, 1, height_ratios=[1, 1.15])
    axes = charts.subplots(1, len(splits) + 1, width_ratios=[*[1] * len(splits), 1.1])
    for axis, split in zip(axes, splits, strict=False):
        rows = kept[kept["split"] == split]
        ages = [rows.loc[rows["gender"] == gender, "age"] for gender in range(2)]
        axis.hist(
            ages,
            bins=range(0, 105, 5),
            stacked=True,
            color=[GENDER_COLOURS[name] for name in GENDER_NAMES],
        )
        axis.set_title(f"{split}: {len(rows):,} images", fontsize=10)
        axis.set_xlabel("age in years")
    axes[0].set_ylabel("images")
    axes[0].legend(GENDER_NAMES, frameon=False, loc="upper right")
    rejected = {rule: n for rule, n in report["rejected"].items() if n}
    bars = axes[-1].barh([rule.replace("_", " ") for rule in rejected], list(rejected.values()))
    axes[-1].bar_label(bars, fmt="{:,.0f}", padding=3)
    axes[-1].bar(0, 0)  # keeps the axis where nothing was left out
    axes[-1].invert_yaxis()
    axes[-1].margins(x=0.25)
    axes[-1].set_title(f"left out of {report['rows']:,} rows", fontsize=10)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)

    grid = faces.subplots(2, _FACES_PER_GENDER)
    for gender, row_of_axes in enumerate(grid):
        rows = kept[kept["gender"] == gender].sort_values("age", kind="stable")
        steps = np.linspace(0, len(rows) - 1, _FACES_PER_GENDER).astype(int) if len(rows) else []
        for axis in row_of_axes:
            axis.set_axis_off()
        for axis, face in zip(row_of_axes, rows.iloc[steps].itertuples(), strict=False):
            image = cv2.imread(str(crop_dir / face.filename))
            axis.imshow(image[..., ::-1])
            axis.set_title(f"{GENDER_NAMES[gender]}, {face.age:.0f} years", fontsize=9)
    faces.suptitle("kept faces from the youngest to the oldest", fontsize=10)
    return figure
