// All runs this page can show: those that go on, and those that are over.

import { get } from "./api.js";
import { brief, chip, date, h, plural, put, rowHead, span, whole } from "./dom.js";

export function runs(main) {
  const body = h("tbody"), caption = h("caption");
  main.replaceChildren(h("h1", { tabindex: -1 }, "Runs"),
    h("section", { class: "card", "aria-label": "Table of runs" }, h("div", { class: "scroll" }, h("table", null, caption,
      h("thead", null, h("tr", null, ...[["Run", ""], ["State", ""], ["Backend", "wide"], ["Began", "wide"], ["Time", "number wide"], ["Done", "number"], ["Failed", "number"]].map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))), body))));
  return {
    title: "Runs",
    update() {},
    async refresh() {
      const found = (await get("api/runs")).runs;
      caption.textContent = plural(found.length, "run");
      put(body, ...(found.length ? found.map(line) : [h("tr", null, h("td", { colspan: 7, class: "empty" }, "There is no run yet."))]));
    },
  };
}

const STATES = { running: "running", done: "done", failed: "failed", stopped: "failed", lost: "cancelled" };

function line(run) {
  return h("tr", null,
    rowHead(null, h("a", { href: `#/run/${encodeURIComponent(run.id)}`, "data-key": `run ${run.id}` }, brief(run.name || run.id))),
    h("td", null, chip(STATES[run.state] ?? "queued", run.state)),
    h("td", { class: "wide" }, run.backend),
    h("td", { class: "wide" }, run.began === null ? "–" : date(run.began)),
    h("td", { class: "number wide" }, span(run.seconds)),
    h("td", { class: "number" }, `${whole(run.done)} of ${whole(run.total)}`),
    h("td", { class: "number" }, whole(run.failed)));
}
