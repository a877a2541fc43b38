"""``gridmap attach``: see runs that can be resumed, and go on with one."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import ResumeName, json_option, runs_option

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from gridmap.attach import RunState
    from gridmap.display.tally import Tally
    from gridmap.verdict import Verdict

_ASK_S: Final = 0.5
"""Between two questions to the process that drives a run."""
_LOOK_S: Final = 2.0
"""Between two looks at its journal, where that process is out of reach."""
_LINE_S: Final = 60.0
"""Between two lines where no bar can be drawn, at most; twice the last time until then."""


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
    """Show how far a run is until nobody drives it."""
    from gridmap import attach  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import text  # noqa: PLC0415

    text.complain(
        f"Run {state.name!r} is driven by {_driven(state)}; Ctrl-C leaves it alone."
    )
    with _Watched(state) as watched:
        while state.driver is not None and not state.finished:
            if watched.ask():
                time.sleep(_ASK_S)
                continue
            began = time.monotonic()
            state = attach.run_state(base, state.name)
            if state.driver is not None and not state.finished:
                watched.tell(_told(state)[0])
            # A journal that takes long to read is not read all the time.
            time.sleep(max(_LOOK_S, 10 * (time.monotonic() - began)))


class _Watched:
    """A run that another process drives, shown as a bar, or as a line now and then.

    Args:
        state: The run.
    """

    def __init__(self, state: RunState) -> None:
        self._run = state
        self._tally: Tally | None = None
        self._told = ""
        self._next_line = time.monotonic()
        self._pause_s = _LOOK_S

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        from gridmap.display.screen import screen  # noqa: PLC0415 - see gridmap.cli

        screen.remove(self)

    def ask(self) -> bool:
        """Ask its process how it stands, and show that; return whether it goes on."""
        from gridmap.control.client import Control  # noqa: PLC0415 - see gridmap.cli
        from gridmap.display.screen import can_draw, screen  # noqa: PLC0415
        from gridmap.display.status import log_line  # noqa: PLC0415
        from gridmap.display.tally import Tally  # noqa: PLC0415
        from gridmap.errors import RunError  # noqa: PLC0415

        try:
            with Control(self._run.token, self._run.driver) as control:
                view = control.look().overview()
        except RunError:
            return False
        began, self._tally = self._tally is None, Tally(overview=view)
        if not can_draw(sys.stderr):
            self.tell(log_line(self._tally, self._run.name))
        elif began:
            screen.add(self)
        return view.ended is None

    def tell(self, line: str) -> None:
        """Print how it stands, unless that is known or was told a moment ago."""
        from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

        now = time.monotonic()
        if line == self._told or now < self._next_line:
            return
        text.complain(line)
        self._told, self._next_line = line, now + self._pause_s
        self._pause_s = min(_LINE_S, 2 * self._pause_s)

    def lines(self, width: int, *, plain: bool) -> list[str]:
        """Return what the bar shows; called in the thread that draws."""
        from gridmap.display import status  # noqa: PLC0415 - see gridmap.cli

        tally = self._tally
        return status.lines(tally, self._run.name, width, plain=plain) if tally else []


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
