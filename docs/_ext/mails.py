"""The mail that a page shows: made by the code that makes real ones."""

from gridmap.events import JobFailed, JobsDone, JobsQueued, RunnerVitals, RunStarted
from gridmap.verdict import Cause, Statement, Verdict, Witness
from gridmap_mail import letters, plots, reports
from gridmap_mail.story import Story
from gridmap_mail.vitals import Vitals

RUN = {"run": "r", "at": 1_790_000_000.0}
JOB = 17


def error_mail():
    """Return the text of a mail about a job that ran out of memory."""
    letter = _letter()
    head = f"Subject: {letters.subject(letter)}"
    return f"```text\n{head}\n\n{letters.as_text(letter)}```\n"


def plots_picture():
    return plots.picture(_letter().plots.request())


def _letter():
    vitals = Vitals()
    for beat in range(38):
        vitals.beat(_beat(beat))
    story = Story(
        RunStarted(**RUN, name="sweep", backend="sge", directory="/home/ada/runs/x")
    )
    story.see(JobsQueued(**RUN, first=0, stop=200))
    story.see(JobsDone(**RUN, first=18, stop=60, runner=1, seconds=14_000.0))
    failed = JobFailed(**RUN, job=JOB, verdict=_verdict(), again=False)
    story.see(failed)
    log = (
        b"reading tile 17\n",
        "The log is attached; it lies in /home/ada/runs/x/logs.",
    )
    return reports.job_failed(
        story, failed, log=log, series=vitals.take(JOB), plots=True, untold={}
    )


def _beat(beat):
    held = min(1.97, 0.3 + 0.05 * beat + 0.1 * (beat % 3)) * 2**30
    return RunnerVitals(
        **RUN, runner=1, cpu_s=9.6 * beat, rss=int(held), peak_rss=int(held),
        io_bytes=0, job=JOB, running_s=10.0 * beat,
    )  # fmt: skip


def _verdict():
    kernel = Statement(
        witness=Witness.KERNEL,
        text="killed a process of the job's control group for want of memory",
        cause=Cause.OUT_OF_MEMORY,
        peak_memory=int(1.97 * 2**30),
    )
    worker = Statement(witness=Witness.WORKER, text="was ended by SIGKILL", signal=9)
    return Verdict(
        cause=Cause.OUT_OF_MEMORY,
        statements=(kernel, worker),
        job=f"sweep{JOB}",
        node="node-07",
        runner="48151.3",
        asked_memory=2 * 2**30,
        ran_s=372.0,
        log_tail="reading tile 17\n12,000 of 40,000 lines fitted",
    )
