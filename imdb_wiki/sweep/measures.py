"""What trials are compared by: numbers on the validation split."""

from typing import Any, Literal, NamedTuple

from imdb_wiki.errors import InputError
from imdb_wiki.sweep.space import Choices, Space, value_text


class Measure(NamedTuple):
    """A column of a training's `history.csv`, of the validation split."""

    column: str
    title: str  # for a figure
    task: str = ""  # whose labels it needs; "" for those of all tasks
    is_better_higher: bool = False

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna calls it."""
        return "maximize" if self.is_better_higher else "minimize"


DEFAULT = "val_loss"
MEASURES = {
    measure.column: measure
    for measure in (
        Measure(DEFAULT, "validation loss"),
        Measure("val_age_years_mae", "age: mean absolute error, years", "age"),
        Measure("val_gender_accuracy", "gender: accuracy", "gender", is_better_higher=True),
        Measure("val_gender_cross_entropy", "gender: cross-entropy", "gender"),
    )
}
# With another value of one of these, the loss is another sum: the smaller is not the better.
_IN_THE_LOSS = ("AGE_LOSS", "AGE_LOSS_WEIGHT", "GENDER_LOSS_WEIGHT", "TASKS")


def read_measure(name: str | None, space: Space, constants: dict[str, Any]) -> Measure:
    """Finds the measure, and refuses one by which these trials cannot be compared.

    Args:
        name: One of `MEASURES`; None for `val_loss`.
        space: What the trials vary.
        constants: The notebook's, by name.

    Returns:
        The measure.

    Raises:
        InputError: The trials would differ in what it means, or some would not have it.
    """
    measure = MEASURES[name or DEFAULT]
    changed = [name for name in _IN_THE_LOSS if name in space.varied]
    if measure.column == DEFAULT and changed:
        others = ", ".join(other for other in MEASURES if other != DEFAULT)
        raise InputError(
            f"{', '.join(changed)} changes what {DEFAULT} adds up, so it compares nothing: "
            f"--measure takes {others}"
        )
    tasks = space.varied.get("TASKS")
    of_trials = (
        tasks.choices
        if isinstance(tasks, Choices)
        else [space.fixed.get("TASKS", constants.get("TASKS", []))]
    )
    without = next((one for one in of_trials if measure.task and measure.task not in one), None)
    if without is not None:
        raise InputError(f"with TASKS={value_text(without)} there is no {measure.column}")
    return measure
