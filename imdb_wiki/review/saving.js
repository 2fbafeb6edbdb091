// Sends decisions in their order until the program confirms that they are on the disk.

const MOST = 200;  // at once
const AGAIN_MS = 1000, LOOK_MS = 3000;

export class Saving {
  // `onChanges(pairs)` hears of others' decisions, `onTrouble(sentence)` why something is not saved.
  constructor({ onChanges, onTrouble, onStartAgain }) {
    Object.assign(this, { onChanges, onTrouble, onStartAgain });
    this.waiting = new Map();  // decision by row, in the order of the decisions
    addEventListener("beforeunload", (event) => { if (this.waiting.size) event.preventDefault(); });
    setInterval(() => { if (!document.hidden) this.look(); }, LOOK_MS);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.look(); });
  }

  begin({ table, since, generation }) { Object.assign(this, { table, since, generation }); }

  add(row, decision) {
    this.waiting.delete(row);
    this.waiting.set(row, decision);
    this.send();
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.size) {
      const sent = [...this.waiting].slice(0, MOST);
      const { table, since, generation } = this;
      const body = JSON.stringify({ table, since, generation, decisions: sent });
      const headers = { "Content-Type": "application/json" };
      // keepalive: it arrives even if this tab is closed now.
      const told = await this.ask("decisions", { method: "POST", body, headers, keepalive: true });
      if (!told) {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        continue;
      }
      for (const [row, decision] of sent)
        if (this.waiting.get(row) === decision) this.waiting.delete(row);
      await this.hear(told);
    }
    this.busy = false;
  }

  async look() {
    if (this.busy || this.table === undefined) return;
    this.busy = true;
    const { table, since, generation } = this;
    const told = await this.ask(`changes?${new URLSearchParams({ table, since, generation })}`);
    if (told) await this.hear(told);
    this.busy = false;
    if (this.waiting.size) this.send();
  }

  async hear(told) {
    if (told.start_again) return this.onStartAgain();
    Object.assign(this, { since: told.since, generation: told.generation });
    this.onChanges(told.changes.filter(([row]) => !this.waiting.has(row)));
  }

  async ask(where, options) {
    try {
      const answer = await fetch(where, options);
      if (answer.ok) {
        this.onTrouble("");
        return await answer.json();
      }
      this.trouble((await answer.text()).trim());
    } catch {
      this.trouble("The program does not answer. Start it again, at the same port: this page goes on then.");
    }
    return null;
  }

  trouble(why) {
    const count = this.waiting.size;
    this.onTrouble(`${count ? `${count} decision${count > 1 ? "s are" : " is"} not saved. ` : ""}${why}`);
  }
}
