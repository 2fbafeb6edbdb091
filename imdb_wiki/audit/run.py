"""An audit from its folders to its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imdb_wiki.audit.answers import answers_of_model
from imdb_wiki.audit.calibration import evidence_of
from imdb_wiki.audit.faces import notes_of_weakness, read_faces, refuse_known, what_is_audited
from imdb_wiki.audit.figures import contact_sheet, probability_figure
from imdb_wiki.audit.folds import answers_by_folds, epochs_for
from imdb_wiki.audit.mixture import audit
from imdb_wiki.audit.report import audit_facts, look_first, suspects_table, write_report
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import people_of
from imdb_wiki.labels import TASK_OUTPUTS
from imdb_wiki.models.files import load_model, refuse_nan
from imdb_wiki.networks import tasks_of
from imdb_wiki.plots.style import save
from imdb_wiki.results.provenance import current_commit, now
from imdb_wiki.split_tables import LEFT_OUT_FILE

_REMOVED = (
    f"the {LEFT_OUT_FILE} of the audit before is removed; --left_out makes another one, and so "
    "does the review with --write_left_out"
)


def run_audit(
    prepared_dirs: Sequence[str],
    output_dir: Path,
    model_path: Path | None = None,
    folds: int = 5,
    splits: Sequence[str] = (),
    left_out: float | None = None,
    epochs: int = 0,
    image_size: int = 48,
    seed: int = 0,
    verbose: int = 1,
) -> dict:
    """Audits labels, or goes on with an audit that was stopped, and writes all of it.

    Args:
        prepared_dirs: Folders of `imdb_wiki_preparation.py`, pooled.
        output_dir: Where to.
        model_path: A model that has not met the faces; None trains `folds` networks.
        folds: How many.
        splits: Which splits; all if empty.
        left_out: From which probability on a face that nobody has decided about is in
            `left_out.csv`; None writes none, and removes one of earlier suspects.
        epochs: Of each of the networks; 0 for as many as the number of faces needs.
        image_size: Side of their images in pixels.
        seed: Of all chance.
        verbose: Whether to show progress, 0 or 1.

    Returns:
        The content of `audit.json`.

    Raises:
        InputError: What is wrong with the folders, the model or the output folder.
        FileNotFoundError: There is no such folder or model.
    """
    look_first(output_dir)
    frame = read_faces(prepared_dirs, splits)
    tasks, notes = what_is_audited(frame)
    how: dict[str, Any] = {
        "data": [str(folder) for folder in prepared_dirs],
        "splits": sorted(set(frame["split"])),
        "seed": seed,
        "time": now(),
        "commit": current_commit(),
    }
    if model_path:
        refuse_known(model_path, frame)
        model = load_model(model_path)
        if not set(tasks) & set(tasks_of(model)):
            raise InputError(f"{model_path} answers no {tasks[0]}; {'; '.join(notes)}")
        answers = answers_of_model(model, model_path, frame, output_dir, verbose)
        how["model"] = str(model_path)
    else:
        epochs = epochs or epochs_for(len(frame), folds)
        answers = answers_by_folds(
            frame, output_dir, tuple(tasks), folds, epochs, image_size, seed, verbose
        )
        how |= {"folds": folds, "epochs": epochs, "image_size": image_size}
    refuse_nan(answers, "the network")
    for task, output in TASK_OUTPUTS.items():
        if task in tasks and output not in answers:
            notes.append(f"the network answers no {task}: it is not audited")
    notes += notes_of_weakness(frame, answers)
    kept = {name for task in tasks for name in _outputs_of(task)}
    answers = {name: values for name, values in answers.items() if name in kept}
    evidence = evidence_of(frame, answers)
    found = audit(evidence, people_of(frame), seed)
    if left_out is None and (output_dir / LEFT_OUT_FILE).exists():
        notes.append(_REMOVED)
    table = suspects_table(frame, answers, evidence, found)
    facts = audit_facts(frame, found, how, notes)
    output_dir.mkdir(parents=True, exist_ok=True)
    labelled = table[table["wrong_probability"].notna()]
    save(contact_sheet(labelled, "Most suspicious labels"), output_dir / "most_suspicious.png")
    least = contact_sheet(labelled.iloc[::-1], "Least suspicious labels")
    save(least, output_dir / "least_suspicious.png")
    shares = (facts[name] for name in ("wrong_share", "wrong_share_low", "wrong_share_high"))
    figure = probability_figure(labelled["wrong_probability"].to_numpy(), *shares)
    save(figure, output_dir / "probabilities.png")
    write_report(output_dir, table, facts, left_out)
    return facts


def _outputs_of(task: str) -> tuple[str, ...]:
    return (TASK_OUTPUTS[task], "age_distribution") if task == "age" else (TASK_OUTPUTS[task],)
