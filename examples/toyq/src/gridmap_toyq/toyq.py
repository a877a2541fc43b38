"""A toy scheduler: what `bsub`, `bjobs` and `bkill` would be, for this machine alone.

::

    toyq submit --count N --directory D --logs L [--queue Q] [--seconds S]
                [--comment C] -- PROGRAM ARGUMENT...      prints the job's number
    toyq list [--comment C] [JOB...]                      a line a task: 7.1 R -
    toyq kill JOB.TASK...                                 a line a task: 7.1 killed

The environment of `submit` goes along; a task finds ``TOYQ_JOB``, ``TOYQ_TASK`` and,
where its time is limited, ``TOYQ_DEADLINE`` in it. States are R (runs) and E (ended),
the latter with how: ``exit:3``, ``signal:9``, ``killed``, ``time`` or ``lost``.

Only this file knows how a toy does such things; the backend knows the three commands.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUEUES = ("main",)
GRACE_S = 1.0
_SET_CHILD_SUBREAPER = 36  # prctl(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # By hand: argparse would take a second "--", which is the program's, away too.
    end = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:end])
    options.command = words[end + 1 :]
    status: int = options.do(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("toyq", description="A toy scheduler.")
    commands = parser.add_subparsers(required=True)
    submit = commands.add_parser("submit")
    submit.set_defaults(do=_submit)
    submit.add_argument("--count", type=int, default=1)
    submit.add_argument("--directory", type=Path, required=True)
    submit.add_argument("--logs", type=Path, required=True)
    submit.add_argument("--queue", default=QUEUES[0])
    submit.add_argument("--seconds", type=int)
    submit.add_argument("--comment", default="")
    listing = commands.add_parser("list")
    listing.set_defaults(do=_list)
    listing.add_argument("--comment")
    listing.add_argument("jobs", nargs="*")
    kill = commands.add_parser("kill")
    kill.set_defaults(do=_kill)
    kill.add_argument("tasks", nargs="+")
    mind = commands.add_parser("mind")
    mind.set_defaults(do=_mind)
    mind.add_argument("task", type=Path)
    return parser


def _spool() -> Path:
    # Not below TMPDIR: its callers need not agree on that.
    path = Path(os.environ.get("TOYQ_SPOOL") or Path.home() / ".toyq")
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _submit(options: argparse.Namespace) -> int:
    if options.queue not in QUEUES:
        print(f"toyq: there is no queue {options.queue!r}", file=sys.stderr)
        return 1
    if not options.command:
        print("toyq: no program to run", file=sys.stderr)
        return 1
    if not options.directory.is_dir():
        print(f"toyq: there is no directory {options.directory}", file=sys.stderr)
        return 1
    job = _new_job()
    (job / "comment").write_text(options.comment)
    for number in range(1, options.count + 1):
        _start(job, str(number), options)
    print(job.name)
    return 0


def _new_job() -> Path:
    spool = _spool()
    number = max((int(p.name) for p in spool.iterdir() if p.name.isdigit()), default=0)
    while True:
        number += 1
        with contextlib.suppress(FileExistsError):
            path = spool / str(number)
            path.mkdir()
            return path


def _start(job: Path, number: str, options: argparse.Namespace) -> None:
    task = job / number
    task.mkdir()
    environment = {**os.environ, "TOYQ_JOB": job.name, "TOYQ_TASK": number}
    environment.pop("TOYQ_DEADLINE", None)
    if options.seconds is not None:
        environment["TOYQ_DEADLINE"] = str(time.time() + options.seconds)  # noqa: TID251 - a date
    minder = [sys.executable, "-P", __file__, "mind", str(task), "--"]
    with (options.logs / f"{job.name}.{number}.log").open("ab") as log:
        child = subprocess.Popen(
            [*minder, *options.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=options.directory,
            env=environment,
            start_new_session=True,
        )
    (task / "minder").write_text(f"{child.pid} {_born(child.pid)}")


def _list(options: argparse.Namespace) -> int:
    jobs = options.jobs or sorted(p.name for p in _spool().iterdir())
    for job in jobs:
        path = _spool() / job
        if not job.isdigit() or not path.is_dir():
            continue  # forgotten, or never known
        comment = (path / "comment").read_text()
        if options.comment is not None and comment != options.comment:
            continue
        for task in (p for p in path.iterdir() if p.is_dir()):
            how = _how(task)
            print(f"{job}.{task.name} {'E' if how else 'R'} {how or '-'}")
    return 0


def _how(task: Path) -> str:
    """Return how a task ended, empty while it runs."""
    alive = _minder(task) is not None  # before the file: its last deed is to write it
    with contextlib.suppress(FileNotFoundError):
        return (task / "how").read_text()
    return "" if alive else "lost"


def _kill(options: argparse.Namespace) -> int:
    for name in options.tasks:
        job, _, number = name.partition(".")
        task = _spool() / job / number
        known = job.isdigit() and number.isdigit() and task.is_dir()
        minder = _minder(task) if known and not _how(task) else None
        if minder is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(minder, signal.SIGTERM)
        print(f"{name} {'gone' if minder is None else 'killed'}")
    return 0


def _minder(task: Path) -> int | None:
    """Return the process that minds a task, None if it lives no more."""
    with contextlib.suppress(FileNotFoundError):
        pid, born = (task / "minder").read_text().split()
        return int(pid) if _born(int(pid)) == born else None
    return None


def _born(pid: int) -> str:
    """Return when a process was started, proc_pid_stat(5); "-" if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "-"
    return fields[19]


def _mind(options: argparse.Namespace) -> int:
    """Run a task's program, end it when told to, and write down how it ended."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    told: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("killed"))
    signal.signal(signal.SIGALRM, lambda *_: told.append("time"))
    deadline = os.environ.get("TOYQ_DEADLINE")
    if deadline:
        left = float(deadline) - time.time()  # noqa: TID251 - a date
        signal.setitimer(signal.ITIMER_REAL, max(0.001, left))
    child = subprocess.Popen(options.command, start_new_session=True)
    while child.poll() is None and not told:
        time.sleep(0.02)
    if told:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
    _end_all()
    code = child.wait()
    how = told[0] if told else f"exit:{code}" if code >= 0 else f"signal:{-code}"
    part = options.task / "how.part"
    part.write_text(how)
    part.rename(options.task / "how")
    return 0


def _end_all() -> None:
    """End all descendants: orphans among them have become children of this process."""
    while family := list(_descendants(os.getpid())):
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _descendants(int(child))
            if _state(int(child)) not in {"Z", "X", "-"} or pid == os.getpid():
                yield int(child)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "-"


if __name__ == "__main__":
    sys.exit(main())
