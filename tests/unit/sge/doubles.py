"""Stand-ins for what the plugin talks to, and recorded words of the real ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import msgspec

from gridmap.backend import Batch, Handle, RunContext
from gridmap.desk import Desk
from gridmap.programs import Answer, Reply
from gridmap.resources import Resources
from gridmap_sge.array import Array
from gridmap_sge.discovery import PROGRAMS, Installation
from gridmap_sge.scheduler import Scheduler
from gridmap_sge.submission import Ended, SubmitError

_RECORDED = Path(__file__).with_name("recorded")

INSTALLATION = Installation(
    root=Path("/sge"),
    cell="default",
    master="head",
    programs={name: f"/sge/bin/{name}" for name in PROGRAMS},
    library=Path("/sge/lib/libdrmaa.so"),
)
CONTEXT = RunContext(
    token="5eed",  # noqa: S106 - tokens are no secrets
    name="run",
    directory=Path("/run/r"),
    logs=Path("/run/r/logs"),
)
NOTHING = "<?xml version='1.0'?><job_info><queue_info/><job_info/></job_info>"


def recorded(name: str) -> str:
    """Return what a real program printed; README.md there says which."""
    return (_RECORDED / name).read_text()


def batch(count: int = 2, **changes: Any) -> Batch:
    """Return a batch of runners from 10 on."""
    plain = Batch(
        runners=tuple(range(10, 10 + count)),
        command=("/usr/bin/python3", "-m", "gridmap.runner", "tcp://h:1", "/job path"),
        environment={},
        directory="/home/me",
        name="sweep",
        resources=Resources(),
    )
    return msgspec.structs.replace(plain, **changes)


def jobs(*rows: str) -> str:
    """Return qstat's XML; a row is ``"7 1-3:1 qw"`` or ``"7 4 r all.q@n1"``."""
    text = ""
    for row in rows:
        job, tasks, state, *queue = row.split()
        text += f"<job_list><JB_job_number>{job}</JB_job_number><state>{state}</state>"
        text += f"<queue_name>{''.join(queue)}</queue_name>"
        text += f"<tasks>{tasks}</tasks></job_list>" if tasks != "-" else "</job_list>"
    return f"<job_info><queue_info>{text}</queue_info></job_info>"


def unreachable(*hosts: str) -> str:
    """Return the XML of ``qstat -f -qs u`` for silent hosts."""
    text = "".join(
        f"<Queue-List><name>all.q@{host}</name><state>au</state></Queue-List>"
        for host in hosts
    )
    return f"<job_info><queue_info>{text}</queue_info></job_info>"


class FakePrograms:
    """Takes the place of `gridmap.programs.run`.

    Attributes:
        answers: Beginning of a command line to its answers, in order; the last one is
            given for ever. The longest beginning that fits counts.
        asked: Every command line so far, programs without their folders.
    """

    def __init__(self, **answers: str) -> None:
        self.answers: dict[str, list[Reply]] = {"qstat -xml": [Answer(status=0)]}
        self.asked: list[str] = []
        for program, text in answers.items():
            self.say(program, text)

    def say(self, beginning: str, *answers: str | Reply) -> None:
        """Set the answers to command lines that begin so."""
        self.answers[beginning] = [
            Answer(status=0, output=one) if isinstance(one, str) else one
            for one in answers
        ]

    def __call__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        text: str,
        timeout_s: float,
    ) -> Reply:
        """Answer as told; what nobody told is an error of the program's."""
        del environ, text, timeout_s
        line = " ".join([Path(argv[0]).name, *argv[1:]])
        self.asked.append(line)
        fitting = [known for known in self.answers if line.startswith(known)]
        if not fitting:
            return Answer(status=1, errors=f"{argv[0]}: what?")
        answers = self.answers[max(fitting, key=len)]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class FakeSubmitter:
    """Takes the place of DRMAA.

    Attributes:
        refusals: What the next submissions fail with.
        submitted: What was submitted.
        ends: What it says of ends.
        prepared: Whether it was told to get ready.
        closed: Whether it was closed.
    """

    def __init__(self, *refusals: SubmitError) -> None:
        self.refusals = list(refusals)
        self.submitted: list[Array] = []
        self.ends: dict[Handle, Ended] = {}
        self.prepared = False
        self.closed = False

    def prepare(self) -> None:
        """Remember it."""
        self.prepared = True

    def submit(self, array: Array) -> tuple[Handle, ...]:
        """Take it, or not."""
        self.submitted.append(array)
        if self.refusals:
            raise self.refusals.pop(0)
        job = str(6 + len(self.submitted))
        return tuple(Handle(job, str(n + 1)) for n in range(array.tasks))

    def reap(self, handles: Collection[Handle]) -> Mapping[Handle, Ended]:
        """Tell each end once."""
        return {h: self.ends.pop(h) for h in handles if h in self.ends}

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


@attrs.frozen(kw_only=True)
class Scene:
    """A scheduler among stand-ins."""

    scheduler: Scheduler
    programs: FakePrograms
    submitter: FakeSubmitter
    clock: FakeClock


def scene(*refusals: SubmitError, **installation: Any) -> Scene:
    """Return a scheduler whose submissions fail with *refusals* first."""
    programs, submitter, clock = FakePrograms(), FakeSubmitter(*refusals), FakeClock()
    programs.say("qstat -xml", NOTHING)
    programs.say("qstat -xml -f", NOTHING)
    scheduler = Scheduler(
        attrs.evolve(INSTALLATION, **installation),
        environ={},
        desk=Desk(run=programs),
        submitter=submitter,
        clock=clock,
        now=lambda: datetime(2026, 11, 23, 0, 45),  # noqa: DTZ001 - local, as qacct's
    )
    return Scene(
        scheduler=scheduler, programs=programs, submitter=submitter, clock=clock
    )
