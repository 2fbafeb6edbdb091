"""The preparation on a real cluster of three nodes: the bytes of one machine, whatever happens."""

import contextlib
import filecmp
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import cv2
import pytest

pytest.importorskip("distributed", reason="Dask is not installed: see requirements-cluster.txt")

from tests.conftest import REPOSITORY, preparation_command, run_preparation
from tests.preparation.clusters import TestCluster
from tests.preparation.originals import people, photo, write_original
from tests.preparation.waiting import wait_for_process
from tests.shared import assert_one_line

# Without report figures: they take a second each, and have no part in it.
pytestmark = pytest.mark.usefixtures("in_this_process")

# Crops so large that all take a second, in which something can happen.
ARGUMENTS = ("--img_size", 240)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A folder of 1,000 photos, some of them broken or missing; returns the .mat."""
    folder = tmp_path_factory.mktemp("original") / "imdb_crop"
    rows = people(250, 4)
    mat_path = write_original(folder, rows)
    for row in rows[::50]:
        (folder / row["full_path"]).write_bytes(b"broken")
    for row in rows[::70]:
        (folder / row["full_path"]).unlink()
    for one, other in ((3, 5), (10, 201)):  # the same file, of one person and of two
        shutil.copy(folder / rows[one]["full_path"], folder / rows[other]["full_path"])
    for n in range(301, 340):  # pictures of other people, compressed anew
        path = folder / rows[n + 100]["full_path"]
        cv2.imwrite(str(path), photo(n), [cv2.IMWRITE_JPEG_QUALITY, 60])
    return mat_path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = TestCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def three_nodes(cluster) -> TestCluster:
    """The cluster with three nodes, whatever an earlier test has done to them."""
    cluster.nodes = [node for node in cluster.nodes if node.process.poll() is None]
    while len(cluster.nodes) < 3:
        cluster.start_node()
    cluster.wait_for_nodes(3)
    return cluster


@pytest.fixture(scope="module")
def one_machine(original, tmp_path_factory, in_this_process) -> Path:
    """What one machine makes of it."""
    output_dir = tmp_path_factory.mktemp("one_machine") / "out"
    done = run_preparation("--db_path", original, "--output_dir", output_dir, *ARGUMENTS)
    assert done.returncode == 0, done.stderr
    links = json.loads((output_dir / "report.json").read_text())["same_picture_links"]
    assert links["identical_files"] and links["near_identical"] > 20
    return output_dir


def arguments(original, output_dir, cluster) -> list:
    named = ["--db_path", original, "--output_dir", output_dir]
    return [*named, *ARGUMENTS, "--cluster", cluster.address]


def assert_same_bytes(one: Path, other: Path) -> None:
    """All files are the same, but for the seconds in the report."""
    names = {str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()}
    assert names == {str(path.relative_to(other)) for path in other.rglob("*") if path.is_file()}
    different = filecmp.cmpfiles(one, other, names - {"report.json"}, shallow=False)[1:]
    assert different == ([], [])
    assert _without_seconds(one) == _without_seconds(other)


def _without_seconds(folder: Path) -> str:
    text = (folder / "report.json").read_text()
    text = re.sub(r'"seconds": \{[^}]*\}', "", text)
    return re.sub(r'"images_per_second": [\d.]+', "", text)


@contextlib.contextmanager
def at_the_first_crop(output_dir: Path, act):
    """Does something in the middle of a run that is at work in this process."""
    acted = []

    def wait_and_act():
        crops = output_dir / ".preparing/crops"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not acted:
            with contextlib.suppress(OSError):
                if any(crops.iterdir()):
                    acted.append(len(list(crops.iterdir())))
                    act()
            time.sleep(0.005)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()
    assert acted and acted[0] < 800, f"it was done too late: {acted}"


def test_a_cluster_makes_the_bytes_of_one_machine(original, one_machine, three_nodes, tmp_path):
    done = run_preparation(*arguments(original, tmp_path / "out", three_nodes))
    assert done.returncode == 0, done.stderr
    assert_same_bytes(one_machine, tmp_path / "out")
    assert (
        "already prepared"
        in run_preparation(
            "--db_path", original, "--output_dir", tmp_path / "out", *ARGUMENTS
        ).stdout
    )


def test_a_killed_worker_nodes_taken_away_and_another_added(
    original, one_machine, three_nodes, tmp_path
):
    (tmp_path / "parts").mkdir()
    photos = sorted(original.parent.rglob("*.jpg"))
    for number in range(3):
        with tarfile.open(tmp_path / f"parts/{number}.tar", "w") as archive:
            for photo_path in photos[number::3]:
                archive.add(photo_path, photo_path.relative_to(original.parent))
    stays, *leave = three_nodes.nodes
    victim = stays.worker_pid()

    def exchange():
        os.kill(victim, signal.SIGKILL)
        for node in leave:
            node.take_away()
        three_nodes.start_node()

    out = tmp_path / "out"
    with at_the_first_crop(out, exchange):
        done = run_preparation(
            *("--db_path", original, "--photo_dir", tmp_path / "parts", "--output_dir", out),
            *(*ARGUMENTS, "--cluster", three_nodes.address),
        )
    assert done.returncode == 0, done.stderr
    assert stays.worker_pid() != victim
    names = {path.relative_to(one_machine) for path in one_machine.rglob("*.jpg")}
    assert names == {path.relative_to(out) for path in out.rglob("*.jpg")}
    names |= {Path(f"{split}.csv") for split in ("train", "val", "test")}
    assert filecmp.cmpfiles(one_machine, out, names, shallow=False)[1:] == ([], [])


@pytest.mark.long
def test_all_nodes_are_exchanged(original, one_machine, three_nodes, tmp_path):
    def exchange():
        for node in three_nodes.nodes:
            node.take_away()
        three_nodes.start_node()  # without it the run would never end

    with at_the_first_crop(tmp_path / "out", exchange):
        done = run_preparation(*arguments(original, tmp_path / "out", three_nodes))
    assert done.returncode == 0, done.stderr
    assert_same_bytes(one_machine, tmp_path / "out")


def test_a_killed_driver_continues(original, one_machine, three_nodes, tmp_path):
    command = preparation_command(*arguments(original, tmp_path / "out", three_nodes))
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    journal = tmp_path / "out/.preparing/journal.jsonl"
    wait_for_process(process, journal.is_file)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    done = run_preparation(*arguments(original, tmp_path / "out", three_nodes))
    assert done.returncode == 0, done.stderr
    assert_same_bytes(one_machine, tmp_path / "out")


def test_storage_that_goes_is_said_and_the_run_continues(
    original, one_machine, three_nodes, tmp_path
):
    out, away = tmp_path / "out", tmp_path / "away"
    with at_the_first_crop(out, lambda: out.rename(away)):
        gone = run_preparation(*arguments(original, out, three_nodes))
    said = "No such file or directory|does not see .*; is the storage mounted there"
    assert_one_line(gone, re.compile(rf"({said}); the same command continues$"))
    away.rename(out)
    done = run_preparation(*arguments(original, out, three_nodes))
    assert done.returncode == 0, done.stderr
    assert_same_bytes(one_machine, out)


def test_a_full_storage_is_said_and_the_run_continues(original, one_machine, three_nodes, tmp_path):
    disk = three_nodes.disk
    if disk is None:
        pytest.skip("a small file system can be mounted by root only")
    full = run_preparation(*arguments(original, disk / "out", three_nodes))
    named = rf"^error: (node tcp://\S+: )?{re.escape(str(disk))}/out/.preparing/\S+: "
    end = "No space left on device; the same command continues$"
    assert_one_line(full, re.compile(named + end))
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
    done = run_preparation(*arguments(original, disk / "out", three_nodes))
    assert done.returncode == 0, done.stderr
    assert_same_bytes(one_machine, disk / "out")


@pytest.mark.parametrize("kind", ["nobody", "silent", "wrong"])
def test_no_cluster_at_that_address(kind, original, monkeypatch, tmp_path):
    from imdb_wiki.preparation import cluster

    monkeypatch.setattr(cluster, "_ANSWERS_WITHIN_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, never answers
        port = server.getsockname()[1]
        if kind == "nobody":
            server.close()
        address = "no address" if kind == "wrong" else f"tcp://127.0.0.1:{port}"
        start = time.monotonic()
        done = run_preparation(
            *("--db_path", original, "--output_dir", tmp_path / "out", "--cluster", address)
        )
    assert_one_line(done, f"--cluster {address}: no Dask scheduler answers there")
    assert time.monotonic() - start < 10
    assert not (tmp_path / "out").exists()


def other_numpy(folder: Path) -> dict:
    (folder / "numpy-1.0.dist-info").mkdir()
    (folder / "numpy-1.0.dist-info/METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    return {"PYTHONPATH": str(folder)}


def no_simplejpeg(folder: Path) -> dict:
    (folder / "simplejpeg.py").write_text("raise ImportError(\"No module named 'simplejpeg'\")")
    return {"PYTHONPATH": str(folder)}


def other_code(folder: Path) -> dict:
    shutil.copytree(REPOSITORY / "imdb_wiki", folder / "imdb_wiki")
    with (folder / "imdb_wiki/preparation/crops.py").open("a") as module:
        module.write("# changed\n")
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


UNFIT = {
    "another version": (other_numpy, r"has numpy 1\.0, and the driver \d"),
    "a missing package": (no_simplejpeg, "No module named 'simplejpeg'"),
    "other code": (other_code, r"has imdb_wiki \w{12}, and the driver \w{12}"),
}


@pytest.mark.parametrize(
    "lack",
    [pytest.param(lack, marks=pytest.mark.long if n else ()) for n, lack in enumerate(UNFIT)],
)
def test_an_unfit_node_is_named(lack, original, three_nodes, tmp_path):
    make, said = UNFIT[lack]
    (tmp_path / "node").mkdir()
    node = three_nodes.start_node("--no-nanny", **make(tmp_path / "node"))
    try:
        three_nodes.wait_for_nodes(4)
        done = run_preparation(*arguments(original, tmp_path / "out", three_nodes))
    finally:
        node.take_away()
    assert_one_line(done, re.compile(rf"^error: node tcp://[\d.:]+: {said}"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("hidden", ["output", "photos"])
def test_a_node_without_the_storage_is_named(hidden, original, one_machine, three_nodes, tmp_path):
    if not three_nodes.has_namespaces:
        pytest.skip("only root can hide a folder from a node")
    shared = tmp_path / "shared"
    shared.mkdir()
    folder = shared if hidden == "output" else original.parent
    hide = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")
    node = three_nodes.start_node("--no-nanny", before=hide)
    try:
        three_nodes.wait_for_nodes(4)
        done = run_preparation(*arguments(original, shared / "out", three_nodes))
    finally:
        node.take_away()
    sees = rf"^error: node tcp://[\d.:]+: does not see {folder}/"
    if hidden == "output":
        assert_one_line(
            done, re.compile(rf"{sees}out/.preparing/\S+; is the storage mounted there$")
        )
        assert not (shared / "out").exists()
        return
    # An empty folder looks like one whose photos are missing, until the driver looks for one.
    end = r"\.jpg; is the storage mounted there; the same command continues$"
    assert_one_line(done, re.compile(rf"{sees}\S+{end}"))
    three_nodes.wait_for_nodes(3)
    assert run_preparation(*arguments(original, shared / "out", three_nodes)).returncode == 0
    assert_same_bytes(one_machine, shared / "out")


@pytest.mark.long
def test_an_unfit_node_that_comes_later_is_named_too(original, one_machine, three_nodes, tmp_path):
    (tmp_path / "node").mkdir()
    environment = no_simplejpeg(tmp_path / "node")

    def exchange():
        for node in three_nodes.nodes:
            node.take_away()
        three_nodes.start_node(**environment)

    out = tmp_path / "out"
    with at_the_first_crop(out, exchange):
        done = run_preparation(*arguments(original, out, three_nodes))
    assert_one_line(done, "No module named 'simplejpeg'; the same command continues")
    three_nodes.nodes.pop().take_away()
    three_nodes.start_node()
    assert run_preparation(*arguments(original, out, three_nodes)).returncode == 0
    assert_same_bytes(one_machine, out)


@pytest.mark.long
def test_a_scheduler_that_ends_is_said(original, three_nodes, tmp_path):
    """The last test here: it leaves no cluster behind."""
    with at_the_first_crop(tmp_path / "out", three_nodes.scheduler.take_away):
        done = run_preparation(*arguments(original, tmp_path / "out", three_nodes))
    said = f"error: the cluster at {three_nodes.address} is gone; the same command continues"
    assert assert_one_line(done) == said
