"""The letters there are: a job failed, a run is over, more failed than was told. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from gridmap.resources import format_memory
from gridmap.verdict import Cause
from gridmap_mail.letters import Letter, Plots, count, moment, span

if TYPE_CHECKING:
    from gridmap.events import JobFailed, RunEnded
    from gridmap.verdict import Verdict
    from gridmap_mail.story import Story
    from gridmap_mail.vitals import Series

_NAMED: Final = 5


def job_failed(
    story: Story,
    event: JobFailed,
    *,
    log: tuple[bytes, str] | None,
    series: Series | None,
    plots: bool,
    untold: Counter[Cause],
) -> Letter:
    """Return the letter about one job that ended badly for good.

    Args:
        story: Its run.
        event: What is told of it.
        log: The log's end, and what is to be said of it; None if there is none.
        series: Its use over time, None if nothing is known.
        plots: Whether plots are wanted.
        untold: Earlier failures that were not told, by cause.
    """
    verdict = event.verdict
    how = headline(verdict)
    said, note = log or (None, "")
    notes = [f"Next step: {verdict.advise()}."] if verdict.advise() else []
    notes += [note] if note else []
    notes += [others(untold)] if untold else []
    return Letter(
        subject=f"{verdict.job} failed: {how}",
        run=event.run,
        at=event.at,
        lead=f"{verdict.job} of the map {story.name!r} failed: {how}.",
        facts=_facts(story, event),
        blocks=(
            ("What is known", _known(verdict)),
            ("Traceback", event.traceback),
            ("Where its worker was (Python stack)", verdict.stack),
            ("Last output", verdict.log_tail),
        ),
        notes=tuple(notes),
        log=said,
        plots=Plots(
            title=f"{verdict.job}, attempt {verdict.attempt}, on {verdict.node}",
            series=series,
            asked_memory=verdict.asked_memory,
        )
        if plots
        else None,
    )


def headline(verdict: Verdict) -> str:
    """Return in a few words why a job failed: the exception itself, if it raised one."""
    if verdict.cause is Cause.RAISED and verdict.statements:
        return verdict.statements[0].text.removeprefix("the function ")
    return verdict.summary().partition(": ")[2]


def _facts(story: Story, event: JobFailed) -> tuple[tuple[str, str], ...]:
    verdict = event.verdict
    memory = [
        f"{word} {format_memory(amount)}"
        for word, amount in (
            ("asked for", verdict.asked_memory),
            ("peaked at", verdict.peak_memory),
        )
        if amount is not None
    ]
    attempt = f"{verdict.attempt}"
    if verdict.earlier:
        attempt += f", after {count(len(verdict.earlier), 'other')}"
    return (
        ("Job", verdict.job),
        ("Cause", verdict.cause.value),
        ("Node", verdict.node or ""),
        ("Runner", f"{verdict.runner} ({story.backend})" if verdict.runner else ""),
        ("Attempt", attempt),
        ("When", moment(event.at)),
        ("Ran for", span(verdict.ran_s) if verdict.ran_s is not None else ""),
        ("Memory", ", ".join(memory)),
        ("Map so far", _so_far(story)),
        ("Log", verdict.log_path or ""),
    )


def _so_far(story: Story) -> str:
    parts = [f"{story.done:,} of {count(story.jobs, 'job')} done"]
    parts += [f"{story.failed:,} failed"] if story.failed else []
    return ", ".join(parts)


def _known(verdict: Verdict) -> str:
    lines = [f"{said.witness.value}: {said.text}" for said in verdict.statements]
    lines += [f"before: {earlier.summary()}" for earlier in verdict.earlier]
    return "\n".join(lines)


def others(untold: Counter[Cause]) -> str:
    """Return the sentence about failures that no mail told."""
    causes = ", ".join(f"{n:,} {cause.value}" for cause, n in untold.most_common())
    many = sum(untold.values())
    was, it = ("was", "it") if many == 1 else ("were", "them")
    return (
        f"{count(many, 'more job')} of this map failed of which there {was} no mail, "
        f"since the setting mails_per_hour held {it} back: {causes}."
    )


def run_over(story: Story, ended: RunEnded, untold: Counter[Cause]) -> Letter:
    """Return the letter about a run that is over."""
    took = span(ended.at - story.began)
    if ended.error is None and story.failed:
        how = f"is complete, but {count(story.failed, 'job')} failed"
    elif ended.error is None:
        how = "is complete"
    else:
        how = "ended early"
    lead = f"The map {story.name!r} {how}. It took {took}."
    notes = [others(untold)] if untold else []
    return Letter(
        subject=f"{story.name} {how}: {_so_far(story)} in {took}",
        run=ended.run,
        at=ended.at,
        lead=lead,
        facts=(
            ("Jobs", _so_far(story)),
            ("Run again", count(story.again, "attempt") if story.again else ""),
            ("Causes", _causes(story)),
            ("Began", moment(story.began)),
            ("Ended", moment(ended.at)),
            ("Jobs took", span(story.seconds) + _speed(story, ended)),
            ("Most memory", format_memory(story.peak) if story.peak else ""),
            ("Nodes", _nodes(story)),
            ("Backend", story.backend),
            ("Ended with", ended.error or ""),
        ),
        blocks=(("Jobs that failed", _failures(story)),),
        notes=tuple(notes),
    )


def _causes(story: Story) -> str:
    return ", ".join(f"{n:,} {cause.value}" for cause, n in story.causes.most_common())


def _speed(story: Story, ended: RunEnded) -> str:
    took = ended.at - story.began
    if took <= 0 or story.seconds <= took:
        return " together"
    return f" together, {story.seconds / took:.1f} times as long as the map"


def _nodes(story: Story) -> str:
    names = sorted(story.nodes)
    text = ", ".join(names[:_NAMED])
    return text if len(names) <= _NAMED else f"{text} and {len(names) - _NAMED} others"


def _failures(story: Story) -> str:
    lines = list(story.failures)
    if story.failed > len(lines):
        lines.append(f"and {story.failed - len(lines):,} others")
    return "\n".join(lines)


def more_failed(story: Story, ended: RunEnded, untold: Counter[Cause]) -> Letter:
    """Return the letter about failures that no other mail told, at a run's end."""
    many = count(sum(untold.values()), "more job")
    letter = run_over(story, ended, untold)
    return Letter(
        subject=f"{many} of {story.name} failed",
        run=ended.run,
        at=ended.at,
        lead=letter.lead,
        facts=letter.facts,
        blocks=letter.blocks,
        notes=letter.notes,
    )


def run_broke(story: Story, ended: RunEnded) -> Letter:
    """Return the letter about a run that ended with an error, and with no job's."""
    letter = run_over(story, ended, Counter())
    return Letter(
        subject=f"{story.name} ended early: {ended.error}",
        run=ended.run,
        at=ended.at,
        lead=f"The map {story.name!r} ended with an error that is no job's.",
        facts=letter.facts,
    )
