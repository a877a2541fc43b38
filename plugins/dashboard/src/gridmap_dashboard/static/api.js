// Asking the server, and hearing from it.

const order = document.querySelector("meta[name=gridmap-order]").content;

export class Refused extends Error {}

async function answer(response) {
  if (!response.ok) throw new Refused((await response.text()).trim() || `HTTP status ${response.status}`);
  return response.json();
}

export const get = async (path) => answer(await fetch(path, { headers: { accept: "application/json" } }));

export const post = async (path, body) => answer(await fetch(path, {
  method: "POST",
  headers: { "content-type": "application/json", "x-gridmap-order": order },
  body: JSON.stringify(body),
}));

export const runPath = (run, rest = "") => `api/runs/${encodeURIComponent(run)}${rest}`;

/** Hear how a run stands, and what a job prints if one is named; returns what ends that. */
export function listen(run, job, { stands, printed, lost, over }) {
  const source = new EventSource(runPath(run, `/events${job === null ? "" : `?job=${job}`}`));
  source.onmessage = (event) => stands(JSON.parse(event.data));
  source.addEventListener("printed", (event) => printed(JSON.parse(event.data)));
  // The server waits for those who listen until they have asked for the last of it.
  source.addEventListener("over", () => over().finally(() => source.close()));
  source.onerror = () => lost();
  return () => source.close();
}
