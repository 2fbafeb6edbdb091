"""Runs that are killed, stopped or out of room, and go on."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import cv2
import pytest

from tests.conftest import REPOSITORY, preparation_command, run_preparation
from tests.preparation.originals import people, photo, write_original
from tests.preparation.waiting import wait_for_process
from tests.shared import assert_one_line, ended

# What is killed is a process with workers of its own; what goes on, goes on in this one.
pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A folder of 600 photos, some of them broken; returns the .mat."""
    folder = tmp_path_factory.mktemp("original") / "imdb_crop"
    rows = people(100, 6)
    mat_path = write_original(folder, rows)
    for row in rows[::50]:
        (folder / row["full_path"]).write_bytes(b"broken")
    return mat_path


@pytest.fixture(scope="module")
def undisturbed(original, in_this_process, tmp_path_factory) -> dict[str, bytes]:
    """What a run that nothing disturbs leaves."""
    output_dir = tmp_path_factory.mktemp("undisturbed") / "out"
    run = run_preparation(*arguments(original, output_dir))
    assert run.returncode == 0, run.stderr
    return content(output_dir)


def arguments(mat_path: Path, output_dir: Path) -> list:
    return ["--db_path", mat_path, "--output_dir", output_dir, "--img_size", 64, "--workers", 2]


def content(output_dir: Path) -> dict[str, bytes]:
    """All files by name but the report and its picture, which tell seconds."""
    return {
        str(path.relative_to(output_dir)): path.read_bytes()
        for path in output_dir.rglob("*")
        if path.suffix in (".jpg", ".csv", ".part")
    }


def start(mat_path: Path, output_dir: Path) -> subprocess.Popen:
    return subprocess.Popen(
        preparation_command(*arguments(mat_path, output_dir)),
        **{"cwd": REPOSITORY, "text": True, "start_new_session": True},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
    )


def descendants_of_session(process: subprocess.Popen) -> list[int]:
    """Processes still alive of those that the process has started."""
    alive = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            if session == process.pid and int(entry.name) != process.pid:
                alive.append(int(entry.name))
    return alive


STAGES = {
    "cropping": lambda out: len(list((out / ".preparing/crops").glob("*"))) > 150,
    "moving": lambda out: (out / "crop").is_dir() and any((out / "crop").rglob("*.jpg")),
    "just started": lambda out: (out / ".preparing").is_dir(),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_continues_to_the_same_bytes(stage, original, undisturbed, tmp_path):
    output_dir = tmp_path / "out"
    process = start(original, output_dir)
    wait_for_process(process, lambda: STAGES[stage](output_dir))
    assert process.poll() is None, "the run ended before it could be killed"
    process.kill()  # this process only, its workers are not asked
    process.communicate()
    if Path("/proc/self/stat").exists():
        deadline = time.monotonic() + 10
        while descendants_of_session(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert descendants_of_session(process) == []
    again = run_preparation(*arguments(original, output_dir))
    assert again.returncode == 0, again.stderr
    assert content(output_dir) == undisturbed
    assert not (output_dir / ".preparing").exists()


def journal_of_a_killed_run(original, output_dir) -> Path:
    """Starts a run and kills it when its journal has a whole line."""
    process = start(original, output_dir)
    path = output_dir / ".preparing" / "journal.jsonl"
    wait_for_process(process, lambda: path.is_file() and b"\n" in path.read_bytes())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return path


def test_a_run_begun_by_an_older_version_continues_to_the_same_bytes(
    original, undisturbed, tmp_path
):
    output_dir = tmp_path / "out"
    path = journal_of_a_killed_run(original, output_dir)
    whole_lines = path.read_text().split("\n")[:-1]
    lines = [json.loads(line) for line in whole_lines]
    assert lines
    # The crops' hashes were not noted then: they were computed at the end.
    old = [json.dumps([outcome[:4] for outcome in outcomes]) + "\n" for outcomes in lines]
    path.write_text("".join(old))
    again = run_preparation(*arguments(original, output_dir))
    assert again.returncode == 0, again.stderr
    assert content(output_dir) == undisturbed


def test_a_journal_whose_bytes_were_lost_is_said(original, tmp_path):
    output_dir = tmp_path / "out"
    path = journal_of_a_killed_run(original, output_dir)
    path.write_bytes(bytes(100) + b"\n")  # as after a power cut
    done = run_preparation(*arguments(original, output_dir))
    assert_one_line(done, "journal.jsonl is damaged; add --overwrite to begin again")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(25))
def test_killed_again_and_again_at_any_moment(seed, original, undisturbed, tmp_path):
    chance = random.Random(seed)
    output_dir = tmp_path / "out"
    for _ in range(4):
        process = start(original, output_dir)
        time.sleep(chance.uniform(0.2, 5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    again = run_preparation(*arguments(original, output_dir))
    assert again.returncode == 0, again.stderr
    assert content(output_dir) == undisturbed


def test_an_input_that_has_changed_since_is_refused(original, tmp_path):
    names = [f"{n + 1}_0_0_{n:017d}.jpg" for n in range(300)]
    (tmp_path / "faces").mkdir()
    for n, name in enumerate(names):
        (tmp_path / "faces" / name).write_bytes(cv2.imencode(".jpg", photo(n))[1])
    arguments = ["--dataset", "utkface", "--photo_dir", tmp_path / "faces"]
    arguments += ["--output_dir", tmp_path / "out", "--img_size", 64, "--workers", 1]
    process = subprocess.Popen(
        preparation_command(*arguments), cwd=REPOSITORY, stderr=subprocess.DEVNULL
    )
    wait_for_process(process, lambda: (tmp_path / "out/.preparing/journal.jsonl").exists())
    process.kill()
    process.wait()
    (tmp_path / "faces" / names[0]).unlink()  # all rows behind it move up
    again = run_preparation(*arguments)
    assert_one_line(again, "has changed since")
    assert run_preparation(*arguments, "--overwrite").returncode == 0


def test_ctrl_c_ends_with_one_line_and_130(original, undisturbed, tmp_path):
    output_dir = tmp_path / "out"
    process = start(original, output_dir)
    wait_for_process(process, lambda: STAGES["cropping"](output_dir))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    said = assert_one_line(ended(process), code=130)
    assert said == "stopped; the same command continues"
    assert run_preparation(*arguments(original, output_dir)).returncode == 0
    assert content(output_dir) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("seed", range(15))
def test_an_overwrite_killed_at_any_moment_leaves_the_old_or_continues(
    seed, original, undisturbed, tmp_path
):
    chance = random.Random(seed)
    output_dir = tmp_path / "out"
    old = [*arguments(original, output_dir), "--seed", 1]
    assert run_preparation(*old).returncode == 0
    before = content(output_dir)
    command = preparation_command(*arguments(original, output_dir))
    for number in range(3):
        process = subprocess.Popen(
            [*command, "--overwrite"] if number == 0 else command,
            **{"cwd": REPOSITORY, "start_new_session": True},
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL},
        )
        time.sleep(chance.uniform(0.2, 5))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if (output_dir / "report.json").exists() and run_preparation(*old).returncode == 0:
            here = {n: d for n, d in content(output_dir).items() if ".preparing" not in n}
            assert here == before
    again = run_preparation(*arguments(original, output_dir))
    if again.returncode != 0:  # killed before it had begun
        assert_one_line(again, "--overwrite")
        again = run_preparation(*arguments(original, output_dir), "--overwrite")
    assert again.returncode == 0, again.stderr
    assert content(output_dir) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("delay_seconds", [0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2, 3])
def test_ctrl_c_at_any_moment_leaves_no_traceback(delay_seconds, original, tmp_path):
    process = start(original, tmp_path / "out")
    time.sleep(delay_seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr
    assert process.returncode in (0, 130, -signal.SIGINT)


def test_a_killed_worker_ends_the_run_with_one_line(original, undisturbed, tmp_path):
    output_dir = tmp_path / "out"
    process = start(original, output_dir)
    wait_for_process(process, lambda: STAGES["cropping"](output_dir))
    workers = []
    for pid in descendants_of_session(process):
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                workers.append(pid)
    os.kill(workers[0], signal.SIGKILL)
    assert_one_line(ended(process), "a worker process was killed")
    assert run_preparation(*arguments(original, output_dir)).returncode == 0
    assert content(output_dir) == undisturbed


def test_two_runs_do_not_share_a_folder(original, tmp_path):
    output_dir = tmp_path / "out"
    process = start(original, output_dir)
    wait_for_process(process, lambda: STAGES["cropping"](output_dir))
    os.killpg(process.pid, signal.SIGSTOP)  # a laptop that sleeps holds its folder all the same
    for extra in ([], ["--overwrite"]):
        other = run_preparation(*arguments(original, output_dir), *extra)
        assert_one_line(other, "another run")
    os.killpg(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_full_disk_is_said_and_the_run_continues_once_there_is_room(
    original, undisturbed, tmp_path
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    try:
        full = ended(start(original, disk / "out"))
        named = re.escape(f"error: {disk}/out/.preparing/")
        expected = named + r"\S+: No space left on device; the same command continues"
        assert_one_line(full, re.compile(f"^{expected}$"))
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        again = run_preparation(*arguments(original, disk / "out"))
        assert again.returncode == 0, again.stderr
        assert content(disk / "out") == undisturbed
    finally:
        subprocess.run(["umount", str(disk)], check=True)
