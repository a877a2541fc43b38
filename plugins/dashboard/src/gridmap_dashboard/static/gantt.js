// Who was busy when, by node: one row for each runner a node had at a time.

import { briefly, clock, h, legend, plural, put, span, svg } from "./dom.js";

const ROW = 12, GAP = 3, WIDE = 1000;
const KINDS = ["done", "retried", "failed"];
const WORDS = ["done", "ended badly, run again", "failed"];

/** Show a timeline in `place`; `choose` is called with a job somebody clicked on. */
export function gantt(place, data, seconds, choose) {
  const end = Math.max(data.end, 0.001);
  const start = seconds ? Math.max(0, end - seconds) : 0;
  const x = (at) => Math.max(0, Math.min(WIDE, ((at - start) / (end - start)) * WIDE));
  const readout = h("p", { class: "readout soft" });
  const call = briefly(data.nodes.map((one) => one.node));
  const rows = data.nodes.flatMap(({ node, lanes }) => [
    h("div", { class: "node", title: node, "aria-hidden": "true" }, call(node), h("small", null, ` ${plural(lanes.length, "runner")}`)),
    picture(call(node), lanes, x, (at) => start + (at / WIDE) * (end - start), end, readout, choose),
  ]);
  const scrolled = place.querySelector(".gantt")?.scrollTop ?? 0;
  put(place,
    data.nodes.length === 0 ? h("p", { class: "empty" }, "No runner has come up yet.") : null,
    h("div", { class: "gantt", tabindex: 0, role: "group", "aria-label": "Timeline by node", "data-key": "gantt" }, ...rows,
      h("div", { class: "axis", "aria-hidden": "true" }, ...[0, 0.25, 0.5, 0.75, 1].map((part) => h("span", null, clock(start + part * (end - start)))))),
    readout,
    legend(["done", "failed", "retried", "running"].map((kind) => [kind, kind === "retried" ? "to be run again" : kind]),
      data.hidden ? h("li", { class: "soft" }, `${plural(data.hidden, "row")} not shown`) : null));
  place.querySelector(".gantt").scrollTop = scrolled;
}

function picture(node, lanes, x, time, end, readout, choose) {
  const height = lanes.length * (ROW + GAP) + GAP;
  const paths = { done: "", retried: "", failed: "", running: "" };
  let jobs = 0, bad = 0, busy = 0;
  const box = (kind, from, to, row) => {
    let [left, right] = [x(from), x(to)];
    if (right <= 0 || left >= WIDE) return;
    const wide = right - left;
    right = wide > 4 ? right - 1 : Math.max(right, left + 0.8);
    const top = GAP + row * (ROW + GAP);
    paths[kind] += `M${left.toFixed(1)} ${top}H${right.toFixed(1)}V${top + ROW}H${left.toFixed(1)}Z`;
  };
  lanes.forEach((lane, row) => {
    for (const [from, to, kind, , count] of lane.segments) {
      box(KINDS[kind], from, to, row);
      jobs += count;
      busy += to - from;
      if (kind === 2) bad += 1;
    }
    if (lane.running) box("running", lane.running.since, end, row);
  });
  const told = `${node}: ${plural(lanes.length, "runner")} at most, ${plural(jobs, "job")}${bad ? `, ${plural(bad, "piece")} with failures` : ""}, busy for ${span(busy)} in all`;
  const image = svg("svg", { viewBox: `0 0 ${WIDE} ${height}`, height, preserveAspectRatio: "none", role: "img", "aria-label": told },
    ...["done", "retried", "failed", "running"].map((kind) => svg("path", { class: kind, d: paths[kind] })));
  const find = (event) => {
    const frame = image.getBoundingClientRect();
    const row = Math.floor(((event.clientY - frame.top) / frame.height) * height / (ROW + GAP));
    const at = time(((event.clientX - frame.left) / frame.width) * WIDE);
    const lane = lanes[row];
    if (!lane) return null;
    if (lane.running && at >= lane.running.since) return { job: lane.running.job, from: lane.running.since, to: end, word: "running", count: 1 };
    const slack = (time(1) - time(0)) * 1.5;
    const hit = lane.segments.find(([from, to]) => at >= from - slack && at <= to + slack);
    return hit ? { job: hit[3], from: hit[0], to: hit[1], word: WORDS[hit[2]], count: hit[4] } : null;
  };
  image.addEventListener("pointermove", (event) => {
    const hit = find(event);
    readout.textContent = hit
      ? `${node}: ${hit.count > 1 ? `jobs ${hit.job} to ${hit.job + hit.count - 1} or so` : `job ${hit.job}`}, ${clock(hit.from)} to ${clock(hit.to)} (${span(hit.to - hit.from)}), ${hit.word}`
      : "";
  });
  image.addEventListener("pointerleave", () => { readout.textContent = ""; });
  image.addEventListener("click", (event) => {
    const hit = find(event);
    if (hit) choose(hit.job);
  });
  return image;
}
