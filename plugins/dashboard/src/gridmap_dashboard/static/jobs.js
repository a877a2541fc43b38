// The table of jobs: the server searches, sorts and sends one page of rows.

import { get, runPath } from "./api.js";
import { brief, chip, clock, h, put, rowHead, said, say, span, whole } from "./dom.js";

const ROWS = 50;
const FILTERS = ["", "running", "queued", "done", "failed", "cancelled"];
const COLUMNS = [
  ["job", "Job", ""], [null, "State", ""], [null, "Node", "wide"], ["seconds", "Time", "number"],
  ["attempt", "Attempt", "number wide"], ["ended", "Ended at", "number wide"],
];

export function jobs(main, { run, query, replace }) {
  const asked = {
    state: query.get("state") ?? "", q: query.get("q") ?? "", sort: query.get("sort") ?? "job",
    down: query.get("down") === "1", page: Math.max(0, Number(query.get("page") ?? 0) || 0),
  };
  const search = h("input", { type: "search", id: "search", value: asked.q, maxlength: 200, autocomplete: "off", spellcheck: "false", placeholder: "Number, 100-200, node, cause or exception" });
  const filters = h("div", { class: "choice", role: "group", "aria-label": "Show jobs that are" });
  const body = h("tbody");
  const caption = h("caption", { id: "found" });
  const heads = COLUMNS.map(([key, name, kind]) => h("th", { scope: "col", class: kind },
    key ? h("button", { type: "button", onclick: () => sort(key) }, name) : name));
  const before = h("button", { type: "button", onclick: () => turn(-1) }, "Previous");
  const after = h("button", { type: "button", onclick: () => turn(1) }, "Next");
  const place = h("span");
  main.replaceChildren(
    h("h1", { tabindex: -1 }, "Jobs"),
    h("section", { class: "card", "aria-label": "Table of jobs" },
      h("div", { class: "tools", role: "search" }, h("label", { class: "unseen", for: "search" }, "Search jobs"), search, filters),
      h("div", { class: "scroll" }, h("table", null, caption, h("thead", null, h("tr", null, ...heads)), body)),
      h("div", { class: "pager" }, before, place, after)));

  let wait = 0, counter = 0, total = 0;
  search.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => change({ q: search.value, page: 0 }), 200);
  });
  const sort = (key) => change({ sort: key, down: asked.sort === key ? !asked.down : key !== "job", page: 0 });
  const turn = (pages) => change({ page: asked.page + pages });

  function change(changes) {
    Object.assign(asked, changes);
    const words = new URLSearchParams();
    for (const [name, value] of [["state", asked.state], ["q", asked.q], ["sort", asked.sort === "job" ? "" : asked.sort], ["down", asked.down ? "1" : ""], ["page", asked.page || ""]]) if (value) words.set(name, value);
    replace(`#/run/${run}/jobs${words.size ? `?${words}` : ""}`);
    load(true).catch((error) => { caption.textContent = error.message; });
  }

  async function load(aloud) {
    const mine = ++counter;
    const words = new URLSearchParams({ state: asked.state, q: asked.q, sort: asked.sort, down: asked.down ? "1" : "0", offset: asked.page * ROWS, limit: ROWS });
    const found = await get(runPath(run, `/jobs?${words}`));
    if (mine !== counter) return; // a later question was asked meanwhile
    total = found.total;
    if (found.rows.length === 0 && asked.page > 0) return change({ page: Math.max(0, Math.ceil(total / ROWS) - 1) });
    heads.forEach((head, index) => {
      const key = COLUMNS[index][0];
      if (key) head.setAttribute("aria-sort", key !== asked.sort ? "none" : asked.down ? "descending" : "ascending");
    });
    put(body, ...(found.rows.length ? found.rows.map((row) => line(run, row)) : [h("tr", null, h("td", { colspan: COLUMNS.length, class: "empty" }, "No job is like that."))]));
    const first = found.offset + 1, last = found.offset + found.rows.length;
    const text = total ? `${whole(first)} to ${whole(last)} of ${whole(total)}` : "no jobs";
    caption.textContent = text;
    place.textContent = total ? `Page ${whole(asked.page + 1)} of ${whole(Math.max(1, Math.ceil(total / ROWS)))}` : "";
    before.disabled = asked.page === 0;
    after.disabled = last >= total;
    if (aloud) say(`Jobs: ${text}`);
  }

  return {
    title: "Jobs",
    update(stands) {
      const count = { ...stands.jobs, queued: stands.jobs.queued + stands.jobs.delayed, "": stands.jobs.total };
      put(filters, ...FILTERS.filter((kind) => kind !== "cancelled" || count.cancelled || asked.state === kind).map((kind) =>
        h("button", { type: "button", "aria-pressed": String(asked.state === kind), "data-key": `filter ${kind}`, onclick: () => {
          change({ state: kind, page: 0 });
          this.update(stands);
        } }, kind || "all", " ", h("small", null, whole(count[kind] ?? 0)))));
    },
    refresh: () => load(false),
  };
}

function line(run, row) {
  return h("tr", null,
    rowHead(null, h("a", { href: `#/run/${run}/job/${row.job}`, "data-key": `job ${row.job}` }, brief(row.name))),
    h("td", null, chip(row.state), row.cause && row.state !== "done" ? h("span", { class: "soft" }, ` ${row.cause}`) : null, said(row.progress)),
    h("td", { class: "wide" }, row.node || "–"),
    h("td", { class: "number" }, span(row.seconds)),
    h("td", { class: "number wide" }, row.attempt),
    h("td", { class: "number wide" }, row.ended === null ? "–" : clock(row.ended)));
}
