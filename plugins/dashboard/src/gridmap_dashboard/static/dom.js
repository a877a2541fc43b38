// Making elements, and numbers that people can read. Text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Give an element attributes, listeners ("onclick") and children. */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Exchange the children of an element, keeping the focus where it was if that has a key, or near. */
export function put(parent, ...children) {
  const focused = document.activeElement, key = focused?.dataset?.key;
  const inside = parent.contains(focused) && focused !== parent;
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if (!inside || parent.contains(document.activeElement)) return;
  const again = [...parent.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  (again ?? document.querySelector("main h1"))?.focus({ preventScroll: true });
}

export function card(title, aside, ...children) {
  const id = `card-${title.replace(/\W+/g, "-").toLowerCase()}`;
  const head = h("header", null, h("h2", { id }, title), aside ? (typeof aside === "string" ? h("p", null, aside) : aside) : null);
  return h("section", { class: "card", "aria-labelledby": id }, head, ...children);
}

/** The head of a page. Its title stays the same element, so that the focus can stay on it. */
export function heading() {
  const name = h("h1", { tabindex: -1 }), state = h("div"), text = h("p"), button = h("span");
  return {
    element: h("div", { class: "head" }, h("div", null, h("div", { class: "title" }, name, state), text), button),
    show(latest) {
      if (name.textContent !== latest.name) name.textContent = latest.name;
      put(state, latest.state);
      text.textContent = latest.text;
      put(button, latest.button);
    },
  };
}

export const facts = (...pairs) => h("dl", { class: "facts" },
  ...pairs.filter(Boolean).map(([name, value, more]) =>
    h("div", null, h("dt", null, name), h("dd", null, value, more ? h("small", null, ` ${more}`) : null))));

const STATES = {
  queued: "queued", assigned: "handed out", running: "running", delayed: "runs again",
  done: "done", failed: "failed", cancelled: "cancelled",
};
export const chip = (state, text) => h("span", { class: `chip ${state}` }, text ?? STATES[state] ?? state);

/** What the colours of a picture mean: pairs of a class and a word. */
export const legend = (pairs, ...more) => h("ul", { class: "keys", "aria-label": "Colours" },
  ...pairs.map(([kind, word]) => h("li", { class: `key ${kind}` }, word)), ...more);

/** The first cell of a row, which says whose it is. */
export const rowHead = (attributes, ...children) => h("th", { scope: "row", ...attributes }, ...children);

/** How far a job is by its own account: a bar where that is a part of something, and words. */
export function said(progress) {
  if (!progress) return null;
  const { part, text } = progress;
  const bar = part === null ? null : h("progress", { max: 1, value: part, "aria-label": "By its own account" });
  return h("span", { class: "said" }, bar, h("span", { class: "soft" }, text));
}

/** Leave out the middle of a long name; whoever points at it, or cannot see it, gets all. */
export function brief(name, most = 60) {
  const letters = [...name];
  if (letters.length <= most) return name;
  const half = Math.floor(most / 2);
  return h("span", { title: name },
    h("span", { "aria-hidden": "true" }, `${letters.slice(0, half).join("")} … ${letters.slice(-half).join("")}`),
    h("span", { class: "unseen" }, name));
}

/** How to call hosts where all are of one domain: without it. */
export function briefly(hosts) {
  const domain = (host) => (/^[\d.]+$|:/.test(host) ? "" : host.slice(host.indexOf(".") + 1 || host.length));
  const [first = "", ...others] = new Set(hosts.map(domain));
  return first && !others.length ? (host) => host.slice(0, -first.length - 1) : (host) => host;
}

export const whole = (number) => Math.round(number).toLocaleString("en");

export function number(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  if (value >= 100 || Number.isInteger(value)) return whole(value);
  if (value >= 10) return value.toFixed(1);
  return value < 0.1 && value >= 1e-4 ? String(Number(value.toPrecision(2))) : value.toFixed(2);
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A length of time: 0.24 s, 42 s, 3:07 min, 2:05 h, 3 d 4 h. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0005) return "0 s";
  if (seconds < 1) return seconds < 0.1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const all = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (all < 3600) return `${Math.floor(all / 60)}:${two(all % 60)} min`;
  if (all < 86400) return `${Math.floor(all / 3600)}:${two(Math.floor((all % 3600) / 60))} h`;
  return `${Math.floor(all / 86400)} d ${Math.floor((all % 86400) / 3600)} h`;
}

/** A time of the run on an axis: 0:42, 1:02:42. */
export function clock(seconds) {
  const all = Math.max(0, Math.round(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(all / 3600);
  const rest = `${two(Math.floor((all % 3600) / 60))}:${two(all % 60)}`;
  return hours ? `${hours}:${rest}` : rest.replace(/^0/, "");
}

export const date = (seconds) => new Date(seconds * 1000).toLocaleString(undefined,
  { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export const per = (rate) => rate >= 1 || rate === 0 ? `${number(rate)} / s`
  : rate * 60 >= 1 ? `${number(rate * 60)} / min` : `${number(rate * 3600)} / h`;

export const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Say something to people who cannot see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
