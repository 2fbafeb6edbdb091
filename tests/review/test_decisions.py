"""Decisions are on the disk when they are confirmed, whatever happens then."""

import csv
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imdb_wiki.audit.decisions import COLUMNS, Decision, Decisions
from tests.conftest import REPOSITORY
from tests.review.audited import write_audit, write_large_audit
from tests.review.process import JSON, decided, review_here, running_review
from tests.shared import assert_one_line, ended, files_of_at_most

COUNT = 2000
NAMES = ("right", "wrong", "not_a_face", "unsure")


def made(number: int, name: str = "wrong") -> Decision:
    """With all that a CSV may trip over."""
    return Decision((f'data "a", {number}', f"train/é {number};.jpg"), f"00/{number},\t'.jpg", name)


def test_the_last_line_of_a_face_counts_and_an_empty_one_takes_back(tmp_path):
    path = tmp_path / "decisions.csv"
    log = Decisions(path)
    log.add([made(1), made(2), made(3)])
    log.add([made(1, "right"), made(2, "")])
    expected = {made(3).key: "wrong", made(1).key: "right"}
    again = Decisions(path)
    for one in (log, again):
        assert {key: line.decision for key, line in one.standing.items()} == expected
    assert list(again.standing) == [made(3).key, made(1).key]  # the latest last
    assert decided(tmp_path) == expected
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 6


def test_whatever_part_of_it_is_left_all_whole_lines_count_and_more_can_be_added(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 300 times
    path = tmp_path / "decisions.csv"
    Decisions(path).add([made(number) for number in range(3)])
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        log = Decisions(path)
        # The line break alone may be missing, or a bit of the time.
        lines = whole[:cut].count(b"\n") - 1
        assert max(0, lines) <= len(log.standing) <= lines + 1 + (lines < 0)
        before = set(log.standing)
        log.add([made(7, "unsure")])
        assert set(Decisions(path).standing) == before | {made(7).key}
        assert set(decided(tmp_path)) == before | {made(7).key}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_that_another_program_saved_goes_on(tmp_path, end):
    path = tmp_path / "decisions.csv"
    Decisions(path).add([made(1)])
    text = path.read_text(encoding="utf-8").strip().replace("\n", end)
    path.write_text(text, encoding="utf-8-sig", newline="")
    log = Decisions(path)
    log.add([made(2)])
    assert list(Decisions(path).standing) == list(log.standing) == [made(1).key, made(2).key]


def test_a_file_that_is_replaced_or_emptied_meanwhile_is_read_anew(tmp_path):
    path = tmp_path / "decisions.csv"
    log, other = Decisions(path), Decisions(path)
    log.add([made(1), made(2)])
    other.refresh()
    assert list(other.standing) == [made(1).key, made(2).key]
    path.rename(tmp_path / "older.csv")
    log.add([made(3)])
    other.refresh()
    assert list(log.standing) == list(other.standing) == [made(3).key]
    assert (log.generation, other.generation) == (1, 1)
    path.write_bytes(b"")
    log.add([made(4)])
    assert list(log.standing) == list(Decisions(path).standing) == [made(4).key]


def test_on_a_full_disk_none_of_them_is_written_and_the_error_names_the_file(tmp_path):
    path = tmp_path / "decisions.csv"
    log = Decisions(path)
    log.add([made(1)])
    before = path.read_bytes()
    with files_of_at_most(len(before) + 30), pytest.raises(OSError) as raised:
        log.add([made(2)])
    assert raised.value.filename == str(path)
    assert path.read_bytes() == before
    log.add([made(2)])
    assert len(Decisions(path).standing) == 2


def test_a_decision_and_the_files_name_are_on_the_disk_itself_when_it_is_confirmed(
    tmp_path, monkeypatch
):
    path, synced = tmp_path / "decisions.csv", []

    def sync(descriptor):
        synced.append((os.fstat(descriptor).st_ino, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", sync)
    log = Decisions(path)
    log.add([made(1)])
    first = path.read_bytes()
    assert synced == [(path.stat().st_ino, first), (tmp_path.stat().st_ino, first)]
    log.add([made(2)])
    assert synced[2:] == [(path.stat().st_ino, path.read_bytes())]


def test_threads_and_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "decisions.csv"
    code = (
        "import sys; from pathlib import Path\n"
        "from imdb_wiki.audit.decisions import Decision, Decisions\n"
        "log = Decisions(Path(sys.argv[1]))\n"
        "for n in range(100): log.add([Decision((sys.argv[2], str(n)), '', 'wrong')])\n"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, path, name], cwd=REPOSITORY) for name in "ab"
    ]
    log = Decisions(path)
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda n: log.add([Decision(("c", str(n)), "", "right")]), range(100)):
            pass
    assert [other.wait(60) for other in others] == [0, 0]
    log.refresh()
    expected = {(name, str(n)) for name in "abc" for n in range(100)}
    assert set(log.standing) == set(decided(tmp_path)) == expected


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return write_large_audit(tmp_path_factory.mktemp("large"), COUNT)


def test_killed_in_the_middle_of_many_decisions_it_has_lost_none_that_it_confirmed(large):
    confirmed: dict[int, str] = {}
    asked: dict[int, str] = {}
    for turn in range(2):
        with running_review(large) as running:
            start = running.get("/start")
            # What was confirmed before stands; of the rest only what was asked for.
            for row, number in enumerate(start["decisions"]):
                name = ("", *NAMES)[int(number)]
                assert name == confirmed.get(row, name)
                assert not name or name == asked[row]
            first = turn * 600

            def decide(row, running=running, start=start):
                asked[row] = NAMES[row % 4]
                try:
                    running.decide(start, (row, asked[row]))
                except (OSError, http.client.HTTPException):  # it was killed
                    return
                confirmed[row] = asked[row]

            killer = threading.Timer(0.3 + 0.1 * turn, running.process.kill)
            killer.start()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(decide, range(first, first + 600)))
            killer.join()
            assert running.process.wait(30) == -signal.SIGKILL
    assert len(confirmed) > 20
    by_name = decided(large)
    folder = str(large / "prepared")
    kept = {int(name[len("train/") : -len(".jpg")]): said for (_, name), said in by_name.items()}
    assert {where for where, _ in by_name} == {folder}
    assert confirmed.items() <= kept.items() <= asked.items()


def test_two_reviews_of_one_folder_hear_of_each_other(tmp_path):
    folder = write_audit(tmp_path)
    with running_review(folder) as one, running_review(folder) as other:
        start = one.get("/start")
        assert start == other.get("/start")
        with ThreadPoolExecutor(4) as pool:
            even = [pool.submit(one.decide, start, (row, "wrong")) for row in range(0, 20, 2)]
            odd = [pool.submit(other.decide, start, (row, "right")) for row in range(1, 20, 2)]
            for sent in (*even, *odd):
                sent.result()
        expected = [[row, 1 + (row % 2 == 0)] for row in range(20)]
        for review in (one, other):
            told = review.get(
                "/changes?table={table}&since={since}&generation={generation}".format(**start)
            )
            assert sorted(told["changes"]) == expected
            assert told["since"] == 20
        now = start | {"since": 20}
        assert one.decide(now, (0, "unsure"))["changes"] == [[0, 4]]
        (folder / "decisions.csv").unlink()
        other.decide(now, (3, "wrong"))
        assert one.decide(now, (4, "wrong")) == {"start_again": True}
        assert [int(number) for number in one.get("/start")["decisions"]][:6] == [0, 0, 0, 2, 2, 0]
    assert len(decided(folder)) == 2


def test_what_cannot_be_written_is_said_and_not_confirmed(tmp_path):
    folder = write_audit(tmp_path)
    with review_here(folder) as running:
        start = running.get("/start")
        (folder / "decisions.csv").mkdir()
        body = json.dumps({**start, "decisions": [[0, "wrong"]]})
        assert running.ask("POST", "/decisions", body, JSON) == (500, b"Is a directory\n")
        (folder / "decisions.csv").rmdir()
        assert running.decide(start, (0, "wrong"))["changes"] == [[0, 2]]


def test_ctrl_c_and_sigterm_end_it_without_a_traceback(tmp_path):
    folder = write_audit(tmp_path)
    with running_review(folder) as running:
        running.process.send_signal(signal.SIGTERM)
        assert ended(running.process).returncode == 0
    with running_review(folder) as running:
        running.process.send_signal(signal.SIGINT)
        done = ended(running.process)
        done.stderr = done.stdout  # both are one pipe here
        assert_one_line(done, "stopped", code=130)
