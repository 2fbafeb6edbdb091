"""`--overwrite`: it looks first and deletes last, and never takes what is not its own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from imdb_wiki.preparation import prepared_folder
from imdb_wiki.preparation.journal import Journal
from imdb_wiki.sample import draw as sample
from tests.conftest import run_preparation
from tests.preparation.originals import people, write_original
from tests.shared import assert_one_line

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with an input, `imdb_crop`, and its preparations at 32 pixels and at 40."""
    folder = tmp_path_factory.mktemp("finished")
    write_original(folder / "imdb_crop", people(20, 3))
    for name, size in (("out", 32), ("at_40", 40)):
        run = run_preparation(*arguments(folder, size), "--output_dir", folder / name)
        assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy, in which the input lies at the same place for the arguments."""
    shutil.copytree(finished / "out", tmp_path / "out")
    (tmp_path / "imdb_crop").symlink_to(finished / "imdb_crop")
    return tmp_path


def arguments(folder: Path, img_size: int, *more: object) -> tuple:
    command = ("--db_path", folder / "imdb_crop/imdb.mat", "--output_dir", folder / "out")
    return (*command, "--img_size", img_size, *more)


def content(output_dir: Path) -> dict[str, bytes | str]:
    """Everything by name but what tells seconds."""
    return {
        str(path.relative_to(output_dir)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in output_dir.rglob("*")
        if path.is_symlink() or (path.is_file() and path.suffix not in (".json", ".png"))
    }


def make_file(out: Path, name: str) -> None:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_text("mine")


def make_link(out: Path, name: str) -> None:
    """Moves a file or folder to another place and links it, as one does when a disk is full."""
    shutil.move(out / name, out.parent / "elsewhere")
    (out / name).symlink_to(out.parent / "elsewhere")


FOREIGN = {
    "thesis.tex": make_file,
    "notes/today.txt": make_file,
    "crop/train/female/me.jpg": make_file,
    "crop/holiday/me.jpg": make_file,
    "crop/train/female/notes.txt": make_file,
    "figures/mine.png": make_file,
    "imdb_crop/imdb.mat": make_file,  # only the sample's is a preparation's own
    "crop": make_link,
    "crop/train": make_link,
    "train.csv": make_link,
    "figures": make_link,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_no_preparation_wrote_keeps_everything_as_it_was(name, folder):
    FOREIGN[name](folder / "out", name)
    before, outside = content(folder / "out"), content(folder)
    run = run_preparation(*arguments(folder, 40, "--overwrite"))
    first = name.split("/")[0]
    named = name if first in ("crop", "figures") else first
    advice = "which no preparation wrote; move it away or name another folder"
    assert_one_line(run, f"out: holds {named}", advice)
    assert content(folder / "out") == before
    assert content(folder) == outside
    assert (folder / "out/report.json").is_file()


def test_the_count_of_test_reads_and_what_systems_add_are_no_foreign_files(folder, finished):
    (folder / "out/test_reads.csv").write_text("time\n2026-01-31\n")
    for name in (".DS_Store", "crop/.DS_Store", "crop/train/female/Thumbs.db"):
        (folder / "out" / name).touch()
    assert "already prepared" in run_preparation(*arguments(folder, 32)).stdout
    assert (folder / "out/test_reads.csv").is_file()
    run = run_preparation(*arguments(folder, 40, "--overwrite"))
    assert run.returncode == 0, run.stderr
    assert not (folder / "out/test_reads.csv").exists()  # of other splits
    (folder / "out/.DS_Store").unlink()
    assert content(folder / "out") == content(finished / "at_40")


def test_rules_that_leave_nothing_cost_no_earlier_result(folder):
    before = content(folder / "out")
    run = run_preparation(*arguments(folder, 40, "--overwrite", "--min_score", 9))
    assert_one_line(run, "no image is left")
    assert content(folder / "out") == before
    assert "already prepared" in run_preparation(*arguments(folder, 32)).stdout


class StoppedHere(KeyboardInterrupt):
    """Raised instead of a step, as Ctrl-C or a kill would end it."""


def stop_before(monkeypatch, owner: object, name: str, number: int) -> None:
    """Lets the `number`th call of a function end the run."""
    original, calls = getattr(owner, name), []

    def stopping(*values, **options):
        calls.append(values)
        if len(calls) == number:
            raise StoppedHere
        return original(*values, **options)

    monkeypatch.setattr(owner, name, stopping)


STOPS = {
    "before anything is forgotten": (Journal, "_begin_again", 1),
    "before the rows are noted": (Journal, "check_table", 1),
    "while cropping": (Journal, "append", 1),
    "before the old is removed": (prepared_folder, "_folder_files", 3),
    "while the old is removed": (prepared_folder.shutil, "rmtree", 1),
    "before the first is moved": (Journal, "publish_folder", 1),
    "while moving": (Journal, "publish", 9),
    "before the report": (Journal, "finish", 1),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_stopped_overwrite_leaves_the_old_or_continues_to_the_new(
    stop, folder, finished, monkeypatch
):
    before = content(folder / "out")
    stop_before(monkeypatch, *STOPS[stop])
    run = run_preparation(*arguments(folder, 40, "--overwrite"))
    said = assert_one_line(run, code=130)
    monkeypatch.undo()
    old = {name: data for name, data in content(folder / "out").items() if ".prep" not in name}
    if (folder / "out/report.json").exists():
        assert old == before  # whole
    if stop == "before anything is forgotten":
        assert said == "stopped; the same command continues"
        run = run_preparation(*arguments(folder, 40, "--overwrite"))
    else:
        assert said == "stopped; the same command without --overwrite continues"
        run = run_preparation(*arguments(folder, 40))
    assert run.returncode == 0, run.stderr
    assert content(folder / "out") == content(finished / "at_40")
    assert not (folder / "out/.preparing").exists()


def test_a_stopped_overwrite_may_be_begun_again_or_given_up(folder, finished, monkeypatch):
    before = content(folder / "out")
    stop_before(monkeypatch, Journal, "begin_publishing", 1)
    assert run_preparation(*arguments(folder, 48, "--overwrite")).returncode == 130
    monkeypatch.undo()
    run = run_preparation(*arguments(folder, 32))  # the old is still the old
    assert "already prepared" in run.stdout
    assert {n: d for n, d in content(folder / "out").items() if ".prep" not in n} == before
    other = run_preparation(*arguments(folder, 56))
    assert_one_line(other, "img_size was 32, is 56")
    assert run_preparation(*arguments(folder, 40, "--overwrite")).returncode == 0
    assert content(folder / "out") == content(finished / "at_40")


def test_a_file_that_comes_while_crops_are_made_stops_before_anything_is_lost(
    folder, finished, monkeypatch
):
    before = content(folder / "out")
    append = Journal.append

    def append_and_add(self, outcomes):
        (folder / "out/thesis.tex").write_text("years of work")
        append(self, outcomes)

    monkeypatch.setattr(Journal, "append", append_and_add)
    run = run_preparation(*arguments(folder, 40, "--overwrite"))
    monkeypatch.undo()
    assert_one_line(run, "out: holds thesis.tex, which no preparation wrote")
    (folder / "out/thesis.tex").unlink()
    assert {n: d for n, d in content(folder / "out").items() if ".prep" not in n} == before
    assert run_preparation(*arguments(folder, 40)).returncode == 0
    assert content(folder / "out") == content(finished / "at_40")


def test_the_sample_is_drawn_again_and_moved_last(tmp_path, monkeypatch):
    def draw_noise(rng, sitters, side):
        return rng.integers(0, 256, (side, side, 3), np.uint8)

    draw = sample.draw_sample
    monkeypatch.setattr(sample, "draw_photo", draw_noise)
    monkeypatch.setattr(sample, "draw_sample", lambda f, seed: draw(f, count=200, seed=seed))
    command = ("--dataset", "sample", "--output_dir", tmp_path / "out", "--img_size", 32)
    assert run_preparation(*command).returncode == 0
    first = content(tmp_path / "out")
    assert "imdb_crop/imdb.mat" in first
    with monkeypatch.context() as patch:
        stop_before(patch, Journal, "publish", 9)
        assert run_preparation(*command, "--seed", 1, "--overwrite").returncode == 130
    assert run_preparation(*command, "--seed", 1).returncode == 0
    second = content(tmp_path / "out")
    assert second["imdb_crop/imdb.mat"] != first["imdb_crop/imdb.mat"]
    (tmp_path / "out/imdb_crop/mine.txt").write_text("mine")
    run = run_preparation(*command, "--overwrite")
    assert_one_line(run, "out: holds imdb_crop/mine.txt")
    (tmp_path / "out/imdb_crop/mine.txt").unlink()
    assert run_preparation(*command, "--overwrite").returncode == 0
    assert content(tmp_path / "out") == first


def test_a_report_that_nobody_can_read_is_kept(folder):
    (folder / "out/report.json").write_text("[" * 100_000)
    run = run_preparation(*arguments(folder, 40, "--overwrite"))
    assert_one_line(run, "is not what a preparation writes")


def test_an_output_that_is_a_file_is_said(folder):
    run = run_preparation(*arguments(folder, 40), "--output_dir", folder / "imdb_crop/imdb.mat")
    assert_one_line(run, "is a file, not a folder")


def test_a_csv_that_was_edited_does_not_hinder(folder, finished):
    csv_path = folder / "out/train.csv"
    csv_path.write_text("age;gender\n")
    run = run_preparation(*arguments(folder, 40, "--overwrite"))
    assert run.returncode == 0, run.stderr
    assert content(folder / "out") == content(finished / "at_40")
    assert json.loads((folder / "out/report.json").read_text())["arguments"]["img_size"] == 40
