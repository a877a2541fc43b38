// Ending a job or a run, after a question.

import { post, runPath } from "./api.js";
import { chip, h, plural, say } from "./dom.js";

const box = document.getElementById("ask");
const [title, text, error, no, yes] = ["title", "text", "error", "no", "yes"].map((part) => document.getElementById(`ask-${part}`));
let order = null;
const given = new Set();
const name = (run, job) => `${run.id} ${job ? job.job : ""}`;

/** The button that ends a job, or (null) a whole run; once the order is given, that it was. */
export function killer(run, job) {
  if (given.has(name(run, job))) return chip("delayed", "being ended …");
  return h("button", { type: "button", class: "danger", "data-key": "kill", onclick: () => askToKill(run, job) }, job ? "End this job …" : "End the run …");
}

/** Ask whether a job, or (null) a whole run, is really to be ended. */
function askToKill(run, job) {
  const left = run.jobs.running + run.jobs.queued + run.jobs.delayed;
  title.textContent = job ? `End ${job.name}?` : `End the run “${run.name}”?`;
  text.textContent = job
    ? "It is ended where it runs and is not run again; the map is told that you cancelled it."
    : `${plural(left, "job")} not finished yet will be cancelled and every runner ended. What is done stays done.`;
  no.textContent = job ? "Let it run" : "Keep it running";
  yes.textContent = job ? "End this job" : "End the run";
  error.textContent = "";
  order = { name: name(run, job), run: run.id, body: job ? { job: job.job } : { all: true } };
  box.showModal();
  no.focus();
}

no.addEventListener("click", () => box.close());
yes.addEventListener("click", async () => {
  yes.disabled = true;
  try {
    await post(runPath(order.run, "/kill"), order.body);
    given.add(order.name);
    box.close();
    say("It is being ended.");
    // What opened the dialog has the focus again, and has done its work.
    if (document.activeElement?.dataset?.key === "kill") document.activeElement.replaceWith(chip("delayed", "being ended …"));
    document.querySelector("main h1")?.focus({ preventScroll: true });
  } catch (problem) {
    error.textContent = problem instanceof TypeError
      ? "It could not be done: nobody answers here any more. In a terminal, “gridmap status” says how the run stands, and “gridmap kill” ends it."
      : problem.message;
  } finally {
    yes.disabled = false;
  }
});
