"""What a simulated run is like; drawn from its seed, or given by a test."""

from __future__ import annotations

import random

import attrs
from tests.simulation.jobs import Deed

from gridmap.resources import Resources
from gridmap.retry import Again, Decision, Escalate, GiveUp, Retry, Rule
from gridmap.verdict import Cause, Verdict

_BIG = 0.004
"""How many of the plans are big."""

_QUICK = 0.15
"""How many of the others begin with jobs that take next to no time."""

_SPECULATIVE = 0.5
"""How many of all begin jobs a second time that take long."""

_STRETCHED = 0.4
"""How many of those have jobs that are sure to."""

OTHER = Resources(cores=2)
MORE = Resources(memory="8G")


@attrs.define(kw_only=True)
class Plan:
    """One run and its surroundings.

    Attributes:
        jobs: How many jobs there are.
        groups: What they may need.
        deeds: What they may do.
        seconds: How long they take, least and most.
        quick: How many of the first take next to no time instead.
        batches: In how many pieces they are handed in.
        pause_s: How much time passes from one piece to the next, at most.
        max_workers: As the policy has it.
        most_workers: As the policy has it.
        jobs_per_runner: As the policy has it.
        resubmits: As the policy has it.
        start_timeout_s: As the policy has it.
        retry: Which retry hook there is: none, one that waits, one that escalates; or
            "rules", the user's own.
        nodes: Slots of each node.
        broken_nodes: How many of them lack gridmap.
        walltime: How long the scheduler lets a runner live.
        queue_s: How long the scheduler lets it wait at most.
        arrays: Whether runners share a job id.
        accounting: Whether the scheduler keeps books.
        half_booked: Whether the books show a runner before they know its end.
        lag_s: How long the scheduler shows what was before.
        requeue: Whether it starts runners again in place.
        warns: Whether it sends SIGTERM before SIGKILL.
        notices: What its signal means to runners: nothing, "end", or "stay": wait
            for it.
        saves: How many of the jobs can be asked for a checkpoint.
        rejects_hopeless: Whether it refuses what no node can take.
        gives_up: Whether it takes nodes for dead that are cut off for long.
        clocks: How wrong nodes' wall clocks may be, seconds.
        drift: How much faster or slower clocks may go.
        tick_s: How often runners look around, and the monitor where nothing urges.
        wild: How often a message comes twice, late.
        backlogged: How often work cannot be sent.
        speculate: As the policy has it.
        drags: How many of the jobs take much longer the first time.
        drags_s: How much longer, least and most.
        journaled: Whether the run keeps a journal, so that its driver may die.
        faults: Things that go wrong, at most.
        faulty_s: For how long they may.
        close_early: Whether the user ends the run while jobs are left.
        kill: Whether he ends it by force.
    """

    jobs: int = 20
    groups: tuple[Resources, ...] = (Resources(),)
    deeds: tuple[Deed, ...] = (Deed.VALUE,)
    seconds: tuple[float, float] = (0.01, 2.0)
    quick: int = 0
    batches: int = 1
    pause_s: float = 0.0
    max_workers: int | None = 4
    most_workers: int = 50
    jobs_per_runner: int | None = None
    resubmits: int = 3
    start_timeout_s: float | None = None
    retry: str = ""
    nodes: tuple[int, ...] = (4, 4)
    broken_nodes: int = 0
    walltime: float | None = None
    queue_s: float = 5.0
    arrays: bool = True
    accounting: bool = True
    half_booked: bool = False
    lag_s: float = 0.0
    requeue: bool = False
    warns: bool = False
    notices: str = ""
    saves: float = 0.0
    rejects_hopeless: bool = False
    gives_up: bool = False
    clocks: float = 0.0
    drift: float = 0.0
    tick_s: float = 0.5
    wild: float = 0.0
    backlogged: float = 0.0
    speculate: bool = False
    drags: float = 0.0
    drags_s: tuple[float, float] = (5.0, 150.0)
    journaled: bool = False
    faults: int = 0
    faulty_s: float = 100.0
    close_early: bool = False
    kill: bool = False

    def __str__(self) -> str:
        """Return what is not as usual."""
        fields = attrs.fields_dict(Plan)
        unusual = {
            name: getattr(self, name)
            for name, field in fields.items()
            if getattr(self, name) != field.default
        }
        unusual.pop("groups", None)
        texts = [f"groups={len(self.groups)}"] if len(self.groups) > 1 else []
        if "deeds" in unusual:
            deeds = unusual.pop("deeds")
            texts.append(f"deeds={'|'.join(sorted({deed.name for deed in deeds}))}")
        return " ".join([*texts, *(f"{k}={v!r}" for k, v in unusual.items())])

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The user's own rules for retries."""
        if self.retry != "rules":
            return ()
        crashes = Retry([Cause.SIGNALLED, Cause.EXITED], times=2, delay=1.0)
        return crashes, Retry(Cause.STALLED, times=5), Escalate(memory=["4G", "8G"])

    def decide(
        self, failure: Verdict, history: tuple[Verdict, ...], _: Resources
    ) -> Decision | None:
        """Be the retry hook of a site."""
        mine = {Cause.EXITED, Cause.SIGNALLED, Cause.OUT_OF_MEMORY, Cause.RAISED}
        if self.retry in {"", "rules"} or failure.cause not in mine:
            return None
        if len(history) >= self.resubmits:
            return GiveUp()
        if self.retry == "escalate":
            return Again(resources=MORE)
        return Again(delay_s=3.0 * len(history))


def draw(chance: random.Random) -> Plan:
    """Return a plan."""
    plan = _draw(chance)
    if chance.random() >= _SPECULATIVE:
        return plan
    plan = attrs.evolve(plan, speculate=True, drags=chance.choice([0.0, 0.05, 0.3]))
    return _stretched(plan, chance) if chance.random() < _STRETCHED else plan


def _draw(chance: random.Random) -> Plan:
    rude = chance.random()
    ordinary = (Deed.VALUE,) * 6
    deeds = (*ordinary, *Deed) if chance.random() < 0.5 else ordinary
    few = chance.choice([1, 2, 5, 20, 60])
    long = chance.choice(
        [(0.0001, 0.01), (0.01, 0.5), (0.1, 5.0), (1.0, 20.0), (0.0001, 20.0)]
    )
    plan = Plan(
        jobs=few,
        groups=chance.choice([(Resources(),), (Resources(),), (Resources(), OTHER)]),
        deeds=deeds,
        seconds=long,
        batches=chance.choice([1, 1, 2, 8, 30]),
        pause_s=chance.choice([0.0, 0.1, 5.0, 20.0]),
        max_workers=chance.choice([None, 1, 2, 4, 8]),
        jobs_per_runner=chance.choice([None, None, None, 1, 3]),
        resubmits=chance.choice([0, 1, 3]),
        start_timeout_s=chance.choice([None, None, 20.0]),
        retry=chance.choice(["", "", "", "wait", "escalate", "rules"]),
        nodes=tuple(chance.randint(1, 4) for _ in range(chance.randint(1, 3))),
        broken_nodes=chance.choice([0, 0, 0, 0, 1]),
        walltime=chance.choice([None, None, 45.0]),
        queue_s=chance.choice([0.0, 0.5, 5.0, 30.0]),
        arrays=chance.random() < 0.7,
        accounting=chance.random() < 0.7,
        half_booked=chance.random() < 0.2,
        lag_s=chance.choice([0.0, 0.0, 0.0, 1.0, 5.0, 20.0]),
        requeue=chance.random() < 0.5,
        warns=chance.random() < 0.5,
        notices=chance.choice(["", "end", "stay"]),
        saves=chance.choice([0.0, 0.0, 0.5, 1.0]),
        rejects_hopeless=chance.random() < 0.5,
        gives_up=chance.random() < 0.5,
        clocks=chance.choice([0.0, 0.0, 5.0, 3600.0]),
        drift=chance.choice([0.0, 0.001, 0.05]),
        tick_s=chance.choice([0.5, 1.0, 1.0, 1.0, 2.0]),
        wild=chance.choice([0.0] * 7 + [0.05]),
        backlogged=chance.choice([0.0, 0.0, 0.0, 0.05]),
        journaled=chance.random() < 0.4,
        faults=0 if rude < 0.1 else chance.choice([1, 2, 5, 20, 60]),
        faulty_s=chance.choice([5.0, 20.0, 60.0, 200.0]),
        close_early=chance.random() < 0.15,
        kill=chance.random() < 0.5,
    )
    if chance.random() < _BIG:
        return _grown(plan, chance)
    return _quickened(plan, chance) if chance.random() < _QUICK else plan


def _quickened(plan: Plan, chance: random.Random) -> Plan:
    """Return a plan whose first jobs say nothing of how long the others take."""
    jobs = chance.choice([20, 60, 200])
    return attrs.evolve(plan, jobs=jobs, quick=chance.randint(1, jobs))


def _stretched(plan: Plan, chance: random.Random) -> Plan:
    """Return a plan in which some jobs are sure to take longer than others."""
    return attrs.evolve(
        plan,
        jobs=chance.choice([20, 60]),
        quick=0,
        seconds=chance.choice([(0.01, 0.5), (0.1, 5.0)]),
        drags=chance.choice([0.05, 0.3]),
        max_workers=chance.choice([4, 8]),
        jobs_per_runner=chance.choice([None, None, 3]),
        close_early=False,
    )


def _grown(plan: Plan, chance: random.Random) -> Plan:
    """Return a plan for many jobs and many runners."""
    runners = chance.choice([30, 100, 1000])
    return attrs.evolve(
        plan,
        jobs=chance.choice([300, 1000, 2000]),
        seconds=chance.choice([(0.001, 0.1), (0.1, 5.0), (1.0, 20.0)]),
        batches=chance.choice([1, 3]),
        max_workers=runners,
        most_workers=runners,
        jobs_per_runner=None,
        nodes=(runners // 10 + 1,) * 10,
        broken_nodes=0,
        queue_s=chance.choice([0.5, 5.0]),
    )
