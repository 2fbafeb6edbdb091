"""Metrics as a person reads them: one line, or a table with units."""

import pandas as pd


def beside_constant_answers(metrics: dict) -> pd.DataFrame:
    """Puts each measure beside what one gets without looking at any face.

    Args:
        metrics: Of `score`.

    Returns:
        A table to show: one row a measure, with units.
    """
    rows = {
        "mean age error, years": ("age_mae_years", "median_age_mae_years", "{:.2f}"),
        "age within 5 years": ("age_cs5", "median_age_cs5", "{:.1%}"),
        "gender right": ("gender_accuracy", "majority_accuracy", "{:.1%}"),
        "gender cross-entropy": ("gender_cross_entropy", "frequency_cross_entropy", "{:.3f}"),
    }
    columns = ("the network", "without looking at faces")
    return pd.DataFrame.from_dict(
        {
            title: [form.format(metrics[name]) for name in names]
            for title, (*names, form) in rows.items()
        },
        orient="index",
        columns=columns,
    )


def group_table(table: pd.DataFrame) -> pd.DataFrame:
    """Picks out of a table of `by_group` what a person wants to see, as texts with units."""
    return pd.DataFrame(
        {
            "faces": table["count"].map("{:,.0f}".format),
            "mean age error, years": table["age_mae_years"].map("{:.2f}".format),
            "… of the median": table["median_age_mae_years"].map("{:.2f}".format),
            "mean age too old by, years": table["age_bias_years"].map("{:+.2f}".format),
            "gender right": table["gender_accuracy"].map("{:.1%}".format),
            "… of the majority": table["majority_accuracy"].map("{:.1%}".format),
        }
    )


def summary(metrics: dict) -> str:
    """Says the metrics in one line, each beside its baseline."""
    text = (
        "{count:,} images · age error {age_mae_years:.2f} years (95% interval "
        "{age_mae_years_low:.2f}–{age_mae_years_high:.2f}; always the median "
        "{median_age_mae_years:.2f}) · within 5 years {age_cs5:.1%} ({median_age_cs5:.1%}) · "
        "gender accuracy {gender_accuracy:.1%} (always the majority {majority_accuracy:.1%}) · "
        "cross-entropy {gender_cross_entropy:.3f} ({frequency_cross_entropy:.3f})"
    ).format(**metrics)
    if "age_interval_coverage" in metrics:
        text += (
            " · {coverage:.0%} age intervals hold {age_interval_coverage:.1%}, "
            "{age_interval_width_years:.1f} years wide"
        ).format(**metrics["age_interval"] | metrics)
    return text
