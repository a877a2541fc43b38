// The page of one job: what became of it and how that is known.

import { get, runPath } from "./api.js";
import { chart } from "./charts.js";
import { bytes, card, chip, clock, facts, h, heading, number, put, said, span, whole } from "./dom.js";
import { killer } from "./kill.js";

export function job(main, { run, job: wanted }) {
  const head = heading();
  const rest = h("div", { class: "stack" });
  const vitals = h("div"), log = h("div"), live = transcript();
  main.replaceChildren(
    h("p", null, h("a", { href: `#/run/${run}/jobs` }, "All jobs")), head.element, rest,
    live.card, h("div", { class: "columns" }, vitals), log);
  let stands = null, killable = false;
  return {
    title: `Job ${wanted}`,
    printed: live.add,
    update(latest) {
      stands = latest;
      killable = latest.killable && latest.ended === null;
    },
    async refresh() {
      const found = await get(runPath(run, `/jobs/${wanted}`));
      const open = !["done", "failed", "cancelled"].includes(found.state);
      head.show({
        name: found.name, state: chip(found.state), text: `job ${found.job} of ${stands?.name ?? "the run"}`,
        button: open && killable ? killer(stands, found) : null,
      });
      live.waits(open);
      put(rest, card("What is known", said(found.progress), facts(
        ["Node", found.node || "–"],
        ["Runner", found.runner.handle || found.runner.number || "–"],
        ["Attempt", found.attempt],
        [found.state === "running" ? "Running for" : "Time", span(found.seconds)],
        found.ended !== null && ["Ended at", clock(found.ended), "of the run"])),
      found.verdict ? verdict(found) : null);
      const points = found.vitals;
      put(vitals, points.length > 1 ? [
        card("Processors", "cores in use", plot(vitals, "Processors", points, 1, number, 10)),
        card("Memory", "held by the job", plot(vitals, "Memory", points, 2, bytes, 1024)),
      ] : card("Processors and memory", null, h("p", { class: "empty" }, "No heartbeats of this job: it was over before two came.")));
      vitals.className = points.length > 1 ? "columns" : "";
      vitals.parentElement.className = "stack";
      const written = await get(runPath(run, `/jobs/${wanted}/log`));
      put(log, card("Log", written.path ?? "", written.text
        ? h("pre", { tabindex: 0, role: "region", "aria-label": "Log of the job's runner", "data-key": "log" }, written.text)
        : h("p", { class: "empty" }, written.text === "" ? "Nothing was written." : "There is no log, or no longer.")));
    },
  };
}

const MOST_LINES = 2000;

/** What the job prints while it is looked at; hidden until the server says that it listens. */
function transcript() {
  const text = h("pre", { tabindex: 0, role: "log", "aria-live": "off", "aria-label": "What the job prints" });
  const note = h("p", null), box = card("Prints", note, text);
  let lines = [], begun = "", lost = 0, open = true, heard = false;
  box.hidden = true;
  function draw() {
    const low = text.scrollTop + text.clientHeight >= text.scrollHeight - 8;
    text.textContent = [...lines, ...(begun ? [begun] : [])].join("\n");
    text.hidden = !text.textContent;
    box.hidden = !heard || (text.hidden && !open);
    if (low) text.scrollTop = text.scrollHeight;
    note.textContent = lost ? `${whole(lost)} earlier lines left out` : text.hidden ? "nothing since this page was opened" : "since this page was opened";
  }
  return {
    card: box,
    add(more) {
      heard = true;
      lines.push(...more.lines);
      [begun, lost] = [more.begun, lost + more.lost + Math.max(0, lines.length - MOST_LINES)];
      lines = lines.slice(-MOST_LINES);
      draw();
    },
    waits(still) {
      open = still;
      draw();
    },
  };
}

function plot(place, title, points, column, format, base) {
  const start = points[0][0], end = points.at(-1)[0];
  const step = Math.max((end - start) / Math.min(120, points.length - 1), 0.001);
  const values = [];
  let next = 0;
  for (let at = start; at <= end + step / 2; at += step) {
    while (next < points.length - 1 && points[next + 1][0] <= at + step / 2) next += 1;
    values.push(points[next][column]);
  }
  return chart({ room: { clientWidth: place.clientWidth > 700 ? place.clientWidth / 2 - 50 : place.clientWidth - 36 }, title, series: [{ name: "", values }], step, start, end, format, base });
}

function verdict({ verdict: found, again, traceback }) {
  const rows = found.statements.map((one) => [h("dt", null, one.witness), h("dd", null, one.text)]);
  const memory = [found.asked_memory && `asked for ${found.asked_memory}`, found.peak_memory && `held ${found.peak_memory} at most`].filter(Boolean).join(", ");
  if (memory) rows.push([h("dt", null, "memory"), h("dd", null, memory)]);
  const time = [found.asked_walltime && `asked for ${span(found.asked_walltime)}`, found.ran !== null && `ran ${span(found.ran)}`].filter(Boolean).join(", ");
  if (time) rows.push([h("dt", null, "time"), h("dd", null, time)]);
  for (const before of found.earlier) rows.push([h("dt", null, "before"), h("dd", null, before)]);
  const text = (title, content) => content ? [h("h3", null, title), h("pre", { tabindex: 0, role: "region", "aria-label": title, "data-key": title }, content)] : null;
  return card("Verdict", again ? "it is run again" : "",
    h("div", { class: "stack" },
      h("p", null, chip("failed", found.cause), ` attempt ${found.attempt}`, found.node ? ` on ${found.node}` : "", found.raised.length ? `: ${found.raised[0]}` : ""),
      found.advice ? h("p", { class: "note good" }, `Next step: ${found.advice}`) : null,
      h("dl", { class: "evidence" }, ...rows),
      text("Traceback", traceback), text("Where it was", found.stack), text("Last output", found.log_tail)));
}
