"""The documents say what is true: commands parse, code runs, links exist, numbers match."""

import csv
import json
import re
import subprocess

import cv2
import pytest
from huggingface_hub import ModelCard

from imdb_wiki.export.model_card import filled_card
from imdb_wiki.pipeline import read_split
from tests.conftest import REPOSITORY
from tests.documents import (
    CARDS,
    COMMANDS,
    DATA,
    DOCUMENTS,
    NAMES,
    PAGES,
    PYTHON,
    blocks,
    check,
    commands,
    languages,
    notebook_constants,
    prose,
    text_of,
    without_code,
)
from tests.prepared import write_prepared


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one_that_its_program_accepts(name):
    text = text_of(name)
    assert languages(text) <= {*COMMANDS, *PYTHON, *DATA}
    for command in commands(text):
        check(command)


def test_a_wrong_command_is_noticed():
    for line in (
        ".venv/bin/python imdb_wiki_preparation.py --img_sizes 64 --output_dir data/a",
        ".venv/bin/python imdb_wiki_prepare.py --output_dir data/a",
        ".venv/bin/python -m imdb_wiki evaluate model.keras --output_dir runs/a",
        ".venv/bin/python benchmarks/data_sets.py data/a data/b --run_dir runs/a --epochs few",
        ".venv/bin/papermill imdb_wiki_gpu.ipynb runs/a.ipynb -p EPOCS 5",
        ".venv/bin/papermill imdb_wiki_gpu.ipynb runs/a.ipynb -p EPOCHS five",
        ".venv/bin/pip install -r requirements-gpu.txt",
        '.venv/bin/pip install "tensorflow[and-cuda]==2.20.0"',
        "make train",
        "curl https://example.org",
    ):
        (command,) = commands(f"```\n{line}\n```")
        with pytest.raises((AssertionError, pytest.fail.Exception, SystemExit)):
            check(command)


def test_every_prepared_folder_in_a_command_is_made_by_another_command():
    made, used = set(), {}
    for name in NAMES:
        for command in commands(text_of(name)):
            folders = [word for word in command if re.fullmatch(r"data/\w+", word)]
            output = command[command.index("--output_dir") + 1] if "--output_dir" in command else ""
            made |= {output}
            used |= {folder: name for folder in folders if folder != output}
    made.add("data/sample")  # by `make demo`
    made.add("data/mine")  # by the reader
    assert {folder: name for folder, name in used.items() if folder not in made} == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_constant_that_a_sentence_names_is_the_notebooks(name):
    named = re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?: = [^`]+)?`", prose(text_of(name)))
    constants = notebook_constants(REPOSITORY / "imdb_wiki_gpu.ipynb")
    assert [constant for constant in named if constant not in constants] == []


@pytest.fixture(scope="module")
def photo_folder(astronaut, tmp_path_factory):
    """photo.jpg, a whole photo, and face.jpg, the crop of its face; the models where they are."""
    from imdb_wiki.faces.detection import detect_faces
    from imdb_wiki.faces.framing import Framing

    folder = tmp_path_factory.mktemp("photos")
    (folder / "models").symlink_to(REPOSITORY / "models")
    (face,) = detect_faces(astronaut)
    crop = Framing().crop(astronaut, face.chip, 200)
    for name, image in (("photo", astronaut), ("face", crop)):
        data = cv2.imencode(".png", image[..., ::-1])[1]  # lossless, as the README's picture was
        (folder / f"{name}.jpg").write_bytes(data.tobytes())
    return folder


@pytest.mark.parametrize("name", [name for name in NAMES if name != "docs/cluster.md"])
def test_python_code_runs_as_it_is_printed(name, photo_folder, monkeypatch, capsys):
    monkeypatch.chdir(photo_folder)
    for code in blocks(text_of(name), PYTHON):
        exec(compile(code, name, "exec"), {})
        said = capsys.readouterr().out
        assert re.search(r"\b3[2-8]\b", said), said  # the astronaut's face: 35 years
        assert "female" in said


def test_the_code_that_reads_shards_gives_their_batches(tmp_path, monkeypatch):
    pytest.importorskip("webdataset", reason="see requirements-shards.txt")
    from imdb_wiki.shards.writing import write_shards

    (code,) = blocks(text_of("docs/cluster.md"), PYTHON)
    folder = write_prepared(tmp_path / "prepared", {"train": 9, "val": 2})
    write_shards([folder], tmp_path / "data/imdb_shards", 4, verbose=0)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "docs/cluster.md", "exec"), names)
    ((images, labels),) = names["train_batches"]
    assert images.shape == (9, 200, 200, 3) and labels["gender"].shape == (9, 1)


def test_the_readme_says_what_the_code_prints_for_its_picture(photo_folder, monkeypatch, capsys):
    text = text_of("README.md")
    monkeypatch.chdir(photo_folder)
    (code,) = blocks(text, PYTHON)
    assert "predict_faces" in code  # finds the face itself
    exec(compile(code, "README.md", "exec"), {})
    answer = capsys.readouterr().out.strip()
    years, female = map(int, re.findall(r"\d+", answer))
    printed = re.search(r"`(\d+) years, female (\d+)%`", text)
    drawn = re.search(r"(\d+) years \(\d+–\d+\), female (\d+)%", text)
    for said in (printed, drawn):
        assert abs(int(said[1]) - years) <= 1 and abs(int(said[2]) - female) <= 2, answer


def test_the_example_of_an_own_table_is_accepted(tmp_path):
    (table,) = blocks(text_of("docs/preparation.md"), ("csv",))
    (tmp_path / "train.csv").write_text(table)
    assert len(read_split(tmp_path, "train")) == len(table.splitlines()) - 1


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ +(.*)$", without_code(text), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def links(text: str) -> list[str]:
    text = prose(text)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_and_picture_leads_somewhere(path):
    for link in links(path.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.is_relative_to(REPOSITORY) and there.exists(), link
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), link


def test_every_page_and_every_figure_is_linked():
    linked = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in DOCUMENTS
        for link in links(path.read_text(encoding="utf-8"))
    }
    figures = [p for p in (REPOSITORY / "figures").iterdir() if p.suffix in (".png", ".jpg")]
    assert [path for path in (*PAGES, *CARDS, *figures) if path.resolve() not in linked] == []
    from_readme = [(REPOSITORY / link.partition("#")[0]) for link in links(text_of("README.md"))]
    assert [page.name for page in PAGES if page not in from_readme] == []


def first_column(table_rows: str) -> list[str]:
    """The code in the first column of a table."""
    cells = re.findall(r"^\| *(`[^|]*?) *\|", table_rows, re.MULTILINE)
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


def test_the_map_matches_the_tree():
    places = first_column(text_of("README.md").partition("## The map")[2].partition("\n## ")[0])
    assert [place for place in places if not list(REPOSITORY.glob(place.rstrip("/")))] == []
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()} - {"README.md"}
    on_map = {path.name for place in places for path in REPOSITORY.glob(place.rstrip("/"))}
    assert tops <= on_map, tops - on_map


def test_the_page_of_the_code_names_every_module():
    text = text_of("docs/code.md").partition("## To add something")[2]
    text = text.partition("## What every room")[2].partition("## Elsewhere")[0]
    package = REPOSITORY / "imdb_wiki"
    named = set()
    for line in text.splitlines():
        rooms = [name for name in first_column(line) if (package / name).is_dir()]
        inside = [
            name for name in re.findall(r"`(\w+\.py)`", line) if name not in first_column(line)
        ]
        named |= {room + name for room in rooms for name in inside}
        named |= {name for name in first_column(line) if name.endswith(".py")}
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    quiet = {name for name in modules if name.endswith(("__init__.py", "/__main__.py"))}
    drawings = {name for name in modules if name.startswith("sample/")}
    assert named == modules - quiet - drawings


# Columns of the documents' tables, by what they begin with: the network's measure, the constant's,
# and what a number in the table is that of results.csv times.
MEASURES = {
    "age error": ("age_mae_years", "median_age_mae_years", 1),
    "within 5 years": ("age_cs5", "median_age_cs5", 100),
    "gender accuracy": ("gender_accuracy", "majority_accuracy", 100),
    "cross-entropy": ("gender_cross_entropy", "frequency_cross_entropy", 1),
    "90% age intervals": ("age_interval_coverage", None, 100),
    "age in its range": ("age_bin_accuracy", "majority_bin_accuracy", 100),
    "in it or the next": ("age_bin_one_off", "majority_bin_one_off", 100),
}
NOT_MEASURED = ("faces", "answer", "seed", "row of", "columns that find")


def tables_with_rows(text: str) -> list[tuple[list[str], list[str]]]:
    """The header and cells of each row whose last column says how to find it in results.csv."""
    found, header = [], []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif "results.csv" in header[-1] and cells[-1].startswith("`"):
            found.append((header, cells))
    return found


def row_of_results(where: str | dict) -> dict:
    """The last row of the test split with these values; without flip averaging unless named."""
    wanted = where
    if isinstance(where, str):
        wanted = dict(pair.split("=") for pair in where.strip("`").split())
    with (REPOSITORY / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    if "flip_averaging" not in wanted:
        rows = [row for row in rows if row["flip_averaging"] != "True"]
    rows = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    assert rows, f"results.csv has no row with {where}"
    return rows[-1]


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_the_numbers_of_the_tables_are_those_of_their_rows_in_results_csv(name):
    rows = tables_with_rows(text_of(name))
    assert len(rows) >= 6
    for header, cells in rows:
        row = row_of_results(cells[-1])
        for title, cell in zip(header, cells, strict=True):
            measure = next((m for start, m in MEASURES.items() if title.startswith(start)), None)
            if measure is None:
                assert title.startswith(NOT_MEASURED), f"nothing compares {title!r}"
            if measure is None or not cell:
                continue
            network, constant, scale = measure
            column = constant if "constant" in cells else network
            expected = [scale * float(row[column])]
            if "(" in cell:  # the constant's beside the network's
                expected += [scale * float(row[constant])]
            if "[" in cell:
                expected += [scale * float(row[f"{column}_{end}"]) for end in ("low", "high")]
            if "wide" in cell:
                expected += [float(row["age_interval_width_years"])]
            numbers = re.findall(r"\d+\.\d+", cell)
            for number, value in zip(numbers, expected, strict=True):
                unit = 10.0 ** -len(number.partition(".")[2])  # of the last digit
                assert abs(float(number) - value) < 0.6 * unit, (title, cell, value)


def evaluations_of_cards() -> dict[str, dict[str, dict]]:
    """Where the evaluations of each card stand in results.csv, by what the card calls them.

    By the commands that are printed: what `evaluate` writes is what `card` reads.
    """
    written, cards = {}, {}
    for words in commands(text_of("docs/compact_training.md")):
        if words[1:4] == ["-m", "imdb_wiki", "evaluate"]:
            end = next(n for n, word in enumerate(words) if word.startswith("--"))
            where = {"model": words[4], "data": " ".join(words[5:end])}
            if "--flip_averaging" in words:
                where["flip_averaging"] = "True"
            if "--constants_from" in words:
                where["constants_from"] = words[words.index("--constants_from") + 1]
            written[words[words.index("--output_dir") + 1] + "/metrics.json"] = where
        elif words[1:4] == ["-m", "imdb_wiki", "card"]:
            pairs = (pair.split("=") for pair in words[5:])
            cards[words[4]] = {name: written[path] for name, path in pairs}
    return cards


def card_tables(text: str) -> dict[str, tuple[list[str], dict[str, list[str]]]]:
    """The titles and the cells by row, of each table of a card, by its place's name."""
    found = {}
    for name, table in re.findall(r"<!-- ([^>]+?) -->\n(.*?)<!-- end -->", text, re.DOTALL):
        titles, _, *rows = (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in table.splitlines()
            if line.startswith("|")
        )
        found[name] = (titles[1:], {row[0]: row[1:] for row in rows})
    return found


def first_number(cell: str) -> float:
    return float(re.match(r"[+-]?[\d.]+", cell.replace(",", ""))[0])


@pytest.mark.parametrize("name", ["models/README.md", "models/open.md"])
def test_the_numbers_of_a_cards_tables_are_those_of_results_csv(name):
    rows = {}
    for called, where in evaluations_of_cards()[name].items():
        row = row_of_results(where)
        numbers = {key: float(v) for key, v in row.items() if re.fullmatch(r"-?\d+(\.\d+)?", v)}
        rows[called] = numbers | {"count": int(row["count"])}
    tables = card_tables(text_of(name))
    for table in ("overall", "gender"):
        expected = card_tables(filled_card(f"<!-- {table} -->\n<!-- end -->\n", rows))[table]
        titles, cells = tables[table]
        assert (titles, [*cells]) == (expected[0], [*expected[1]])
        for called, of_row in cells.items():
            for title, cell, other in zip(titles, of_row, expected[1][called], strict=True):
                pairs = zip(
                    *(re.findall(r"\d+\.?\d*", text) for text in (cell, other)), strict=True
                )
                for one, two in pairs:  # those of results.csv are rounded already
                    unit = 10.0 ** -len(one.partition(".")[2])
                    assert abs(float(one) - float(two)) < 1.1 * unit, (called, title, cell, other)


@pytest.mark.parametrize("name", ["models/README.md", "models/open.md"])
def test_the_groups_of_a_card_add_up_to_all_faces(name):
    tables = card_tables(text_of(name))
    overall_titles, overall = tables.pop("overall")
    tables.pop("gender")
    for table, (titles, rows) in tables.items():
        of_all = dict(zip(overall_titles, overall[table.rpartition(" ")[0]], strict=True))
        counts = [first_number(cells[0]) for cells in rows.values()]
        assert sum(counts) == first_number(of_all["count"]), table
        for place, title in enumerate(titles[1:], start=1):
            if not of_all[title]:
                continue
            values = [first_number(cells[place]) for cells in rows.values()]
            mean = sum(v * n for v, n in zip(values, counts, strict=True)) / sum(counts)
            unit = 10.0 ** -len(re.match(r"[+-]?\d+\.?(\d*)", of_all[title])[1])
            assert abs(mean - first_number(of_all[title])) < 1.1 * unit, (table, title, mean)


def test_every_quoted_row_is_of_a_clean_tree():
    quoted = tables_with_rows(text_of("README.md")) + tables_with_rows(text_of("docs/results.md"))
    commits = {row_of_results(cells[-1])["commit"] for _, cells in quoted}
    assert commits and all(commit and not commit.endswith("+") for commit in commits)


def test_a_model_hub_reads_the_card_and_its_reader_the_limits_before_the_numbers():
    card = ModelCard(text_of("models/README.md"))
    assert card.data.license == "other"  # research only: none of the listed licences
    assert card.data.license_name and card.data.license_link.startswith("https://")
    assert card.data.library_name == "keras"
    assert card.data.pipeline_tag == "image-classification"
    assert set(card.data.datasets) == {"UTKFace", "IMDB-WIKI", "FairFace", "All-Age-Faces"}
    assert set(card.data.metrics) == {"mae", "accuracy"}
    before_tables = card.text.partition("|")[0]
    assert "Research only" in before_tables and "Do not use" in before_tables


def test_the_open_networks_card_says_whose_data_it_is_and_what_it_must_not_be_used_for():
    card = ModelCard(text_of("models/open.md"))
    assert card.data.license == "cc-by-4.0"  # FairFace's
    assert card.data.datasets == ["FairFace"]
    before_tables = card.text.partition("|")[0]
    assert "Kärkkäinen and Joo" in before_tables and "Do not use" in before_tables
    assert "Errors are large" in before_tables and "Where it fails" in before_tables
    training = json.loads((REPOSITORY / "models/open.json").read_text())["training"]
    assert training["data"] == ["fairface"] and not training["start_from"]


def test_the_numbers_in_the_cards_sentences_are_in_its_tables():
    card = text_of("models/README.md")
    sentences = " ".join(line for line in card.splitlines() if not line.startswith("|"))
    errors = {
        name: float(re.search(rf"^\| {name} \| [\d,]+ \| ([\d.]+)", card, re.MULTILINE)[1])
        for name in ("UTKFace", "WIKI 64×64")
    }
    said = "{UTKFace:.1f} years on UTKFace and {WIKI 64×64:.1f} years on WIKI".format(**errors)
    assert said in sentences
    children = re.search(r"^\| 0–9 \|.*\| ([\d.]+%) \([^|]*\| [\d.]+% \|$", card, re.MULTILINE)[1]
    assert f"{children} are right from 0 to 9 years" in sentences
