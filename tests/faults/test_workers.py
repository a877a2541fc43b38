"""Workers that die, each in its own way, all in one map."""

import signal
from typing import Final

import attrs
import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import cause_of
from tests.sites import Site

from gridmap.verdict import Cause, Witness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@attrs.frozen
class Death:
    """How a function ends its process, and what is to be told of it."""

    cause: Cause
    status: int | None = None
    signal: int | None = None


DEATHS: Final = {
    "segmentation fault": Death(Cause.SIGNALLED, signal=signal.SIGSEGV),
    "kill -9": Death(Cause.SIGNALLED, signal=signal.SIGKILL),
    "os._exit(3)": Death(Cause.EXITED, status=3),
    "os._exit(0)": Death(Cause.EXITED, status=0),
    "sys.exit()": Death(Cause.EXITED, status=0),
    "sys.exit(4)": Death(Cause.EXITED, status=4),
    "sys.exit('words')": Death(Cause.EXITED, status=1),
}


def test_each_death_is_told_apart(site: Site, strike: Strike) -> None:
    """Crashes, exits and a kill from outside, amid jobs that go well."""
    ways = dict(enumerate(DEATHS, 3))
    struck = strike(
        site, 40, {1: deeds.held, **{n: deeds.dying(way) for n, way in ways.items()}}
    )
    mark = struck.begun(1)
    struck.strike(1)
    site.kill(mark.node, mark.worker)
    struck.await_failure(1)
    results = struck.check(failed={1, *ways})
    for number, way in ways.items():
        verdict = struck.note(f"{way} in the function", number)
        death = DEATHS[way]
        assert cause_of(results[number]) is death.cause
        assert (verdict.exit_status, verdict.signal) == (death.status, death.signal)
        assert (verdict.attempt, verdict.node in struck.node_names()) == (1, True)
        assert Witness.WORKER in {said.witness for said in verdict.statements}
        assert struck.seconds(number) < 2, verdict.explain()
    verdict = struck.note("kill -9 of a worker", 1)
    assert (verdict.cause, verdict.signal) == (Cause.SIGNALLED, signal.SIGKILL)
    assert verdict.node == mark.node
    assert struck.seconds(1) < 2, verdict.explain()
