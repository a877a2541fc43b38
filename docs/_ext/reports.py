"""The report that a page shows, of a run that is made up: by the code that makes them."""

import html
import random

from gridmap import events as ev
from gridmap import report
from gridmap.overview import Overview
from gridmap.resources import Resources
from gridmap.verdict import Cause, Statement, Verdict, Witness

BEGAN = 1_790_000_000.0
RUN = {"run": "3f9a1c2e"}
RUNNERS = 12
BAD = 171


def report_page():
    """Return a frame with the page in it."""
    page = report.as_html(report.summarize(_overview(), "failed"))
    # As one line, since a blank one would end the block in Markdown.
    text = html.escape("&#10;".join(page.splitlines()), quote=True)
    text = text.replace("&amp;#10;", "&#10;")
    frame = 'title="A report" style="width:100%;height:40rem;border:1px solid #8888"'
    return f'```{{raw}} html\n<iframe {frame} srcdoc="{text}"></iframe>\n```\n'


def _overview():
    overview = Overview()
    for event in sorted(_events(), key=lambda event: event.at):
        overview.take(event)
    return overview


def _events():
    """Yield what happened: 240 jobs on four nodes, one of which was too large."""
    asked = Resources(memory=4 * 2**30, walltime=3600)
    yield ev.RunStarted(
        **RUN, at=BEGAN, name="sweep", backend="slurm", directory="/home/ada/runs/x"
    )
    yield ev.JobsQueued(**RUN, at=BEGAN, first=0, stop=240, resources=asked)
    chance = random.Random(7)  # noqa: S311 - a picture's
    free = []
    for runner in range(1, RUNNERS + 1):
        free.append((BEGAN + 4 + 3 * runner, runner))
        yield ev.RunnerUp(
            **RUN, at=free[-1][0], runner=runner, handle=f"4711.{runner}",
            node=f"node{runner % 4 + 1:02}", pid=1000 + runner,
        )  # fmt: skip
    cpu = dict.fromkeys(range(1, RUNNERS + 1), 0.0)
    for job in range(240):
        at, runner = min(free)
        free.remove((at, runner))
        took = chance.lognormvariate(3.3, 0.5)
        cpu[runner] += 0.93 * took
        held = int(chance.gauss(1.1, 0.25) * 2**30)
        yield ev.JobsGranted(
            **RUN, at=at, first=job, stop=job + 1, runner=runner, attempt=1
        )
        yield ev.RunnerVitals(
            **RUN, at=at + 0.9 * took, runner=runner, cpu_s=cpu[runner], rss=held,
            peak_rss=held, io_bytes=0, job=job, running_s=0.9 * took,
        )  # fmt: skip
        free.append((at + took, runner))
        if job == BAD:
            verdict = _verdict(job, runner, took)
            yield ev.JobFailed(
                **RUN, at=at + took, job=job, verdict=verdict, again=False
            )
        else:
            yield ev.JobsDone(
                **RUN, at=at + took, first=job, stop=job + 1, runner=runner,
                seconds=took,
            )  # fmt: skip
    end = max(free)[0] + 2
    for runner in range(1, RUNNERS + 1):
        yield ev.RunnerGone(**RUN, at=end - 1, runner=runner, text="no more jobs")
    yield ev.RunEnded(**RUN, at=end, error=None, queries={"submit": 1})


def _verdict(job, runner, took):
    kernel = Statement(
        witness=Witness.KERNEL,
        text="the cgroup's oom_kill rose by 1",
        cause=Cause.OUT_OF_MEMORY,
        peak_memory=4 * 2**30 - 10_000_000,
    )
    return Verdict(
        cause=Cause.OUT_OF_MEMORY,
        statements=(kernel,),
        job=f"sweep{job}",
        node=f"node{runner % 4 + 1:02}",
        runner=f"4711.{runner}",
        asked_memory=4 * 2**30,
        ran_s=took,
    )


FILES = {"report.md": report_page}
