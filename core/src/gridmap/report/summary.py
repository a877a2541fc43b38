"""What there is to tell of a run, made of its overview. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import attrs

from gridmap.lifecycle import JobState
from gridmap.overview import Overview
from gridmap.resources import format_memory

_SPARE: Final = 1.2
"""Memory that is asked for beyond what the largest job was seen to hold."""
_MORE: Final = 2.0
"""Where jobs ended for want of memory, nobody knows how much they would have held."""
_LONG_S: Final = 60.0
"""Jobs shorter than that need no advice about walltime."""
_LEAST_CPU_S: Final = 10.0
_IDLE: Final = 0.5
_BUSY: Final = 1.3
_MEBI: Final = 2**20
_STEP_S: Final = 900


@attrs.frozen(kw_only=True)
class Row:
    """One job.

    Attributes:
        job: Its number.
        state: Where it is: the name of its `JobState`, in small letters.
        attempt: Which attempt, from 1.
        node: Where it was last; empty if nowhere, or nobody knows any more.
        runner: The scheduler's handle of its runner; empty likewise.
        begin: Seconds from the run's start to its own; None if nobody knows.
        end: Likewise to its end.
        seconds: How long it took; None if it is not over, or nobody knows.
        peak: Most bytes it was seen to hold; None if no heartbeat saw it.
        cause: Why it ended badly, in a word; empty if it did not.
        why: The same in a line.
        name: Its own name; empty if it has none.
        traceback: Where its exception was raised; empty if none was, or if it was
            long ago.
    """

    job: int
    state: str
    attempt: int
    node: str
    runner: str
    begin: float | None
    end: float | None
    seconds: float | None
    peak: int | None
    cause: str
    why: str
    name: str = ""
    traceback: str = ""


@attrs.frozen(kw_only=True)
class Spread:
    """How a quantity is spread over the jobs that have it.

    Attributes:
        values: All of them, the smallest first.
    """

    values: Sequence[float]

    def at(self, part: float) -> float:
        """Return the value that this part of the others does not exceed."""
        return self.values[min(len(self.values) - 1, int(part * len(self.values)))]


@attrs.frozen(kw_only=True)
class Failing:
    """One cause of bad ends.

    Attributes:
        cause: The cause.
        attempts: How many attempts ended so.
        example: What is known of the last of them.
        advice: The next step; empty if there is none.
        traceback: Where the exception of the last was raised; empty if none was.
    """

    cause: str
    attempts: int
    example: str
    advice: str
    traceback: str


@attrs.frozen(kw_only=True)
class Summary:
    """What there is to tell of a run.

    Attributes:
        overview: How it stands.
        state: In a word: running, done, failed, died.
        took_s: How long it took, up to the last that is known.
        job_s: What all jobs that are over took together.
        durations: How long jobs took that returned; None if none did.
        peaks: Most memory that jobs held; None if no heartbeat saw one.
        failing: Causes of bad ends, the most frequent first.
        advice: What to ask for next time, a sentence each.
    """

    overview: Overview
    state: str
    took_s: float
    job_s: float
    durations: Spread | None
    peaks: Spread | None
    failing: tuple[Failing, ...]
    advice: tuple[str, ...]

    @property
    def speedup(self) -> float | None:
        """How many times longer one after another would have taken, about."""
        return self.job_s / self.took_s if self.took_s > 0 and self.job_s else None

    def rows(self) -> Iterator[Row]:
        """Yield each job."""
        return rows(self.overview)


def summarize(overview: Overview, state: str) -> Summary:
    """Return what there is to tell of a run.

    Args:
        overview: How it stands.
        state: In a word; see `gridmap.control.plain.condition`.
    """
    began = overview.started if overview.started is not None else overview.at
    until = overview.ended if overview.ended is not None else overview.at
    done = [
        seconds
        for seconds, one in zip(overview.seconds, overview.states, strict=True)
        if one == JobState.DONE
    ]
    durations = Spread(values=sorted(done)) if done else None
    held = sorted(peak for peak in overview.peaks if peak)
    peaks = Spread(values=held) if held else None
    return Summary(
        overview=overview,
        state=state,
        took_s=max(0.0, until - began),
        job_s=math.fsum(overview.seconds),
        durations=durations,
        peaks=peaks,
        failing=tuple(_failing(overview)),
        advice=tuple(_advice(overview, durations, peaks)),
    )


def rows(overview: Overview) -> Iterator[Row]:
    """Yield each job of a run."""
    for job, (number, holder) in enumerate(
        zip(overview.states, overview.holders, strict=True)
    ):
        state, runner = JobState(number), overview.runners.get(holder)
        end = overview.ends[job] or None
        seconds = overview.seconds[job] if end is not None else None
        if state is not JobState.DONE and not seconds:
            seconds = None  # it raised an exception before any heartbeat
        failure = overview.failures.get(job)
        bad = failure is not None and state is not JobState.DONE
        yield Row(
            job=job,
            state=state.name.lower(),
            attempt=overview.attempts.get(job, 1),
            node=runner.node if runner else "",
            runner=runner.handle if runner else "",
            begin=max(0.0, end - seconds) if end and seconds is not None else None,
            end=end,
            seconds=seconds,
            peak=int(overview.peaks[job]) or None,
            cause=failure.verdict.cause.value if bad and failure else "",
            why=failure.verdict.summary() if bad and failure else "",
            name=overview.names[job] if job < len(overview.names) else "",
            traceback=failure.traceback if bad and failure else "",
        )


def _failing(overview: Overview) -> Iterator[Failing]:
    last = {one.verdict.cause.value: one for one in overview.failures.values()}
    for cause, attempts in overview.causes.most_common():
        failure = last.get(cause)
        yield Failing(
            cause=cause,
            attempts=attempts,
            example=failure.verdict.explain() if failure else "",
            advice=failure.verdict.advise() if failure else "",
            traceback=failure.traceback if failure else "",
        )


def _advice(
    overview: Overview, durations: Spread | None, peaks: Spread | None
) -> Iterator[str]:
    if peaks is not None:
        most = peaks.values[-1]
        memories = {one.memory for one in overview.requests}
        held = f"the largest job was seen to hold {format_memory(int(most))}"
        held += _asked(memories, format_memory)
        if lacking := sum(f.verdict.lacked_memory for f in overview.failures.values()):
            yield (
                f"Memory: {held}, and some ended for want of it ({lacking:,}); ask for "
                f'memory="{_memory(most * _MORE)}", or for more only where it is '
                f'needed, with retry=Escalate(memory=["{_memory(most * _MORE)}"]).'
            )
        else:
            yield f'Memory: {held}; ask for memory="{_memory(most * _SPARE)}".'
    if durations is not None and durations.values[-1] >= _LONG_S:
        longest = durations.values[-1]
        step = math.ceil(1.5 * longest / _STEP_S) * _STEP_S
        yield (
            f"Time: the longest job took {_clock(longest)}"
            f"{_asked({one.walltime for one in overview.requests}, _clock)}; "
            "a walltime of "
            f"{_clock(step)} is enough for any of them, and a runner takes several "
            "where there is more."
        )
    job_s = math.fsum(overview.seconds)
    if overview.cpu_s > _LEAST_CPU_S and job_s > 0:
        busy = overview.cpu_s / job_s
        if busy < _IDLE:
            yield (
                f"Processors: jobs kept {busy:.2f} of one busy; they wait for "
                "something most of the time, such as files."
            )
        elif busy > _BUSY:
            yield (
                f"Processors: jobs kept {busy:.1f} busy each; ask for "
                f"num_slots={math.ceil(busy)}, or they take others' share."
            )


def _asked(amounts: Iterable[int | None], told: Callable[[int], str]) -> str:
    """Return what was asked for, as part of a sentence; empty if nothing was."""
    known = sorted(amount for amount in amounts if amount is not None)
    if not known:
        return ""
    least, most = told(known[0]), told(known[-1])
    return f", of {least} asked for" if least == most else f", of {least} to {most}"


def _memory(amount: float) -> str:
    """Return at least that much, as people write it."""
    if amount > 1000 * _MEBI:
        return f"{math.ceil(amount / 2**30)}G"
    return f"{max(1, math.ceil(amount / _MEBI / 50)) * 50}M"


def _clock(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
