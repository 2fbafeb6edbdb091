"""A person steps through the notebook in JupyterLab: the pictures are in the page, nothing else is.

A real JupyterLab, a real browser. The notebook is a copy in a folder of its own, so the
repository gets no outputs and no checkpoints.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tests.browser import opened_browser
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared
from tests.test_notebook import (
    DATA_FIGURES,
    EVALUATION_FIGURES,
    NOTEBOOK,
    constants_cell,
    outputs_of,
    pictures,
    text_of,
)

pytestmark = pytest.mark.long

SECONDS_A_CELL = 300  # the first one imports TensorFlow; eight jobs may share the two cores
PICTURES = len(DATA_FIGURES) + len(["training_curves", "use", "compact"]) + len(EVALUATION_FIGURES)
CELL = ".jp-NotebookPanel .jp-Notebook-cell"
# What JupyterLab must not do here: ask its makers' servers for news and newer versions.
QUIET = {"fetchNews": "false", "checkForUpdates": False}
STANDARD_ERROR = "application/vnd.jupyter.stderr"

PICTURES_SHOWN = """cell => {
  const images = cell.querySelectorAll('.jp-OutputArea-output img')
  return Array.from(images, image => ({
    natural: image.naturalWidth, width: image.clientWidth, height: image.clientHeight,
    complete: image.complete, visible: image.checkVisibility(),
  }))
}"""
# `[*]` while it computes, `[7]` afterwards; an error ends the waiting.
IS_DONE = """([cell, before]) => {
  const count = cell.querySelector('.jp-InputPrompt').textContent.match(/\\[(\\d+)\\]/)
  return (count && Number(count[1]) > before) ||
      cell.querySelector('[data-mime-type="application/vnd.jupyter.error"]') !== null
}"""
# Notes each text that the cell's outputs show; JupyterLab puts a new element there for each.
WATCH_TEXTS = """cell => {
  window.seenTexts = []
  const look = () => {
    const text = cell.querySelector('.jp-Cell-outputArea')?.textContent ?? ''
    if (text && text !== window.seenTexts.at(-1)) window.seenTexts.push(text)
  }
  new MutationObserver(look).observe(
      cell, {subtree: true, childList: true, characterData: true})
}"""


def write_checkout(folder: Path, constants: dict) -> Path:
    """Makes a folder to start JupyterLab in: links to the repository, a copy of the notebook.

    Returns:
        The copied notebook, with other constants.
    """
    for name in ("imdb_wiki", "models"):
        (folder / name).symlink_to(REPOSITORY / name)
    path = Path(shutil.copy(NOTEBOOK, folder))
    notebook = nbformat.read(path, as_version=4)
    cell = notebook.cells[constants_cell(notebook)]
    for name, value in constants.items():
        # The reason behind it stays: it is part of what a person sees.
        cell.source, count = re.subn(
            rf"(?m)^{name} = .*?(?=  #|$)", lambda _, n=name, v=value: f"{n} = {v!r}", cell.source
        )
        assert count == 1, name
    nbformat.write(notebook, path)
    return path


@contextlib.contextmanager
def running_jupyterlab(folder: Path, settings_dir: Path):
    """Starts JupyterLab in a folder, with settings of its own; gives its address with the token."""
    folders = {
        name: str(settings_dir / name)
        for name in (
            *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"),
            *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"),
        )
    }
    settings = Path(folders["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "apputils-extension")
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    log_path = settings_dir / "jupyterlab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.root_dir={folder}"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--allow-root"]
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | folders, stdout=log, stderr=log
        )
    try:
        yield wait_for_address(process, Path(folders["JUPYTER_RUNTIME_DIR"]), log_path)
    finally:
        process.terminate()  # ends the kernels, too
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_address(process: subprocess.Popen, runtime_dir: Path, log_path: Path) -> str:
    """Waits until JupyterLab is there; returns its address."""
    end = time.monotonic() + SECONDS_A_CELL
    while time.monotonic() < end:
        for path in runtime_dir.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # half written
                server = json.loads(path.read_text())
                return f"{server['url']}lab/tree/{{}}?token={server['token']}"
        assert process.poll() is None, log_path.read_text()
        time.sleep(0.2)
    raise TimeoutError(log_path.read_text())


class OpenNotebook:
    """The notebook in the page, as a person uses it: Shift+Enter, the keyboard, the menus."""

    def __init__(self, page, address: str, path: Path):
        """Opens it and waits until its kernel is there."""
        self.page, self.path = page, path
        page.set_default_timeout(SECONDS_A_CELL * 1000)
        page.goto(address.format(path.name))
        page.wait_for_selector(".jp-NotebookPanel-toolbar [data-status=idle]")
        source = nbformat.read(path, as_version=4).cells
        self.codes = [number for number, cell in enumerate(source) if cell.cell_type == "code"]
        page.wait_for_function(
            "([selector, count]) => document.querySelectorAll(selector).length === count",
            arg=[CELL, len(source)],
        )
        self.cells = page.query_selector_all(CELL)
        self.last_count = 0  # the number that the last executed cell got

    def number_of(self, text: str) -> int:
        """The number of the one code cell in which a text stands."""
        cells = nbformat.read(self.path, as_version=4).cells
        (number,) = [number for number in self.codes if text in cells[number].source]
        return number

    def select_first(self) -> None:
        """Selects the first cell, as a click on its left edge does."""
        self.cells[0].query_selector(".jp-InputPrompt").click()
        self.page.wait_for_selector(f"{CELL}.jp-mod-selected >> nth=0")

    def step(self, number: int) -> None:
        """Presses Shift+Enter on the selected cell, and waits until it has been executed."""
        assert "jp-mod-selected" in self.cells[number].get_attribute("class")
        self.page.keyboard.press("Shift+Enter")
        self.wait_until_executed(number)

    def wait_until_executed(self, number: int) -> None:
        """Waits until a cell has got a new number; an error in it fails here."""
        if number not in self.codes:
            return
        cell = self.cells[number]
        self.page.wait_for_function(IS_DONE, arg=[cell, self.last_count])
        error = cell.query_selector('[data-mime-type="application/vnd.jupyter.error"]')
        assert error is None, error.text_content()
        self.last_count += 1
        prompt = cell.query_selector(".jp-InputPrompt").text_content()
        assert prompt.strip() == f"[{self.last_count}]:", number

    def pictures(self, number: int) -> list[dict]:
        """The pictures below a cell, once they are loaded."""
        self.page.wait_for_function(
            "cell => Array.from(cell.querySelectorAll('img')).every(image => image.complete)",
            arg=self.cells[number],
        )
        return self.cells[number].evaluate(PICTURES_SHOWN)

    def text(self, number: int) -> str:
        """What the outputs of a cell say."""
        area = self.cells[number].query_selector(".jp-Cell-outputArea")
        return area.text_content() if area else ""

    def save(self):
        """Presses Ctrl+S, and waits for the file; returns it."""
        before = self.path.stat().st_mtime_ns
        self.page.keyboard.press("Control+s")
        end = time.monotonic() + 60
        while self.path.stat().st_mtime_ns == before and time.monotonic() < end:
            self.page.wait_for_timeout(100)
        self.page.wait_for_selector(".jp-mod-current.jp-mod-dirty", state="detached")
        return nbformat.read(self.path, as_version=4)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def stepped(tmp_path_factory):
    """The notebook after a person has stepped through it, and what was seen on the way."""
    begun = time.monotonic()
    folder = tmp_path_factory.mktemp("checkout")
    prepared = write_prepared(folder / "prepared", {"train": 256, "val": 24, "test": 11})
    (prepared / "rejects.csv").write_text("source,rule,detail\n00/a.jpg,no_face,\n")
    path = write_checkout(
        folder,
        {
            **{"PREPARED_DIRS": ["prepared"], "RUN_DIR": "runs/one", "IMAGE_SIZE": 32},
            **{"EPOCHS": 2, "EARLY_STOPPING_PATIENCE": 2, "BATCH_SIZE": 8},
            **{"COMPACT_MODEL": "", "COMPACT_EPOCHS": 1, "COMPACT_IMAGE_SIZE": 32},
        },
    )
    wrong = []
    settings_dir = tmp_path_factory.mktemp("settings")
    with opened_browser() as browser, running_jupyterlab(folder, settings_dir) as address:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        notebook = OpenNotebook(page, address, path)
        training = notebook.number_of("training.train(")
        notebook.cells[training].evaluate(WATCH_TEXTS)
        notebook.select_first()
        pictures_seen = {}
        for number in range(len(notebook.cells)):
            notebook.step(number)
            pictures_seen[number] = notebook.pictures(number)
        seen = {"pictures": pictures_seen, "training": page.evaluate("window.seenTexts")}
        print(f"stepped through the notebook in {time.monotonic() - begun:.0f} s")
        yield notebook, seen
        page.close()
    assert wrong == []


def test_each_figure_is_a_picture_in_the_page(stepped):
    notebook, seen = stepped
    shown = [picture for pictures in seen["pictures"].values() for picture in pictures]
    assert len(shown) == PICTURES
    for picture in shown:
        assert picture["complete"] and picture["visible"]
        assert picture["natural"] > 300 and picture["width"] > 300 and picture["height"] > 100
    # And still after the last step, where the reader scrolls back.
    assert [len(notebook.pictures(number)) for number in range(len(notebook.cells))] == [
        len(pictures) for pictures in seen["pictures"].values()
    ]


def test_nothing_in_the_page_is_an_error_or_a_figure_as_text(stepped):
    notebook, _ = stepped
    texts = [notebook.text(number) for number in notebook.codes]
    assert sum(map(len, texts)) > 1000
    assert [text for text in texts if "<Figure" in text or "Traceback" in text] == []
    assert notebook.page.query_selector_all(f'[data-mime-type="{STANDARD_ERROR}"]') == []


def test_no_output_is_wider_than_the_page(stepped):
    notebook, _ = stepped
    for number in notebook.codes:
        for output in notebook.cells[number].query_selector_all(".jp-OutputArea-output"):
            wider = output.evaluate("output => output.scrollWidth - output.clientWidth")
            assert wider <= 1, f"cell {number} is cut at its right by {wider} pixels"


def test_training_shows_live_progress_and_leaves_a_line_an_epoch(stepped):
    notebook, seen = stepped
    changing = [text for text in seen["training"] if re.search(r"epoch [12]/2  ━*─* *\d+/32", text)]
    assert len(changing) >= 2, seen["training"]
    lines = notebook.text(notebook.number_of("training.train(")).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("validation" in line for line in lines)


def test_the_saved_file_holds_the_same_pictures(stepped):
    notebook, seen = stepped
    saved = notebook.save()
    for number in notebook.codes:
        widths = [picture.shape[1] for picture in pictures([saved.cells[number]])]
        assert widths == [picture["natural"] for picture in seen["pictures"][number]]
    assert "<Figure" not in text_of(saved.cells)
    assert [output for output in outputs_of(saved.cells) if output.get("name") == "stderr"] == []


def test_edited_and_run_again_from_the_constants_gives_a_second_run(stepped):
    begun = time.monotonic()
    notebook, seen = stepped
    runs = notebook.path.parent / "runs"
    first = digests(runs / "one")
    number = notebook.number_of("SEED = ")
    page = notebook.page
    notebook.cells[number].query_selector(".cm-line:has-text('SEED = 0')").click()
    page.keyboard.press("Home")
    for _ in "SEED = ":
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.type("1")
    page.click(".lm-MenuBar-item:has-text('Run')")
    page.click(".lm-Menu-item:has-text('Run Selected Cell and All Below')")
    again = [code for code in notebook.codes if code >= number]
    for code in again:
        notebook.wait_until_executed(code)
    assert {path.name for path in runs.iterdir()} == {"one", "one-2", "results.csv"}
    assert digests(runs / "one") == first
    names = {name for name in first if "tfevents" not in name}  # those hold the time
    assert names <= digests(runs / "one-2").keys()
    constants = json.loads((runs / "one-2" / "run.json").read_text())["constants"]
    assert constants["SEED"] == 1 and constants["RUN_DIR"] == "runs/one"
    for code in again:
        assert len(notebook.pictures(code)) == len(seen["pictures"][code])
    print(f"ran it again in {time.monotonic() - begun:.0f} s")
