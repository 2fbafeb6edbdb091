"""The page in a real browser: keys, clicks, filters, other tabs, and 20,000 faces."""

import json
import re

import pandas as pd
import pytest

from tests.browser import foreign_page, opened_browser, wait_until
from tests.review.audited import suspects_of, write_audit, write_large_audit
from tests.review.process import decided, review_here, running_review

LARGE = 20_000
# A painted frame after a key; and the same until the first faces are there. Bounds, for a machine
# that does other work too: docs/review.md has what was measured.
KEY_MS, PAGE_S = 400, 10


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def open_tab(browser):
    """Opens the page of a review; whatever it asks from elsewhere, or goes wrong in it, fails."""
    tabs, asked, wrong = [], [], []

    def opened(review, expects_errors=False):
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tabs.append(tab)
        tab.on("request", lambda request: asked.append((review.address, request.url)))
        if not expects_errors:
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.on(
                "console", lambda said: wrong.append(said.text) if said.type == "error" else None
            )
        tab.goto(review.address)
        tab.wait_for_selector(".tile .words span:not(:empty)")
        return tab

    yield opened
    for tab in tabs:
        tab.close()
    assert not wrong
    assert [url for address, url in asked if not url.startswith((address, "data:,"))] == []


@pytest.fixture
def folder(tmp_path):
    return write_audit(tmp_path)


@pytest.fixture
def review(folder):
    with review_here(folder) as running:
        yield running


def press(tab, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def chosen(tab) -> int:
    """The row of the chosen face."""
    return int(tab.locator(".tile[aria-selected=true]").get_attribute("id").removeprefix("tile-"))


def saved(folder, expected: dict[int, str]) -> bool:
    """Whether decisions.csv says this, soon: of rows of the table as it was written."""
    names = pd.read_csv(folder / "suspects.csv")["filename"]
    where = str(folder / "prepared")
    wanted = {(where, names[row]): decision for row, decision in expected.items()}

    def holds() -> bool:
        return (folder / "decisions.csv").exists() and decided(folder) == wanted

    return wait_until(holds, 10)


def test_the_most_suspicious_face_comes_first_and_is_said_in_plain_words(review, folder, open_tab):
    tab = open_tab(review)
    assert tab.locator(".tile").count() == 22
    assert chosen(tab) == 0
    first = pd.read_csv(folder / "suspects.csv").iloc[0]
    gender = ("female", "male")[first["gender"]]
    assert tab.inner_text("#label") == f"{first['age']} years, {gender}"
    assert tab.inner_text("#network") == "61 years (interval 52–70), male 93%"
    assert tab.inner_text("#face dl b") == "99%"
    assert tab.inner_text("#parts") == "age: 95% · gender: below 1%"
    assert first["source"] in tab.inner_text("#about")
    assert tab.inner_text("#counted") == "0 of 22 decided"
    words = tab.inner_text("body")
    for said in ("Label right", "Label wrong", "Not a face", "Unsure", "Undo", "nothing more"):
        assert said in words
    loaded = "[...document.images].filter((image) => image.naturalWidth).length"
    assert wait_until(lambda: tab.evaluate(loaded) == 23, 10)  # one is enlarged


def test_keys_decide_and_move_on_and_each_decision_is_in_the_file_at_once(review, folder, open_tab):
    tab = open_tab(review)
    press(tab, "w")
    assert saved(folder, {0: "wrong"})
    press(tab, "R", "n", "u")
    assert chosen(tab) == 4
    assert saved(folder, {0: "wrong", 1: "right", 2: "not_a_face", 3: "unsure"})
    assert tab.inner_text("#counted") == "4 of 22 decided"
    press(tab, "ArrowRight", "w", "ArrowLeft", "ArrowLeft", "r")  # 4 is passed over, then decided
    assert chosen(tab) == 6
    press(tab, "Control+w", "Alt+r", "Meta+n")  # the browser's own
    assert saved(
        folder, {0: "wrong", 1: "right", 2: "not_a_face", 3: "unsure", 4: "right", 5: "wrong"}
    )


def test_a_key_that_is_held_decides_about_one_face_and_moves_through_many(review, folder, open_tab):
    tab = open_tab(review)
    for key in ("w", "ArrowRight"):
        for _ in range(5):
            tab.keyboard.down(key)  # but for the first, these are repetitions
        tab.keyboard.up(key)
    assert chosen(tab) == 6
    assert saved(folder, {0: "wrong"})


def test_decisions_are_undone_changed_and_taken_back(review, folder, open_tab):
    tab = open_tab(review)
    press(tab, "w", "w", "w")
    press(tab, "z")
    assert chosen(tab) == 2
    assert saved(folder, {0: "wrong", 1: "wrong"})
    press(tab, "Home", "r")
    assert chosen(tab) == 1  # after a change, the next one
    assert saved(folder, {0: "right", 1: "wrong"})
    press(tab, "x")
    assert chosen(tab) == 1
    assert saved(folder, {0: "right"})
    press(tab, "z")
    assert saved(folder, {0: "right", 1: "wrong"})
    press(tab, "z")
    assert saved(folder, {0: "wrong", 1: "wrong"})
    tab.reload()
    tab.wait_for_selector(".tile .words span:not(:empty)")
    assert tab.inner_text("#counted") == "2 of 22 decided"
    assert chosen(tab) == 2  # the first that is undecided
    press(tab, "z", "z", "z", "z")  # what was decided before is undone, too
    assert saved(folder, {})
    assert tab.locator("#undo").is_disabled()


def test_all_of_it_can_be_clicked(review, folder, open_tab):
    tab = open_tab(review)
    tab.click("#tile-7")
    tab.click("#decide >> text=Not a face")
    tab.click("#decide >> text=Label wrong")
    assert chosen(tab) == 9
    assert saved(folder, {7: "not_a_face", 8: "wrong"})
    tab.click("#undo")
    assert saved(folder, {7: "not_a_face"})
    tab.click("#tile-7")
    pressed = tab.locator("#decide [aria-pressed=true]")
    assert pressed.get_attribute("data-decision") == "not_a_face"
    tab.click("#take_back")
    assert saved(folder, {})


def test_filters_show_some_and_what_does_not_fit_any_more_stays_until_asked(review, open_tab):
    tab = open_tab(review)
    press(tab, "w", "r", "w")

    def shown() -> list[int]:
        ids = tab.evaluate("[...document.querySelectorAll('.tile')].map((tile) => tile.id)")
        return sorted(int(name.removeprefix("tile-")) for name in ids)

    tab.select_option("#show", "wrong")
    assert shown() == [0, 2]
    assert tab.inner_text("#shown") == "2 shown"
    tab.select_option("#show", "")
    assert shown() == list(range(3, 22))
    tab.fill("#least", "50")
    press(tab, "Enter")
    assert shown() == list(range(3, 11))
    press(tab, "w")  # the keys are the grid's again
    assert shown() == list(range(3, 11))
    tab.click("text=Show anew")
    assert shown() == list(range(4, 11))
    tab.select_option("#show", "not_a_face")
    assert shown() == []
    assert "No face is decided like this" in tab.inner_text("#face")
    press(tab, "w", "ArrowDown", "End")
    assert tab.inner_text("#counted") == "4 of 22 decided"


def test_the_keyboard_reaches_everything_and_a_screen_reader_hears_it(review, open_tab):
    tab = open_tab(review)
    focused = "document.activeElement.id || document.activeElement.dataset.decision"
    assert tab.evaluate(focused) == "grid"
    assert tab.get_attribute("#grid", "role") == "listbox"
    press(tab, "ArrowRight")
    assert tab.get_attribute("#grid", "aria-activedescendant") == "tile-1"
    tile = tab.locator("#tile-1")
    told = {name: tile.get_attribute(f"aria-{name}") for name in ("posinset", "setsize", "label")}
    assert (told["posinset"], told["setsize"]) == ("2", "22")
    assert re.fullmatch(r"label \d+ years, (fe)?male; wrong: \d+%", told["label"])
    reached = []
    for _ in range(4):
        press(tab, "Tab")
        reached.append(tab.evaluate(focused))
    assert reached == ["right", "wrong", "not_a_face", "unsure"]
    press(tab, "Enter")
    assert tab.inner_text("#counted") == "1 of 22 decided"
    assert "decided unsure" in tile.get_attribute("aria-label")


def test_a_missing_image_and_hostile_texts_are_shown_as_such(tmp_path, open_tab):
    folder = write_audit(tmp_path)
    table = suspects_of(folder / "prepared")
    evil = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"
    names = table["filename"].to_list()
    names[0], names[1] = "train/gone.jpg", evil
    changed = table.assign(filename=names, source=evil, gender=evil, split=evil)
    changed[["folder", *changed.columns.drop("folder")]].to_csv(
        folder / "suspects.csv", index=False
    )
    with review_here(folder) as review:
        tab = open_tab(review, expects_errors=True)  # of images that are not there
        for place in ("#photo", "#tile-0", "#tile-1"):
            assert wait_until(lambda place=place: "missing" in tab.inner_text(place), 10)
        press(tab, "ArrowRight")
        assert evil in tab.inner_text("#about")
        assert evil in tab.inner_text("#label")
        press(tab, "w")
        assert saved(folder, {1: "wrong"})
        assert tab.title() == "Which labels are wrong?"
        assert tab.locator("[onerror]").count() == 0
        tab.close()


def test_a_table_with_only_the_needed_columns_shows_just_these(tmp_path, open_tab):
    folder = write_audit(tmp_path)
    needed = ["filename", "source", "age", "gender", "wrong_probability", "folder"]
    suspects_of(folder / "prepared")[needed].to_csv(folder / "suspects.csv", index=False)
    with review_here(folder) as review:
        tab = open_tab(review)
        assert not tab.is_visible("#network") and not tab.is_visible("#network_name")
        assert tab.inner_text("#parts") == ""
        assert "split" not in tab.inner_text("#about")
        tab.close()


def test_another_tab_and_another_process_show_the_same_soon_and_lose_nothing(
    review, folder, open_tab
):
    with running_review(folder) as other:
        tabs = [open_tab(review), open_tab(review), open_tab(other)]
        for number, tab in enumerate(tabs):
            press(tab, *["ArrowRight"] * 5 * number, *"wwww")
        expected = {5 * number + step: "wrong" for number in range(3) for step in range(4)}
        assert saved(folder, expected)
        for tab in tabs:
            assert wait_until(lambda tab=tab: tab.inner_text("#counted") == "12 of 22 decided", 10)
        press(tabs[0], "Home", "r")
        said = ".tile#tile-0[data-decision=right]"
        assert wait_until(lambda: tabs[2].locator(said).count() == 1, 10)
        for tab in tabs:
            tab.close()


def test_decisions_made_while_the_program_is_killed_are_saved_when_it_runs_again(folder, open_tab):
    with running_review(folder) as review:
        tab = open_tab(review, expects_errors=True)
        press(tab, "w")
        assert saved(folder, {0: "wrong"})
        port = review.port
    press(tab, "w", "w", "r")
    unsaved = re.compile("[34] decisions are not saved")  # one may be written but not confirmed
    assert wait_until(lambda: unsaved.search(tab.inner_text("#trouble")), 10)
    assert "does not answer" in tab.inner_text("#trouble")
    with running_review(folder, port):
        assert saved(folder, {0: "wrong", 1: "wrong", 2: "wrong", 3: "right"})
        assert wait_until(lambda: not tab.is_visible("#trouble"), 10)
    # With another table at the same place, nothing is decided about other faces.
    write_audit(folder, suspects_of(folder / "prepared").tail(9))
    with running_review(folder, port):
        press(tab, "w")
        assert wait_until(lambda: "Reload the page" in tab.inner_text("#trouble"), 10)
    assert len(decided(folder)) == 4


def test_a_page_of_somebody_else_cannot_decide_or_read(review, folder, browser):
    """Even one that leads its own name to this machine."""
    start = review.get("/start")
    body = json.dumps({**start, "decisions": [[0, "wrong"]]})
    html = "<!doctype html><title>evil</title>"
    attack = """async ([url, body]) => {
        const said = [];
        for (const options of [
            {method: "POST", body, mode: "no-cors"},
            {method: "POST", body, headers: {"Content-Type": "application/json"}},
            {method: "POST", body: new Blob([body], {type: "application/json"}), mode: "no-cors"},
        ]) try { said.push((await fetch(url + "/decisions", options)).type); }
           catch { said.push("refused"); }
        navigator.sendBeacon(url + "/decisions", body);
        const photo = new Image();
        photo.src = url + "/image/0?table=x";
        said.push(await new Promise((done) => {
            photo.onload = () => done("seen"); photo.onerror = () => done("refused"); }));
        const form = document.createElement("form");
        form.action = url + "/decisions"; form.method = "post"; form.enctype = "text/plain";
        form.target = "_blank"; document.body.append(form); form.submit();
        return said;
    }"""
    with foreign_page(html) as address:
        tab = browser.new_page()
        tab.goto(address.replace("127.0.0.1", "evil.example"))
        for name in ("127.0.0.1", "localhost", "evil.example"):
            said = tab.evaluate(attack, [f"http://{name}:{review.port}", body])
            assert said[0] in ("opaque", "refused") and said[1:] == ["refused"] * 3
        rebound = tab.goto(f"http://evil.example:{review.port}/start")
        assert rebound.status == 421
        tab.close()
    assert review.get("/start")["since"] == 0
    assert not (folder / "decisions.csv").exists()


def test_20000_faces_are_shown_at_once_and_each_key_answers_within_a_moment(
    tmp_path, open_tab, capsys
):
    folder = write_large_audit(tmp_path, LARGE)
    with running_review(folder) as review:
        tab = open_tab(review)
        loaded = "[...document.images].every((image) => image.complete) && performance.now()"
        assert wait_until(lambda: tab.evaluate(loaded), PAGE_S)
        first = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        painted = tab.evaluate(first)
        ready = tab.evaluate("performance.getEntriesByType('resource').at(-1).responseEnd")
        frames = sorted(
            tab.evaluate(
                """async () => {
                    const grid = document.getElementById("grid"), frames = [];
                    for (const key of Array(10).fill(["w", "ArrowDown", "r", "z"]).flat()) {
                        const start = performance.now();
                        grid.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
                        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                        frames.push(performance.now() - start);
                    }
                    return frames;
                }"""
            )
        )
        with capsys.disabled():
            print(
                f"\n{LARGE} faces: first paint {painted:.0f} ms, all in sight {ready:.0f} ms; "
                f"a key: {frames[len(frames) // 2]:.0f} ms (median), {frames[-1]:.0f} at most"
            )
        assert ready < 1000 * PAGE_S
        assert frames[len(frames) // 2] < KEY_MS
        assert tab.locator(".tile").count() < 150  # and not 20,000
        press(tab, "End")
        assert chosen(tab) == LARGE - 1
        last = ".tile[aria-selected=true] .words span:not(:empty)"
        tab.wait_for_selector(last, timeout=1000 * PAGE_S)
        assert tab.inner_text("#wrong") == "below 1%"
        press(tab, "w", "PageUp", "Home")
        assert tab.inner_text("#counted") == "11 of 20,000 decided"
        tab.fill("#least", "50")
        press(tab, "Enter")
        assert tab.inner_text("#shown") == "10,001 shown"

        def count() -> int:
            return len(decided(folder))

        assert wait_until(lambda: count() == 11, PAGE_S), count()
        tab.close()
