"""``gridmap attach``: see runs that can be resumed, and go on with one."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import ResumeName, json_option, runs_option

if TYPE_CHECKING:
    from pathlib import Path

    from gridmap.attach import RunState
    from gridmap.verdict import Verdict

_LOOK_S: Final = 2.0
"""Between two looks at the journal of a run that another process drives."""


@click.command("attach", short_help="Go on with a run whose script is gone.")
@click.argument("name", required=False, type=ResumeName())
@runs_option
@json_option
def command(*, name: str | None, runs: str | None, as_json: bool) -> int:
    """Go on with a run whose script is gone, or watch one that is being driven.

    NAME is what the script gave as resume=NAME; without it all such runs are listed.
    The results wait in the run's journal until the script is started again.

    Ctrl-C ends the runners of a run that this command drives, and leaves alone one that
    it only watches.
    """
    from gridmap import attach  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import text  # noqa: PLC0415
    from gridmap.cli.parameters import runs_directory  # noqa: PLC0415

    base = runs_directory(runs)
    if name is None:
        _list(attach.run_states(base), base, as_json=as_json)
        return 0
    state = attach.run_state(base, name)
    verdict = None
    if not state.finished:
        if state.driver is not None:
            _watch(base, state)
        else:
            try:
                verdict = _drive(base, state)
            except KeyboardInterrupt:
                text.complain(" ".join(_told(attach.run_state(base, name))))
                raise
    return _tell(attach.run_state(base, name), verdict, as_json=as_json)


def _list(states: list[RunState], base: Path, *, as_json: bool) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    if as_json:
        text.as_json({"runs": [_plain(state) for state in states]})
    elif not states:
        text.paragraph(
            f"There is no run in {base} that could be resumed: call "
            "grid_map(..., resume=NAME) to begin one."
        )
    else:
        rows = [
            (
                state.name,
                state.backend,
                f"{state.done:,} of {state.jobs:,}",
                str(state.failed),
                _driven(state),
            )
            for state in states
        ]
        text.table(("Run", "Backend", "Done", "Failed", "Driven by"), rows)


def _driven(state: RunState) -> str:
    if state.driver is not None:
        return f"process {state.driver.pid} on {state.driver.host}"
    return "finished" if state.finished else "nobody"


def _plain(state: RunState) -> dict[str, object]:
    driver = state.driver
    return {
        "name": state.name,
        "backend": state.backend,
        "jobs": state.jobs,
        "done": state.done,
        "failed": state.failed,
        "complete": state.complete,
        "finished": state.finished,
        "driver": {"pid": driver.pid, "host": driver.host} if driver else None,
        "directory": str(state.directory),
    }


def _drive(base: Path, state: RunState) -> Verdict | None:
    from gridmap import attach  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import text  # noqa: PLC0415
    from gridmap.display import make_progress  # noqa: PLC0415

    how_far = f"{state.done:,} of {state.jobs:,} jobs are done."
    text.complain(
        f"Going on with run {state.name!r} on backend {state.backend}: {how_far}"
    )
    observers, finish = make_progress(sys.stderr.isatty(), state.jobs, name=state.name)
    try:
        return attach.drive(base, state.name, observers)
    finally:
        finish()


def _watch(base: Path, state: RunState) -> None:
    """Print how far a run is, whenever that changes, until nobody drives it."""
    from gridmap import attach  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import text  # noqa: PLC0415

    told, name = "", state.name
    text.complain(
        f"Run {name!r} is driven by {_driven(state)}; Ctrl-C leaves it alone."
    )
    while state.driver is not None and not state.finished:
        line = _told(state)[0]
        if line != told:
            told = line
            text.complain(line)
        began = time.monotonic()
        state = attach.run_state(base, name)
        # A journal that takes long to read is not read all the time.
        time.sleep(max(_LOOK_S, 10 * (time.monotonic() - began)))


def _tell(state: RunState, verdict: Verdict | None, *, as_json: bool) -> int:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    good = state.finished and not state.failed
    if as_json:
        text.as_json(_plain(state))
        return 0 if good else 1
    stands, *advice = _told(state)
    text.paragraph(stands, style="good" if good else "bad")
    if verdict is not None:
        text.complain(verdict.explain())
    for sentence in advice:
        text.paragraph(sentence)
    return 0 if good else 1


def _told(state: RunState) -> list[str]:
    """Return how a run stands, and what there is to do next, if anything."""
    stands = f"Run {state.name!r}: {state.done:,} of {state.jobs:,} jobs are done"
    told = [stands + (f", {state.failed:,} failed." if state.failed else ".")]
    if not state.complete:
        told.append(
            "Its script had not handed in all its inputs: start it again to go on."
        )
    elif not state.finished:
        told.append(
            f"Nobody drives it any more: gridmap attach {state.name!r} goes on with it, "
            "and so does its script, started again."
        )
    elif state.done:
        told.append("Start the script again to get the results.")
    return told
