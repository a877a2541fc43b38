// Lines over time, as SVG. Read with the pointer, with arrow keys, or as a sentence.

import { clock, h, legend, svg } from "./dom.js";

const HEIGHT = 150, LEFT = 54, BOTTOM = 18, TOP = 8, RIGHT = 8;

/** The largest number of an axis: 1, 2, 2.5 or 5 times a power of ten (or of 1024). */
function ceiling(value, base) {
  if (!(value > 0)) return base === 10 ? 1 : base;
  const unit = base ** Math.floor(Math.log(value) / Math.log(base) + 1e-9);
  const steps = base === 10 ? [1, 2, 2.5, 5, 10] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
  return unit * steps.find((step) => unit * step >= value * 0.999);
}

/**
 * One chart: `series` are {name, values}, one value each `step` seconds up to `end`.
 * `room` is the element it is drawn for.
 */
export function chart({ room, title, series, step, end, format, base = 10, stairs = false, start = 0 }) {
  const WIDTH = Math.max(260, Math.round(room.clientWidth) || 400); // so that letters keep their size
  const longest = Math.max(end - start, step, 0.001);
  const most = ceiling(Math.max(0, ...series.flatMap((one) => one.values)), base);
  const x = (at) => LEFT + Math.min(1, Math.max(0, (at - start) / longest)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM);
  const floor = y(0);

  const rules = [0, 0.5, 1].map((part) => [
    svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(most * part), y2: y(most * part) }),
    svg("text", { x: LEFT - 6, y: y(most * part) + 4, "text-anchor": "end" }, format(most * part)),
  ]);
  const times = [0, 0.25, 0.5, 0.75, 1].map((part) => svg("text", {
    x: x(start + longest * part), y: HEIGHT - 3, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
  }, clock(start + longest * part)));

  const drawn = series.map(({ values }, index) => {
    const points = values.flatMap((value, place) => {
      const [from, to] = [x(start + place * step), x(start + (place + 1) * step)];
      return stairs ? [[from, y(value)], [to, y(value)]] : [[from, y(value)]];
    });
    if (points.length === 0) return null;
    const path = points.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L");
    return [
      series.length < 3 ? svg("path", { class: `area f${index % 8}`, d: `M${points[0][0].toFixed(1)} ${floor}L${path}L${points.at(-1)[0].toFixed(1)} ${floor}Z` }) : null,
      svg("path", { class: `line s${index % 8}`, d: `M${path}` }),
    ];
  });
  const hair = svg("line", { class: "hair", y1: TOP, y2: floor, visibility: "hidden" });
  const latest = series.map((one) => one.values.at(-1) ?? 0);
  const told = series.length === 0 ? "no data yet" : `up to ${format(Math.max(0, ...series.flatMap((one) => one.values)))}; at the end ${series.map((one, index) => `${one.name ? `${one.name} ` : ""}${format(latest[index])}`).slice(0, 8).join(", ")}`;
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", tabindex: 0, "data-key": `chart ${title}`, "aria-label": `${title}: ${told}. Arrow keys read it.`,
  }, svg("g", { "aria-hidden": "true" }, rules, times, drawn, hair)); // else its numbers are read one by one
  const readout = h("p", { class: "readout", "aria-live": "off" });
  const length = Math.max(0, ...series.map((one) => one.values.length));

  let place = length - 1;
  const show = (wanted, aloud) => {
    place = Math.max(0, Math.min(length - 1, wanted));
    const at = start + (place + (stairs ? 0.5 : 0)) * step;
    if (aloud) picture.read = at;
    hair.setAttribute("x1", x(at));
    hair.setAttribute("x2", x(at));
    hair.setAttribute("visibility", "visible");
    readout.setAttribute("aria-live", aloud ? "polite" : "off");
    readout.textContent = `${clock(at)}  ${series.map((one) => `${one.name ? `${one.name} ` : ""}${format(one.values[place] ?? 0)}`).slice(0, 8).join(" · ")}`;
  };
  const rest = () => {
    hair.setAttribute("visibility", "hidden");
    readout.textContent = "";
  };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const inside = ((event.clientX - box.left) / box.width) * WIDTH;
    show(Math.floor(((inside - LEFT) / (WIDTH - LEFT - RIGHT)) * (longest / step)), false);
  });
  picture.addEventListener("pointerleave", rest);
  picture.addEventListener("blur", () => {
    delete picture.read;
    rest();
  });
  picture.addEventListener("keydown", (event) => {
    const moved = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: length - 1 }[event.key];
    if (moved === undefined || length === 0) return;
    event.preventDefault();
    show(moved, true);
  });
  // Who reads the chart that this one takes the place of goes on where they are.
  const before = document.activeElement;
  if (before?.read !== undefined && before.dataset.key === picture.dataset.key && room.contains(before)) {
    picture.read = before.read;
    show(Math.floor((before.read - start) / step), false);
  }
  const keys = series.length > 1 && legend(series.slice(0, 8).map((one, index) => [`k${index % 8}`, one.name]));
  return h("div", { class: "chart" }, picture, readout, keys);
}
