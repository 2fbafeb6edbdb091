"""Metrics as a person reads them: one line, or a table with units."""

import pandas as pd

_MEASURES = {  # title: the network's, the constant answer's, how they are written
    "mean age error, years": ("age_mae_years", "median_age_mae_years", "{:.2f}"),
    "age within 5 years": ("age_cs5", "median_age_cs5", "{:.1%}"),
    "age in the labelled range": ("age_bin_accuracy", "majority_bin_accuracy", "{:.1%}"),
    "age there or in the next range": ("age_bin_one_off", "majority_bin_one_off", "{:.1%}"),
    "gender right": ("gender_accuracy", "majority_accuracy", "{:.1%}"),
    "gender cross-entropy": ("gender_cross_entropy", "frequency_cross_entropy", "{:.3f}"),
}


def beside_constant_answers(metrics: dict) -> pd.DataFrame:
    """Puts each measure beside what one gets without looking at any face.

    Args:
        metrics: Of `score`.

    Returns:
        A table to show: one row a measure, with units.
    """
    columns = ("the network", "without looking at faces")
    return pd.DataFrame.from_dict(
        {
            title: [form.format(metrics[name]) for name in names]
            for title, (*names, form) in _MEASURES.items()
            if names[0] in metrics
        },
        orient="index",
        columns=columns,
    )


def group_table(table: pd.DataFrame) -> pd.DataFrame:
    """Picks out of a table of `by_group` what a person wants to see, as texts with units."""
    columns = {
        "faces": ("count", "{:,.0f}"),
        "mean age error, years": ("age_mae_years", "{:.2f}"),
        "… of the median": ("median_age_mae_years", "{:.2f}"),
        "mean age too old by, years": ("age_bias_years", "{:+.2f}"),
        "age in the labelled range": ("age_bin_accuracy", "{:.1%}"),
        "… of the most frequent range": ("majority_bin_accuracy", "{:.1%}"),
        "gender right": ("gender_accuracy", "{:.1%}"),
        "… of the majority": ("majority_accuracy", "{:.1%}"),
    }
    return pd.DataFrame(
        {
            title: table[name].map(form.format, na_action="ignore").fillna("–")
            for title, (name, form) in columns.items()
            if name in table
        }
    )


def summary(metrics: dict) -> str:
    """Says the metrics in one line, each beside its baseline."""
    parts = [
        ("count", "{count:,} images"),
        (
            "age_mae_years",
            "age error {age_mae_years:.2f} years (95% interval "
            "{age_mae_years_low:.2f}–{age_mae_years_high:.2f}; always the median "
            "{median_age_mae_years:.2f}) · within 5 years {age_cs5:.1%} ({median_age_cs5:.1%})",
        ),
        (
            "age_bin_accuracy",
            "age in the labelled range {age_bin_accuracy:.1%} (95% interval "
            "{age_bin_accuracy_low:.1%}–{age_bin_accuracy_high:.1%}; always the most frequent "
            "range {majority_bin_accuracy:.1%}) · or in its neighbour {age_bin_one_off:.1%} "
            "({majority_bin_one_off:.1%})",
        ),
        (
            "gender_accuracy",
            "gender accuracy {gender_accuracy:.1%} (always the majority {majority_accuracy:.1%}) · "
            "cross-entropy {gender_cross_entropy:.3f} ({frequency_cross_entropy:.3f})",
        ),
        (
            "age_interval_coverage",
            "{coverage:.0%} age intervals hold {age_interval_coverage:.1%}, "
            "{age_interval_width_years:.1f} years wide",
        ),
    ]
    values = metrics.get("age_interval", {}) | metrics
    texts = [text.format(**values) for name, text in parts if name in metrics]
    return " · ".join([*texts, *_absent(metrics)])


def _absent(metrics: dict) -> list[str]:
    """What is not scored, where a reader would look for it."""
    absent = []
    if "age_mae_years" not in metrics and "age_bin_accuracy" not in metrics:
        absent.append("no ages scored")
    if "gender_accuracy" not in metrics:
        absent.append("no genders scored")
    of_labels = {
        "age_count": "{:,} with an exact age",
        "age_range_count": "{:,} with an age range",
        "gender_count": "{:,} with a gender",
    }
    absent += [text.format(metrics[name]) for name, text in of_labels.items() if name in metrics]
    return absent
