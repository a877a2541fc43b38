// The runners: a table, which is also the timeline for those who cannot see it.

import { get, runPath } from "./api.js";
import { briefly, bytes, chip, h, number, plural, put, rowHead, said, span, whole } from "./dom.js";

const COLUMNS = [["Runner", ""], ["Node", ""], ["State", ""], ["Job", "number"], ["For", "number wide"], ["Done", "number"], ["Cores", "number wide"], ["Memory", "number wide"], ["Last heard", "number wide"]];
const CHIPS = { up: ["running", "up"], queued: ["queued", "waiting"], gone: ["cancelled", "gone"] };

export function runners(main, { run }) {
  const body = h("tbody"), caption = h("caption");
  main.replaceChildren(h("h1", { tabindex: -1 }, "Runners"),
    h("section", { class: "card", "aria-label": "Table of runners" }, h("div", { class: "scroll" }, h("table", null, caption,
      h("thead", null, h("tr", null, ...COLUMNS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))), body))));
  return {
    title: "Runners",
    update() {},
    async refresh() {
      const found = await get(runPath(run, "/runners"));
      caption.textContent = found.total > found.runners.length ? `${whole(found.runners.length)} of ${plural(found.total, "runner")}` : plural(found.total, "runner");
      const call = briefly(found.runners.map((one) => one.node).filter(Boolean));
      put(body, ...(found.runners.length ? found.runners.map((one) => line(run, one, call)) : [h("tr", null, h("td", { colspan: COLUMNS.length, class: "empty" }, "No runner has been submitted yet."))]));
    },
  };
}

function line(run, one, call) {
  return h("tr", null,
    rowHead({ class: "mono" }, one.handle || one.number),
    h("td", { class: "place", title: one.node }, one.node ? call(one.node) : "–"),
    h("td", null, chip(...CHIPS[one.state]), one.reason ? h("span", { class: "soft wide" }, ` ${one.reason}`) : null, said(one.progress)),
    h("td", { class: "number" }, one.job === null ? "–" : h("a", { href: `#/run/${run}/job/${one.job}`, "data-key": `runner ${one.number}` }, one.job)),
    h("td", { class: "number wide" }, span(one.running)),
    h("td", { class: "number" }, whole(one.done), one.failed ? h("span", { class: "bad" }, ` +${whole(one.failed)}`, h("span", { class: "wide" }, " failed")) : null),
    h("td", { class: "number wide" }, one.state === "up" ? number(Math.round(one.cores * 100) / 100) : "–"),
    h("td", { class: "number wide" }, one.state === "up" ? bytes(one.rss) : `≤ ${bytes(one.peak)}`),
    h("td", { class: "number wide" }, one.heard === null || one.state !== "up" ? "–" : `${span(Math.max(0, one.heard))} ago`));
}
