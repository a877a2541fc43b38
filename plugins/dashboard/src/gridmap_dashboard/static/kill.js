// Ending a job or a run, after a question.

import { post, runPath } from "./api.js";
import { plural, say } from "./dom.js";

const box = document.getElementById("ask");
const [title, text, error, no, yes] = ["title", "text", "error", "no", "yes"].map((part) => document.getElementById(`ask-${part}`));
let order = null;

/** Ask whether a job, or (null) a whole run, is really to be ended. */
export function askToKill(run, job) {
  const left = run.jobs.running + run.jobs.queued + run.jobs.delayed;
  title.textContent = job ? `End ${job.name}?` : `End the run “${run.name}”?`;
  text.textContent = job
    ? "It is ended where it runs and is not run again; the map is told that you cancelled it."
    : `${plural(left, "job")} not finished yet will be cancelled and every runner ended. What is done stays done.`;
  no.textContent = job ? "Let it run" : "Keep it running";
  yes.textContent = job ? "End this job" : "End the run";
  error.textContent = "";
  order = { run: run.id, body: job ? { job: job.job } : { all: true } };
  box.showModal();
  no.focus();
}

no.addEventListener("click", () => box.close());
yes.addEventListener("click", async () => {
  yes.disabled = true;
  try {
    await post(runPath(order.run, "/kill"), order.body);
    box.close();
    say("It is being ended.");
  } catch (problem) {
    error.textContent = problem.message;
  } finally {
    yes.disabled = false;
  }
});
