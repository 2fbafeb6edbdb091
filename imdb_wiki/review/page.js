// The page: filters, the chosen face, keys. What is decided here is shown at once and sent at once.

import { Grid } from "./grid.js";
import { Saving } from "./saving.js";

const NAMES = ["", "right", "wrong", "not_a_face", "unsure"];  // by the program's numbers
const KEYS = { r: "right", w: "wrong", n: "not_a_face", u: "unsure" };
const part = (id) => document.getElementById(id);
const written = (count) => count.toLocaleString("en");

let table, probabilities = [], decisions = [], done = 0;
const undone = [];  // pairs of a row and what it was before

const saving = new Saving({
  onChanges: (pairs) => pairs.forEach(([row, number]) => set(row, NAMES[number])),
  onTrouble: (sentence) => {
    part("trouble").hidden = !sentence;
    if (part("trouble").textContent !== sentence) part("trouble").textContent = sentence;
  },
  onStartAgain: () => begin(),
});

const grid = new Grid(part("grid"), part("sheet"), {
  ask: (rows) => asked(`faces?table=${table}&rows=${rows}`),
  image, decisionOf: (row) => decisions[row], onChoose: show,
});

async function asked(where) {
  try {
    const answer = await fetch(where);
    return answer.ok ? await answer.json() : [];
  } catch { return []; }
}

function image(row, alt) {
  const photo = document.createElement("img");
  photo.alt = alt;
  photo.decoding = "async";
  photo.addEventListener("error", () => {
    const missing = document.createElement("span");
    missing.className = "missing";
    missing.textContent = "image missing";
    photo.replaceWith(missing);
  });
  photo.src = `image/${row}?table=${table}`;
  return photo;
}

async function begin() {
  const told = await saving.ask("start");
  if (!told) return void setTimeout(begin, 1000);
  const isNew = table === undefined;
  ({ table, probabilities } = told);
  decisions = Array.from(told.decisions, (number) => NAMES[number]);
  for (const [row, decision] of saving.waiting) decisions[row] = decision;
  done = decisions.filter(Boolean).length;
  saving.begin(told);
  if (isNew) undone.push(...told.latest.map((row) => [row, ""]));
  const first = isNew ? decisions.indexOf("") : grid.row;
  filter(first);
  if (isNew) part("grid").focus({ preventScroll: true });
}

// What is shown: `row` is chosen if it is among them, else the first undecided one.
function filter(row) {
  const wanted = part("show").value, least = (Number(part("least").value) || 0) / 100;
  const view = [];
  for (let one = 0; one < decisions.length; one++) {
    const fits = wanted === "all" || decisions[one] === wanted;
    if (fits && (least <= 0 || probabilities[one] >= least)) view.push(one);
  }
  part("again").hidden = true;
  part("shown").textContent = `${written(view.length)} shown`;
  let at = row >= 0 ? view.indexOf(row) : -1;
  if (at < 0) at = Math.max(0, view.findIndex((one) => !decisions[one]));
  grid.setView(view, at);
  count();
}

function count() {
  part("bar").max = Math.max(1, decisions.length);
  part("bar").value = done;
  part("counted").textContent = `${written(done)} of ${written(decisions.length)} decided`;
  part("undo").disabled = !undone.length;
}

function set(row, decision) {
  if (decisions[row] === decision) return;
  done += (decision ? 1 : 0) - (decisions[row] ? 1 : 0);
  decisions[row] = decision;
  grid.refresh(row);
  if (row === grid.row) press(decision);
  const wanted = part("show").value;
  if (wanted !== "all") {  // what does not fit any more stays where it is until one asks
    part("again").hidden = false;
    part("again").textContent = "Show anew";
  }
  count();
}

function decide(decision) {
  const row = grid.row;
  if (row === undefined) return;
  const before = decisions[row];
  if (before !== decision) {
    undone.push([row, before]);
    set(row, decision);
    saving.add(row, decision);
  }
  if (!decision) return;
  let next = grid.at + 1;  // after a change the next face, else the next that is undecided
  if (!before) while (next < grid.view.length && decisions[grid.view[next]]) next++;
  if (next < grid.view.length) grid.choose(next);
  else part("said").textContent = "This is the last one.";
}

function undo() {
  const last = undone.pop();
  if (!last) return;
  const [row, before] = last;
  set(row, before);
  saving.add(row, before);
  const place = grid.place(row);
  if (place >= 0) grid.choose(place);
  count();
}

function press(decision) {
  for (const button of part("decide").children)
    button.setAttribute("aria-pressed", button.dataset.decision === decision);
  part("take_back").disabled = !decision;
}

let shown;  // the row whose photo is enlarged

function show(row) {
  const face = grid.known.get(row);
  part("nothing").hidden = row !== undefined;
  part("chosen").hidden = row === undefined;
  if (row === undefined) return void (shown = undefined);
  if (shown !== row) part("photo").replaceChildren(image(row, "the chosen face"));
  shown = row;
  part("label").textContent = face?.label ?? "…";
  part("network").textContent = face?.network ?? "";
  part("network_name").hidden = part("network").hidden = !face?.network;
  part("wrong").textContent = face?.wrong ?? "…";
  part("parts").textContent = face?.parts ?? "";
  part("about").replaceChildren(...(face?.about ?? []).map(([name, text]) => {
    const item = document.createElement("li");
    item.textContent = `${name}: ${text}`;
    return item;
  }));
  press(decisions[row]);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
  // On a keyboard without Latin letters, those at their places.
  const typed = event.key.toLowerCase(), latin = /^[a-z]/.test(typed);
  const key = latin ? typed : event.code.replace("Key", "").toLowerCase();
  if (grid.move(event.key)) part("grid").focus({ preventScroll: true });
  else if (event.repeat) return;  // a key that is held decides about one face
  else if (key in KEYS) decide(KEYS[key]);
  else if (key === "z") undo();
  else if (["x", "delete", "backspace"].includes(key)) decide("");
  else return;
  event.preventDefault();
});
part("decide").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) decide(button.dataset.decision);
});
part("undo").addEventListener("click", undo);
part("take_back").addEventListener("click", () => decide(""));
for (const name of ["show", "least"]) part(name).addEventListener("change", () => filter(grid.row));
part("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filter(grid.row);
  part("grid").focus({ preventScroll: true });
});

begin();
