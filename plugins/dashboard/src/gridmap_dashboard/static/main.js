// Which page is shown, and what keeps it up to date. Addresses: #/, #/run/ID/PAGE.

import { activity } from "./activity.js";
import { get, listen } from "./api.js";
import { clock, h, put } from "./dom.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";
import { overview } from "./overview.js";
import { runners } from "./runners.js";
import { runs } from "./runs.js";

const LOOK_MS = 2000;
const PAGES = { "": overview, jobs, runners, activity, job };
const main = document.getElementById("main");
const nav = document.getElementById("nav");
const link = document.getElementById("link");
const gone = document.getElementById("gone");

let page = null, stands = null, hush = null, heard = null, over = false, watched = null;
let seen = -1, busy = false, late = 0;

function parse() {
  const [path, words = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [kind, run, name = "", job] = path.split("/").map(decodeURIComponent);
  return { kind, run, name: name in PAGES ? name : "", job: Number(job), query: new URLSearchParams(words) };
}

const go = (hash) => { location.hash = hash; };
const replace = (hash) => history.replaceState(null, "", hash);

async function route(first) {
  const at = parse();
  if (at.kind !== "run") {
    const found = (await get("api/runs")).runs;
    if (first && found.length === 1) {
      replace(`#/run/${encodeURIComponent(found[0].id)}`);
      return route(true);
    }
    follow(null, null);
    page = runs(main);
    put(nav);
    nav.hidden = true; // one without links would be read out all the same
  } else {
    nav.hidden = false;
    page = PAGES[at.name](main, { ...at, go, replace });
    follow(at.run, at.name === "job" && Number.isSafeInteger(at.job) ? at.job : null);
    put(nav, ...[["", "Overview"], ["jobs", "Jobs"], ["runners", "Runners"], ["activity", "Activity"]].map(([name, text]) =>
      h("a", { href: `#/run/${encodeURIComponent(at.run)}${name && `/${name}`}`, "data-key": `nav ${name}`, "aria-current": name === (at.name === "job" ? "jobs" : at.name) ? "page" : null }, text)));
    if (stands) page.update(stands);
  }
  title();
  seen = -1;
  await refresh();
  if (first) return;
  scrollTo(0, 0);
  // Who was quick has gone on to a button meanwhile, and stays there.
  if (!main.contains(document.activeElement)) (main.querySelector("h1") ?? main).focus({ preventScroll: true });
}

function title() {
  const share = stands?.jobs.total ? `${Math.floor((100 * (stands.jobs.done + stands.jobs.failed)) / stands.jobs.total)} % ` : "";
  document.title = stands ? `${share}${page.title} – ${stands.name} – gridmap` : `${page.title} – gridmap`;
}

function follow(run, job) {
  if (run === heard && (job === watched || over)) return;
  hush?.();
  if (run !== heard) stands = null;
  [heard, watched, hush, over] = [run, job, null, false];
  tell("", "");
  if (run === null) return;
  hush = listen(run, job, {
    printed(latest) {
      page?.printed?.(latest);
    },
    stands(latest) {
      stands = latest;
      gone.hidden = true;
      tell(latest.ended === null ? "live" : "", latest.ended === null ? "live" : ending());
      page?.update(latest);
      title();
      later();
    },
    lost() {
      if (!over) lose();
    },
    async over() {
      over = true;
      tell("", ending());
      if (busy) await current;
      await refresh();
    },
  });
}

/** What is said of a run of which nothing more will be heard. */
const ending = () => stands?.lost ? "not followed" : "the run is over";

function tell(kind, text) {
  link.className = `link ${kind}`;
  if (link.textContent !== text) link.textContent = text;
}

/** Say that nobody answers, which is how a page ends whose script was killed. */
function lose() {
  tell("lost", `not connected; as of ${clock(stands?.elapsed ?? 0)}`);
  if (!gone.hidden) return;
  gone.textContent = "Nobody answers here any more: the process that serves this page has ended, or the way to it is cut. What you see is how it stood. In a terminal, “gridmap status” says how the run stands, and “gridmap dashboard” shows runs that are over, too.";
  gone.hidden = false;
}

/** Ask for what is shown, soon, but not more often than it can be read. */
function later() {
  if (late || document.hidden) return;
  late = setTimeout(() => { late = 0; refresh(); }, busy ? LOOK_MS : Math.max(0, LOOK_MS - (Date.now() - last)));
}

let last = 0;
let current = null;
function refresh() {
  return busy ? undefined : (current = look());
}

async function look() {
  const version = stands?.version ?? -2;
  if (version === seen) return;
  busy = true;
  last = Date.now();
  const mine = page;
  try {
    await mine.refresh();
    if (mine === page) seen = version; // else the page that came meanwhile has seen nothing
  } catch (error) {
    if (error instanceof TypeError) lose();
    else if (mine === page) put(main, h("h1", { tabindex: -1 }, "This cannot be shown"), h("p", { class: "note bad", role: "alert" }, error.message), h("p", null, h("a", { href: "#/" }, "All runs")));
  } finally {
    busy = false;
    if (mine !== page) refresh(); // at once: so far it is empty
    else if (stands && stands.version !== seen) later();
  }
}

addEventListener("hashchange", () => {
  if (location.hash === "#main") return main.focus();
  route(false).catch((error) => error instanceof TypeError ? lose() : tell("lost", error.message));
});
document.addEventListener("visibilitychange", later);
document.addEventListener("keydown", (event) => {
  const search = document.getElementById("search");
  if (event.key === "/" && search && document.activeElement !== search && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  }
});
route(true).catch((error) => put(main, h("p", { class: "note bad" }, error.message)));
