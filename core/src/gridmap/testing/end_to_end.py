"""Cases that run whole maps, on the backend under test.

`BackendConformance` inherits them. The cases of the other modules call the hooks one
by one; here is what only core and backend together can show. The functions are
defined inside the cases, so that they travel by value: a node need not have pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gridmap.errors import JobException, RemoteTraceback
from gridmap.monitor.monitor import JobMonitor
from gridmap.testing.rules import Rule, require, under
from gridmap.testing.site import Site
from gridmap.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gridmap.resources import Resources


class EndToEndCases(Site):
    """Whole maps on this backend."""

    @pytest.fixture
    def run_map(
        self, place: Path, resources: Resources
    ) -> Callable[[Callable[..., Any], Sequence[Any]], list[Any]]:
        """Map a function over inputs with two runners; exceptions are results."""

        def run(function: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
            calls = [((item,), None) for item in inputs]
            values: dict[int, Any] = {}
            with JobMonitor(
                backend=self.find_backend(),
                max_workers=2,
                settings={
                    "run_directory": str(place / "runs"),
                    "start_timeout": 4 * self.start_within_s,
                },
            ) as monitor:
                monitor.add(function, calls, resources, final=True)
                while len(values) < len(calls):
                    for outcome in monitor.outcomes.take():
                        values[outcome.job] = outcome.error or outcome.value
            return [values[number] for number in range(len(calls))]

        return run

    def test_map_comes_back(
        self, run_map: Callable[[Callable[..., Any], Sequence[Any]], list[Any]]
    ) -> None:
        """A map on this backend gives what a loop would have given."""
        with under(Rule.MAPS_COME_BACK):
            values = run_map(lambda number: number * number, range(50))
            require(
                values == [number * number for number in range(50)],
                Rule.MAPS_COME_BACK,
                f"squares came back as {_told(values)}",
            )

    def test_exceptions_come_back(
        self, run_map: Callable[[Callable[..., Any], Sequence[Any]], list[Any]]
    ) -> None:
        """An exception keeps its type, and an exit is told as one."""

        def misbehave(number: int) -> float:
            import os  # noqa: PLC0415 - travels by value

            if number > 1:
                os._exit(number)
            return 1 / number

        with under(Rule.MAPS_COME_BACK):
            good, raised, exited = run_map(misbehave, [1, 0, 3])
            require(
                good == 1.0, Rule.MAPS_COME_BACK, f"1 / 1 came back as {_told([good])}"
            )
            require(
                isinstance(raised, ZeroDivisionError)
                and isinstance(raised.__cause__, RemoteTraceback),
                Rule.MAPS_COME_BACK,
                f"ZeroDivisionError came back as {_told([raised])}",
            )
            require(
                isinstance(exited, JobException)
                and exited.verdict.cause is Cause.EXITED,
                Rule.MAPS_COME_BACK,
                f"os._exit(3) came back as {_told([exited])}",
            )

    def test_job_of_a_dead_runner_runs_again(
        self,
        run_map: Callable[[Callable[..., Any], Sequence[Any]], list[Any]],
        place: Path,
    ) -> None:
        """A runner that dies takes nothing with it: its job runs again elsewhere."""
        mark = str(place / "died-once")

        def die_once(number: int) -> int:
            import os  # noqa: PLC0415 - travels by value
            import signal  # noqa: PLC0415 - likewise

            if number == 2 and not os.path.exists(mark):  # noqa: PLR2004, PTH110 - likewise
                with open(mark, "x"):  # noqa: PTH123 - likewise
                    pass
                os.kill(os.getppid(), signal.SIGKILL)
                signal.pause()
            return number

        with under(Rule.DEATHS_ARE_TOLD):
            values = run_map(die_once, range(5))
            require(
                values == list(range(5)),
                Rule.DEATHS_ARE_TOLD,
                f"its runner was killed by nobody the scheduler knows; got {_told(values)}",
            )


def _told(values: Sequence[Any]) -> str:
    """Return what came back; of jobs that died all that is known of the first."""
    died = next((one for one in values if isinstance(one, JobException)), None)
    return repr(list(values)) if died is None else str(died)
