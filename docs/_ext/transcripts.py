"""What commands print, made anew at every build from a run that is made up.

The run is told as events, written down as any run is, and looked at with the real
commands, so a page cannot show what they do not print.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import msgspec

from gridmap import events as ev
from gridmap import payload
from gridmap.cli import joblog, main
from gridmap.control import kept, record
from gridmap.control.recorder import Recorder
from gridmap.control.register import Register, name_of
from gridmap.display import status
from gridmap.display.summary import summary
from gridmap.display.tally import Tally
from gridmap.driver import Driver
from gridmap.lifecycle import JobState
from gridmap.overview import Overview
from gridmap.resources import Resources
from gridmap.shell import Ended
from gridmap.verdict import Cause, Statement, Verdict, Witness
from gridmap_dashboard import metrics as openmetrics
from gridmap_dashboard.state import RunState
from gridmap_sge import reasons as of_grid_engine
from gridmap_slurm import reasons

RUN = "3f9a1c2e5b7d0468"
BEGAN = 1_738_330_000.0
DIRECTORY = "/home/ada/.local/state/gridmap/runs/20250131-132640-sweep-0c97575b"

OOM = Verdict(
    cause=Cause.OUT_OF_MEMORY,
    statements=(
        Statement(
            witness=Witness.KERNEL,
            text="the cgroup's oom_kill rose by 1",
            cause=Cause.OUT_OF_MEMORY,
            peak_memory=2_140_000_000,
        ),
        Statement(witness=Witness.WORKER, text="ended by SIGKILL", signal=9),
    ),
    job="sweep17",
    node="node03",
    runner="4711.2",
    asked_memory=2_147_483_648,
    ran_s=74.0,
    log_tail="fold 3 of 5\nallocating 1.9 GB",
)


WAITS = reasons.explain("QOSMaxCpuPerUserLimit")
"""As the plugin for Slurm explains it."""


def _sweep():
    """Yield what happened in a run of 1,000 jobs up to its second minute."""
    yield ev.RunStarted(
        run=RUN, at=BEGAN, name="sweep", backend="slurm", directory=DIRECTORY
    )
    yield ev.JobsQueued(run=RUN, at=BEGAN, first=0, stop=1000)
    runners = tuple(range(1, 41))
    handles = tuple(f"4711.{n}" for n in runners)
    yield ev.RunnersSubmitted(run=RUN, at=BEGAN + 1, runners=runners, handles=handles)
    for n in range(1, 33):
        yield ev.RunnerUp(
            run=RUN, at=BEGAN + 5, runner=n, handle=f"4711.{n}",
            node=f"node{n % 8 + 1:02}", pid=1000 + n,
        )  # fmt: skip
        first = (n - 1) * 12
        yield ev.JobsGranted(
            run=RUN, at=BEGAN + 5, first=first, stop=first + 12, runner=n, attempt=1
        )
    for n in range(33, 41):
        yield ev.RunnerPending(
            run=RUN, at=BEGAN + 8, runner=n, handle=f"4711.{n}", up=32,
            reason=WAITS.reason, meaning=WAITS.meaning, advice=WAITS.advice,
        )  # fmt: skip
    for n in range(1, 33):
        first = (n - 1) * 12
        stop = first + 5 + (n - 2) % 5
        yield ev.JobsDone(
            run=RUN, at=BEGAN + 10 + 3 * n, first=first, stop=stop, runner=n,
            seconds=4.9 + 3 * n,
        )  # fmt: skip
        for beat in range(1, 12):
            since = 10 * beat
            yield ev.RunnerVitals(
                run=RUN, at=BEGAN + since, runner=n, cpu_s=0.93 * (since - 5.0),
                rss=400_000_000 + 28_000_000 * beat + n, peak_rss=900_000_000,
                io_bytes=10_000, running_s=4.0,
                job=stop if since > 10 + 3 * n else first,
            )  # fmt: skip
    yield ev.JobFailed(run=RUN, at=BEGAN + 112, job=17, verdict=OOM, again=True)


def _logs():
    """Yield the names and the texts of the logs that are left of it."""
    yield "4711.1", "fold 1 of 5\nfold 2 of 5\n"
    yield "4711.2", "fold 2 of 5\nfold 3 of 5\nallocating 1.9 GB\n"


def _demo():
    run = "9c21f00d00000000"
    yield ev.RunStarted(
        run=run, at=BEGAN - 4000, name="demo", backend="local", directory="/d"
    )
    yield ev.JobsQueued(run=run, at=BEGAN - 4000, first=0, stop=8)
    yield ev.JobsDone(run=run, at=BEGAN - 3990, first=0, stop=8, runner=1, seconds=0.8)
    yield ev.RunEnded(run=run, at=BEGAN - 3990, error=None)


def _keep(register, events, driver, *, kept=False):
    view = Overview()
    for event in sorted(events, key=lambda event: event.at):
        view.take(event)
    name = name_of(view.name, view.token, view.started)
    register.write(name, record.encode(record.make(view, driver, "0", kept=kept)))


@contextlib.contextmanager
def _made_up():
    """Have it be two minutes after the run began, in its process's lifetime."""
    with (
        mock.patch.dict(os.environ, {"TZ": "UTC"}),
        mock.patch.object(Driver, "gone", return_value=False),
        mock.patch.object(Driver, "elsewhere", new=False),
        mock.patch.object(time, "time", return_value=BEGAN + 130.0),
    ):
        time.tzset()
        yield
    time.tzset()


def fill(register):
    here = Driver(pid=81_245, start="1", host="login1", machine="a")
    _keep(register, _demo(), here)
    _keep(register, _sweep(), here)


def _printed(register, *words):
    """Return a command line and what it prints."""
    out = io.StringIO()
    place = {"GRIDMAP_RECORD_DIRECTORY": str(register.path)}
    with (
        _made_up(),
        mock.patch.dict(os.environ, place),
        contextlib.redirect_stdout(out),
    ):
        main(words)
    return f"$ gridmap {' '.join(words)}\n{out.getvalue()}"


def transcript(*words):
    """Return what a command prints, as a block of a page."""
    with tempfile.TemporaryDirectory() as folder:
        register = Register(Path(folder) / "records")
        fill(register)
        return f"```console\n{_printed(register, *words)}```\n"


def logs():
    """Return what `gridmap logs` prints of a run, and of one job."""
    with tempfile.TemporaryDirectory() as folder:
        register = Register(Path(folder) / "records")
        place = Path(folder) / "run" / "logs"
        place.mkdir(parents=True)
        for name, text in _logs():
            (place / f"{name}.log").write_text(text)
        here = Driver(pid=81_245, start="1", host="login1", machine="a")
        events = [
            msgspec.structs.replace(one, directory=str(place.parent))
            if isinstance(one, ev.RunStarted)
            else one
            for one in _sweep()
        ]
        _keep(register, events, here)
        shown = [
            _printed(register, *words)
            for words in (("logs", "sweep", "-n", "2"), ("logs", "sweep", "17"))
        ]
    return "```console\n" + "".join(shown) + "```\n"


class _Obedient:
    """Takes the orders of a run that is made up."""

    def kill_run(self, by):
        """End nothing."""

    def kill_jobs(self, first, stop, by):
        """End nothing."""

    def watch(self, **_):
        """Tell nothing."""
        return lambda: None


def kill():
    """Return what `gridmap kill` prints, of a run that listens."""
    with tempfile.TemporaryDirectory() as folder:
        register = Register(Path(folder) / "records")
        recorder = Recorder(register, 10, kept=False)
        recorder.obey(_Obedient())
        for event in sorted(_sweep(), key=lambda event: event.at):
            recorder(event)
        try:
            shown = [
                _printed(register, *words)
                for words in (
                    ("kill", "sweep", "17", "220-229", "--yes"),
                    ("kill", "sweep", "--yes"),
                )
            ]
        finally:
            recorder.close()
    return "```console\n" + "".join(shown) + "```\n"


def replay():
    """Return what `gridmap replay` prints of a job that failed."""
    function = payload.dump(fit, what="fit")
    call = payload.dump(((17,), None), what="input 17")
    around = kept.Around(
        number=0, environment={}, directory="", path=(), python=sys.version_info[:2]
    )
    keeper = kept.Keeper(1, lambda _: around)
    frames = [function.head, *function.buffers]
    keeper.put(17, b"fit", payload.encode(frames, "none"), 0, call)
    with tempfile.TemporaryDirectory() as folder:
        register = Register(Path(folder) / "records")
        fill(register)
        (entry,) = [one for one in register.entries() if one.record.name == "sweep"]
        register.append(entry.name, keeper.take())
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            words = _printed(register, "replay", "sweep", "17")
    text = re.sub(r'File ".*", line \d+', 'File "sweep.py", line 7', told.getvalue())
    return f"```console\n{words}{text}```\n"


def fit(seed):
    """Fail, as a user's function does."""
    scores = {n: 1 / (n + 1) for n in range(seed)}
    return scores[seed]


def metrics():
    """Return the first metrics of the run."""
    state = RunState()
    for event in sorted(_sweep(), key=lambda event: event.at):
        state.take(event)
    lines = openmetrics.render([state], BEGAN + 130).replace(RUN, RUN[:8]).splitlines()
    wanted = ("gridmap_jobs", "gridmap_runners", "gridmap_failed")
    shown = [line for line in lines if any(name in line for name in wanted)]
    return "\n".join(["```text", *shown, "…", "# EOF", "```", ""])


def waiting():
    """Return a warning of a runner that waits, in the words of Grid Engine's plugin."""
    words = 'cannot run in PE "smp" because it only offers 0 slots'
    why = of_grid_engine.explain(words, Resources(cores=64), {"all.q": 4})
    return f"```text\nrunner 7.1 does not start: {why}\n```\n"


def screen():
    """Return the screen of ``gridmap top`` as the picture that Textual draws of it."""
    import asyncio  # noqa: PLC0415 - only here

    from gridmap.cli.screen import Top  # noqa: PLC0415 - half a second
    from gridmap.control.register import find  # noqa: PLC0415 - likewise

    async def drawn(register):
        top = Top(find(register.entries(), "sweep"), register)
        async with top.run_test(size=(96, 26)) as pilot:
            while not top.query_one("#runs-table").row_count:
                await pilot.pause(0.05)
            await pilot.pause()
            return top.export_screenshot(title="gridmap top")

    with tempfile.TemporaryDirectory() as folder, _made_up():
        register = Register(Path(folder) / "records")
        fill(register)
        picture = asyncio.run(drawn(register))
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # of a CDN
    # Names that are made anew with each picture would make each build another.
    for n, name in enumerate(sorted(set(re.findall(r"terminal-\d+", picture)))):
        picture = picture.replace(name, f"terminal-of-a-page-{n}")
    return picture


def dry_run():
    """Return what a dry run prints, in a directory that is made up."""
    words = (
        "exec",
        "--dry-run",
        "--backend",
        "local",
        "./simulate --seed {} > {#}.txt",
    )
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        main([*words, ":::", "17", "18"])
    lines = out.getvalue().splitlines()[:2]
    shown = " ".join(words[:-1]) + f" '{words[-1]}' ::: 17 18"
    return "\n".join(["```console", f"$ gridmap {shown}", *lines, "…", "```", ""])


def job_log():
    """Return the job log of two commands that were run, with times that are made up."""
    log = io.StringIO()
    writer = joblog.JobLog(log)
    for number, (code, took) in enumerate(((0, 61.207), (1, 2.918)), 1):
        ended = Ended(code, b"", b"", took, BEGAN + number, f"node0{number}")
        writer.add(number, ["./simulate", f"{16 + number}"], ended)
    return f"```console\n$ cat log\n{log.getvalue()}```\n"


def progress():
    """Return a map as a terminal of 80 columns shows it, and what is left of it."""
    tally = Tally(expected=1000)
    asked = Resources(memory="2G", walltime="1h")
    for event in sorted(_sweep(), key=lambda event: event.at):
        if isinstance(event, ev.JobsQueued):
            event = msgspec.structs.replace(event, resources=asked)  # noqa: PLW2901 - the same
        tally.take(event)
    tally.take(
        ev.JobProgress(
            run=RUN, at=BEGAN + 112, job=10, runner=1, done=3, total=5, text="fold"
        )
    )
    during = status.lines(tally, "sweep", 79)
    left = [
        n for n, state in enumerate(tally.overview.states) if state != JobState.DONE
    ]
    for n, job in enumerate(left):
        done = ev.JobsDone(
            run=RUN, at=BEGAN + 112 + n / 3.5, first=job, stop=job + 1,
            runner=n % 32 + 1, seconds=9 + n % 4, peak_rss=1_310_000_000 + n,
        )  # fmt: skip
        tally.take(done)
    tally.overview.runners[1].cpu_s = 6300.0
    queries = {"submit": 1, "observe": 4}
    tally.take(ev.RunEnded(run=RUN, at=BEGAN + 302, error=None, queries=queries))
    text = [*during, "", *summary(tally, "sweep")]
    return "\n".join(["```text", *text, "```", ""])


FILES = {
    "progress.md": progress,
    "top.svg": screen,
    "commands-dry-run.md": dry_run,
    "commands-joblog.md": job_log,
    "watch-runs.md": lambda: transcript("runs"),
    "watch-status.md": lambda: transcript("status", "sweep"),
    "watch-job.md": lambda: transcript("status", "sweep", "17"),
    "watch-logs.md": logs,
    "watch-kill.md": kill,
    "watch-replay.md": replay,
    "metrics.md": metrics,
    "waiting.md": waiting,
}
