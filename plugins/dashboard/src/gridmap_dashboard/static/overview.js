// The first page of a run: how it stands, how it came there, who is busy.

import { get, runPath } from "./api.js";
import { chart } from "./charts.js";
import { briefly, bytes, card, chip, clock, date, facts, h, heading, number, per, plural, put, rowHead, span, whole } from "./dom.js";
import { gantt } from "./gantt.js";
import { killer } from "./kill.js";

const WINDOWS = [["all of it", 0], ["last 10 min", 600], ["last min", 60]];

export function overview(main, { run, go }) {
  const head = heading();
  const notes = h("div", { class: "stack" });
  const progress = h("section", { class: "card", "aria-label": "Progress" });
  const rates = h("section", { class: "card", "aria-label": "Figures" });
  const throughput = h("div"), cores = h("div"), memory = h("div");
  const lanes = h("div"), causes = h("div"), happened = h("div");
  let since = 0, drawn = null, latest = null;
  const choice = h("div", { class: "choice", role: "group", "aria-label": "Time shown" }, ...WINDOWS.map(([name, seconds]) =>
    h("button", { type: "button", "aria-pressed": String(seconds === 0), onclick: (event) => {
      since = seconds;
      for (const one of choice.children) one.setAttribute("aria-pressed", String(one === event.currentTarget));
      if (drawn) draw();
    } }, name)));
  main.replaceChildren(head.element, notes, progress, rates,
    h("div", { class: "columns" },
      card("Throughput", "jobs done per second", throughput),
      card("Processors", "cores in use", cores),
      card("Memory", "held by jobs", memory)),
    card("Timeline", choice, lanes),
    causes, card("Activity", h("a", { href: `#/run/${run}/activity` }, "All of it"), happened));
  const draw = () => gantt(lanes, drawn, since, (job) => go(`#/run/${run}/job/${job}`));

  return {
    title: "Overview",
    update(stands) {
      latest = stands;
      head.show(shown(stands));
      put(notes, ...notices(stands));
      put(progress, ...counts(stands));
      put(rates, figures(stands));
      put(causes, failures(stands));
    },
    async refresh() {
      const [timeline, charts, { notices: list }] = await Promise.all([
        get(runPath(run, "/timeline")), get(runPath(run, "/charts")), get(runPath(run, "/notices")),
      ]);
      drawn = timeline;
      draw();
      const { end, step, nodes } = charts;
      put(throughput, chart({
        room: throughput, title: "Throughput", series: [{ name: "", values: charts.throughput.values }], step: charts.throughput.step,
        end: Math.max(end, charts.throughput.step * charts.throughput.values.length), format: number, stairs: true,
      }));
      const [first, rest] = busiest(nodes);
      put(cores, chart({ room: cores, title: "Processors", series: lines(first, rest, "cores"), step, end, format: number }));
      put(memory, chart({ room: memory, title: "Memory", series: lines(first, rest, "memory"), step, end, format: bytes, base: 1024 }));
      put(happened, events(list.slice(0, 8)));
      if (latest) this.update(latest);
    },
  };
}

const sum = (values) => values.reduce((one, two) => one + two, 0);

/** The seven nodes that did most, by name, and all others: the same in all charts, and so are their colours. */
function busiest(nodes) {
  const call = briefly(nodes.map((one) => one.node));
  const sorted = nodes.map((one) => ({ ...one, name: call(one.node), did: sum(one.cores) })).sort((one, two) => two.did - one.did);
  const most = sorted.length > 8 ? 7 : 8;
  return [sorted.slice(0, most).sort((one, two) => one.name.localeCompare(two.name, "en", { numeric: true })), sorted.slice(most)];
}

function lines(first, rest, what) {
  const series = first.map((one) => ({ name: one.name, values: one[what] }));
  if (rest.length === 0) return series;
  const values = rest[0][what].map((_, place) => sum(rest.map((one) => one[what][place] ?? 0)));
  return [...series, { name: `${rest.length} more`, values }];
}

function state(stands) {
  if (stands.ended === null) return stands.runners.up ? chip("running", "running") : chip("queued", "waiting for runners");
  if (stands.lost) return chip("cancelled", "not heard of");
  if (stands.error) return chip("failed", "stopped");
  return stands.jobs.failed ? chip("failed", "over, with failures") : chip("done", "done");
}

function shown(stands) {
  const when = stands.ended === null ? `began ${date(stands.began)}` : `${date(stands.began)} to ${date(stands.ended)}`;
  return {
    name: stands.name || "run", state: state(stands), text: `on ${stands.backend} · ${when}`,
    button: stands.killable && stands.ended === null ? killer(stands, null) : null,
  };
}

function notices(stands) {
  const found = [];
  if (stands.lost) found.push(h("p", { class: "note", role: "status" }, `So it stood at the time it was last heard of: ${stands.lost}.`));
  if (stands.error) found.push(h("p", { class: "note bad", role: "status" }, `The run was stopped: ${stands.error}`));
  const reasons = stands.pending.filter(([reason]) => reason);
  if (stands.ended === null && reasons.length) {
    found.push(h("div", { class: "note" }, "No runner has started yet. The scheduler says:",
      h("ul", null, ...reasons.map(([reason, count]) => h("li", null, `${reason} (${plural(count, "runner")})`)))));
  }
  return found;
}

function counts(stands) {
  const { jobs } = stands;
  const over = jobs.done + jobs.failed + jobs.cancelled;
  const part = jobs.total ? over / jobs.total : 0;
  const percent = part >= 1 ? 100 : Math.floor(part * 1000) / 10;
  const bar = h("div", { class: "meter", role: "progressbar", "aria-label": "Jobs that are over", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percent });
  for (const kind of ["done", "failed", "cancelled", "running"]) {
    if (!jobs[kind]) continue;
    const piece = h("i", { class: kind });
    piece.style.width = `${(100 * jobs[kind]) / jobs.total}%`;
    bar.append(piece);
  }
  const kinds = ["done", "running", "queued", "failed", ...(jobs.cancelled ? ["cancelled"] : [])];
  const all = { ...jobs, queued: jobs.queued + jobs.delayed };
  return [
    h("div", { class: "progress" }, h("strong", null, `${whole(over)} of ${plural(jobs.total, "job")}`), h("strong", null, `${percent} %`)),
    bar,
    h("ul", { class: "counts" }, ...kinds.map((kind) => h("li", null,
      h("a", { href: `#/run/${stands.id}/jobs?state=${kind}`, "data-key": `count ${kind}` },
        h("b", null, whole(all[kind])), h("span", { class: `key ${kind}` }, kind))))),
  ];
}

function figures(stands) {
  const { runners } = stands;
  const over = stands.ended !== null;
  return facts(
    ["Time", span(stands.elapsed)],
    over ? ["Throughput", per(stands.mean_rate)] : ["Throughput now", per(stands.rate)],
    !over && ["Time left, about", span(stands.remaining)],
    over ? ["Work done", span(stands.busy)] : ["Runners", whole(runners.up), `on ${plural(runners.nodes, "node")}${runners.queued ? `, ${whole(runners.queued)} waiting` : ""}`],
    over && stands.elapsed > 0 && ["At the same time", (stands.busy / stands.elapsed).toFixed(1), "jobs on average"],
    !over && ["Cores in use", number(Math.round(stands.cores * 100) / 100)],
    !over && ["Memory held", bytes(stands.memory)],
    ["Retries", whole(stands.retries)],
  );
}

function failures(stands) {
  if (!stands.causes.length) return null;
  const rows = stands.causes.map(([cause, count]) => h("tr", null,
    rowHead(null, h("a", { href: `#/run/${stands.id}/jobs?state=failed&q=${encodeURIComponent(cause)}`, "data-key": `cause ${cause}` }, cause)),
    h("td", { class: "number" }, whole(count))));
  return card("Why jobs failed", null, h("table", null,
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Cause"), h("th", { scope: "col", class: "number" }, "Jobs"))),
    h("tbody", null, ...rows)));
}

export function events(list) {
  if (!list.length) return h("p", { class: "empty" }, "Nothing yet.");
  return h("ol", { class: "log" }, ...list.map((one) => h("li", null, h("time", null, clock(one.at)), h("span", null, one.text))));
}
