"""The promises of DESIGN §1, against everything that can go wrong at once."""

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from tests.simulation.faults import Faults
from tests.simulation.jobs import Deed
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.plan import OTHER, Plan
from tests.simulation.simulation import Simulation, run_seed

from gridmap.resources import Resources


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", range(3))
def test_the_promises_hold_in_random_runs(block: int) -> None:
    """A few of the seeds that ``make simulate`` runs by the thousand."""
    for seed in range(100 * block, 100 * block + 100):
        failure = run_seed(seed)
        if failure is not None:
            failure.error.add_note("\n".join(failure.story[-200:]))
            raise failure.error


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_seed_replays_exactly() -> None:
    """A failure that cannot be had again cannot be understood.

    The order in which sets are gone through differs from process to process.
    """
    tell = "from tests.simulation.shrink import Recipe; "
    tell += "[print(*r.world.story, sep='\\n') for r in map(run, range(500, 520))]"
    define = "def run(seed):\n r = Recipe(seed).simulation(); r.run(); return r\n"
    code = f"from tests.simulation.shrink import Recipe\n{define}{tell}"
    stories = []
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": "."}
        told = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            check=True,
            timeout=100,
        )
        stories.append(told.stdout.splitlines())
    assert stories[0] == stories[1]
    assert len(stories[0]) > 1000


_FOUND_SOON = ("_report", "put_back", "release", "keep", "_take_back", "win", "heard")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mutant",
    [m for m in MUTANTS if m.what in _FOUND_SOON],
    ids=lambda mutant: mutant.name,
)
def test_a_rule_that_is_broken_is_noticed(mutant: Mutant) -> None:
    """A simulation that finds nothing may be blind."""
    assert mutant.search() is not None


def test_a_healthy_run_hardly_asks_the_scheduler() -> None:
    """Its runners come soon and are heard of; only for a late one it is asked."""
    plan = Plan(jobs=100, max_workers=8, queue_s=0.5)
    for seed in range(10):
        simulation = Simulation(seed, plan)
        simulation.run()
        assert simulation.polite


@pytest.mark.parametrize(
    ("quick", "slow", "seconds", "ideal_s"),
    [
        pytest.param(99, 1, 10.0, 10.0, id="the last one"),
        pytest.param(2000, 80, 5.0, 50.0, id="the last ones"),
        pytest.param(20, 400, 1.0, 50.0, id="nearly all"),
    ],
)
def test_no_job_is_stuck_behind_others(
    quick: int, slow: int, seconds: float, ideal_s: float
) -> None:
    """Where quick jobs are followed by long ones, all runners share those.

    They are worth no message each while they seem quick, and are handed out, and handed
    to workers, by the hundred; nobody may wait for that.
    """
    jobs = quick + slow
    plan = Plan(jobs=jobs, quick=quick, seconds=(seconds, seconds), max_workers=8,
                nodes=(8,), queue_s=0.0)  # fmt: skip
    simulations = [Simulation(seed, plan) for seed in range(5)]
    for simulation in simulations:
        simulation.add(jobs, final=True)
        # To start takes 2 s, to ask for more runners 5 s, and all may not end at once.
        simulation.world.run(ideal_s + 25.0)
        assert simulation.settled
        simulation.finish()


@pytest.mark.parametrize("hung", [1, 3])
def test_no_map_waits_for_a_job_that_hangs(hung: int) -> None:
    """Where it may be run twice, and idle runners are there; once its like are known."""
    plan = Plan(jobs=40, max_workers=8, nodes=(4, 4), queue_s=0.0, speculate=True)
    for seed in range(5):
        simulation = Simulation(seed, plan)
        simulation.add(40, final=True)
        for job in simulation.jobs[:hung]:
            job.drags_s = 1e5
        simulation.world.run(60.0)
        assert simulation.settled
        simulation.finish()
        assert simulation.truth.outcomes["won"] >= hung
        assert simulation.truth.outcomes["failed"] == 0


def test_nothing_is_run_twice_unless_it_may() -> None:
    """Not even where a job takes for ever."""
    simulation = Simulation(1, Plan(jobs=40, max_workers=8, drags=0.1, queue_s=0.0))
    simulation.add(40, final=True)
    simulation.world.run(300.0)
    assert simulation.settled
    simulation.finish()
    assert not simulation.truth.outcomes
    assert not simulation.truth.runs_twice


class Run(RuleBasedStateMachine):
    """Hypothesis plays the user, the network and the scheduler; the rest is real."""

    @initialize(
        seed=st.integers(0, 2**16),
        max_workers=st.none() | st.integers(1, 4),
        jobs_per_runner=st.sampled_from([None, None, 1, 3]),
        accounting=st.booleans(),
        requeue=st.booleans(),
        warns=st.booleans(),
        walltime=st.sampled_from([None, None, 45.0]),
        lag_s=st.sampled_from([0.0, 0.0, 5.0]),
        gives_up=st.booleans(),
        retry=st.sampled_from(["", "wait", "escalate", "rules"]),
        drags=st.sampled_from([0.0, 0.2]),
    )
    def begin(
        self,
        seed: int,
        max_workers: int | None,
        jobs_per_runner: int | None,
        accounting: bool,
        requeue: bool,
        warns: bool,
        walltime: float | None,
        lag_s: float,
        gives_up: bool,
        retry: str,
        drags: float,
    ) -> None:
        plan = Plan(
            groups=(Resources(), OTHER),
            deeds=(*(Deed.VALUE,) * 6, *Deed),
            max_workers=max_workers,
            jobs_per_runner=jobs_per_runner,
            accounting=accounting,
            requeue=requeue,
            warns=warns,
            walltime=walltime,
            lag_s=lag_s,
            gives_up=gives_up,
            retry=retry,
            speculate=drags > 0.0,
            drags=drags,
        )
        self.sim = Simulation(seed, plan)

    @rule(count=st.integers(1, 12))
    def jobs_are_handed_in(self, count: int) -> None:
        self.sim.add(count)

    @rule(seconds=st.sampled_from([0.001, 0.05, 1.0, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.sim.world.run(seconds)

    @rule(kind=st.sampled_from(Faults.names()))
    def something_goes_wrong(self, kind: str) -> None:
        getattr(self.sim.faults, kind)()

    @precondition(lambda self: self.sim.jobs)
    @rule(data=st.data())
    def the_user_cancels(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(0, len(self.sim.jobs) - 1))
        stop = data.draw(st.integers(first + 1, len(self.sim.jobs)))
        self.sim.cancel(first, stop)

    def teardown(self) -> None:
        if hasattr(self, "sim"):
            self.sim.add(1, final=True)
            self.sim.finish()


Run.TestCase.settings = settings(
    derandomize=True,  # the same runs each time; `make simulate` searches
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestRun = pytest.mark.slow(pytest.mark.timeout(300)(Run.TestCase))
