// A grid of which only the tiles exist that one sees: 20,000 faces or 500,000, it takes the same.

const LEAST_WIDTH = 112, WORDS_HEIGHT = 20, SPARE_LINES = 1;
const MOST_FACES = 150;  // asked for at once
const REST_MS = 40;  // that the grid rests before it asks for what the faces are

export class Grid {
  // `ask(rows)` promises what is known of them; `image(row, alt)` is an element, `decisionOf(row)`
  // a name or ""; `onChoose(row)` hears which face is chosen.
  constructor(scroller, sheet, { ask, image, decisionOf, onChoose }) {
    Object.assign(this, { scroller, sheet, ask, image, decisionOf, onChoose });
    this.view = [];  // the rows that are shown, in order
    this.at = -1;  // the chosen one's place in it
    this.known = new Map();  // by row
    this.tiles = new Map();  // by place
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(scroller);
    sheet.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.choose(Number(tile.dataset.place));
    });
  }

  get row() { return this.view[this.at]; }

  setView(view, at) {
    this.view = view;
    this.clear();
    this.at = -1;
    this.measure();
    this.choose(Math.min(at, view.length - 1));
  }

  clear() {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
  }

  measure() {
    const width = this.scroller.clientWidth;
    this.columns = Math.max(1, Math.floor(width / LEAST_WIDTH));
    this.side = width / this.columns;
    this.height = this.side + WORDS_HEIGHT;
    this.sheet.style.height = `${Math.ceil(this.view.length / this.columns) * this.height}px`;
    for (const [place, tile] of this.tiles) this.put(tile, place);
    if (this.at >= 0) this.scrollTo(this.at);
    this.draw();
  }

  put(tile, place) {
    tile.style.width = `${this.side}px`;
    tile.style.height = `${this.height}px`;
    const line = Math.floor(place / this.columns);
    tile.style.transform = `translate(${(place % this.columns) * this.side}px, ${line * this.height}px)`;
  }

  draw() {
    const top = this.scroller.scrollTop, line = (y) => Math.floor(y / this.height);
    const first = Math.max(0, (line(top) - SPARE_LINES) * this.columns);
    const last = (line(top + this.scroller.clientHeight) + SPARE_LINES + 1) * this.columns;
    const end = Math.min(this.view.length, last);
    for (const [place, tile] of this.tiles) {
      if (place >= first && place < end) continue;
      tile.querySelector("img")?.removeAttribute("src");  // if it still loads
      tile.remove();
      this.tiles.delete(place);
    }
    for (let place = first; place < end; place++) if (!this.tiles.has(place)) this.add(place);
    this.learnSoon();
  }

  add(place) {
    const row = this.view[place], tile = document.createElement("div");
    tile.className = "tile";
    tile.id = `tile-${row}`;
    tile.dataset.place = place;
    tile.setAttribute("role", "option");
    tile.setAttribute("aria-setsize", this.view.length);
    tile.setAttribute("aria-posinset", place + 1);
    tile.setAttribute("aria-selected", place === this.at);
    const picture = document.createElement("span");
    picture.className = "picture";
    picture.append(this.image(row, ""));
    const words = document.createElement("span");
    words.className = "words";
    words.append(document.createElement("span"), document.createElement("span"));
    tile.append(picture, words);
    this.put(tile, place);
    this.tiles.set(place, tile);
    this.mark(tile, row);
    this.tell(tile, row);
    this.sheet.append(tile);
  }

  mark(tile, row) {  // its decision
    const decision = this.decisionOf(row);
    tile.dataset.decision = decision;
    tile.querySelector(".badge")?.remove();
    if (!decision) return;
    const badge = document.createElement("span");
    badge.className = "badge";
    badge.textContent = decision[0].toUpperCase();
    tile.querySelector(".picture").append(badge);
  }

  tell(tile, row) {  // its label and probability
    const face = this.known.get(row);
    if (!face) return;
    const [label, wrong] = tile.querySelectorAll(".words span");
    label.textContent = face.short;
    wrong.textContent = face.wrong.replace("above ", ">").replace("below ", "<");
    const decision = this.decisionOf(row).replaceAll("_", " ");
    const said = `label ${face.label}; wrong: ${face.wrong}${decision ? `; decided ${decision}` : ""}`;
    tile.setAttribute("aria-label", said);
  }

  refresh(row) {
    const place = this.place(row), tile = this.tiles.get(place);
    if (!tile) return;
    this.mark(tile, row);
    this.tell(tile, row);
  }

  place(row) {  // the view is sorted by row
    let low = 0, high = this.view.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.view[middle] < row) low = middle + 1; else high = middle;
    }
    return this.view[low] === row ? low : -1;
  }

  choose(place) {
    this.tiles.get(this.at)?.setAttribute("aria-selected", false);
    this.at = place;
    if (place >= 0) {
      this.scrollTo(place);
      this.draw();
      const tile = this.tiles.get(place);
      tile?.setAttribute("aria-selected", true);
      this.scroller.setAttribute("aria-activedescendant", `tile-${this.row}`);
    } else this.scroller.removeAttribute("aria-activedescendant");
    this.onChoose(this.row);
  }

  scrollTo(place) {  // so that some of the lines before and after it is seen
    const box = this.scroller, some = this.height / 3;
    const top = Math.floor(place / this.columns) * this.height;
    const least = top + this.height + some - box.clientHeight, most = Math.max(0, top - some);
    if (box.scrollTop > most) box.scrollTop = most;
    else if (box.scrollTop < least) box.scrollTop = least;
  }

  move(key) {  // whether it is one that moves
    const lines = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 1);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns,
      PageUp: -lines * this.columns, PageDown: lines * this.columns, Home: -Infinity, End: Infinity };
    if (!(key in step)) return false;
    const last = this.view.length - 1;
    if (last >= 0) this.choose(Math.max(0, Math.min(last, this.at + step[key])));
    return true;
  }

  learnSoon() {
    this.waiting ??= setTimeout(() => { this.waiting = undefined; this.learn(); }, REST_MS);
  }

  async learn() {
    if (this.learning) return;
    const seen = [...this.tiles.keys()].map((place) => this.view[place]);
    if (this.at >= 0) seen.unshift(this.row);
    const rows = seen.filter((row) => !this.known.has(row)).slice(0, MOST_FACES);
    if (!rows.length) return;
    this.learning = true;
    let faces = [];
    try { faces = await this.ask([...new Set(rows)]); } finally { this.learning = false; }
    for (const face of faces) {
      this.known.set(face.row, face);
      this.refresh(face.row);
      if (face.row === this.row) this.onChoose(this.row);
    }
    if (faces.length) this.learnSoon();  // it may have moved on
  }
}
