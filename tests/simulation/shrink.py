"""From a failing seed to a shorter story with the same ending."""

from __future__ import annotations

import ast
import random
import shlex
from typing import TYPE_CHECKING, Any

import attrs
from tests.simulation.plan import Plan, draw
from tests.simulation.simulation import Failure, Simulation, run_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MOST_RUNS = 400

_SIMPLER: dict[str, tuple[Any, ...]] = {
    "jobs": (1, 2, 5, 20),
    "nodes": ((1,), (1, 1), (2, 2)),
    "batches": (1,),
    "pause_s": (0.0,),
    "max_workers": (1, 2),
    "retry": ("",),
    "wild": (0.0,),
    "lag_s": (0.0,),
    "clocks": (0.0,),
    "drift": (0.0,),
    "backlogged": (0.0,),
    "broken_nodes": (0,),
    "start_timeout_s": (None,),
    "jobs_per_runner": (None,),
    "walltime": (None,),
    "half_booked": (False,),
    "gives_up": (False,),
    "requeue": (False,),
    "warns": (False,),
    "arrays": (False,),
    "accounting": (True,),
    "rejects_hopeless": (False,),
    "close_early": (False,),
    "queue_s": (0.0,),
}


@attrs.frozen
class Recipe:
    """All that makes one run what it is.

    Attributes:
        seed: Its seed.
        changes: What of the seed's plan is otherwise.
        without: Numbers of faults that are left out.
    """

    seed: int
    changes: dict[str, Any] = attrs.field(factory=dict)
    without: frozenset[int] = frozenset()

    @classmethod
    def read(cls, seed: int, changes: Iterable[str], without: Iterable[int]) -> Recipe:
        """Return what a command line says."""
        pairs = (change.split("=", 1) for change in changes)
        read = {name: ast.literal_eval(value) for name, value in pairs}
        return cls(seed, read, frozenset(without))

    def __str__(self) -> str:
        """Return the command line."""
        text = f"--seed {self.seed}"
        if self.changes:
            pairs = (f"{k}={v!r}" for k, v in self.changes.items())
            text += " --with " + " ".join(shlex.quote(pair) for pair in pairs)
        if self.without:
            text += " --without " + " ".join(map(str, sorted(self.without)))
        return text

    @property
    def plan(self) -> Plan:
        """The plan of this run."""
        plan = draw(random.Random(f"plan {self.seed}"))  # noqa: S311 - it hides nothing
        return attrs.evolve(plan, **self.changes)

    def simulation(self) -> Simulation:
        """Return the run, not begun."""
        simulation = Simulation(self.seed, self.plan)
        simulation.faults.muted = self.without
        return simulation

    def run(self) -> Failure | None:
        """Run it; return what it shows."""
        return run_seed(self.simulation())


def shrink(recipe: Recipe, say: Callable[[str], None] = lambda _: None) -> Recipe:
    """Return a recipe for the same failure with a story as short as could be found."""
    best = recipe.run()
    if best is None:
        return recipe
    runs, kind = 1, best.kind
    say(f"seed {recipe.seed} shows {kind}; looking for a shorter story")
    better = True
    while better and runs < _MOST_RUNS:
        better = False
        for candidate in _simpler(recipe):
            runs += 1
            failure = candidate.run()
            if failure is not None and failure.kind == kind:
                recipe, better = candidate, True
                break
            if runs >= _MOST_RUNS:
                break
    return recipe


def _simpler(recipe: Recipe) -> Iterator[Recipe]:
    plan = recipe.plan
    for fewer in (plan.faults // 2, plan.faults - 1):
        if 0 <= fewer < plan.faults:
            yield _changed(recipe, "faults", fewer)
    for name, values in _SIMPLER.items():
        now = getattr(plan, name)
        for value in values:
            if value == now:
                break
            if (
                isinstance(value, int)
                and value
                and isinstance(now, int)
                and value > now
            ):
                break
            yield _changed(recipe, name, value)
    for stroke in range(plan.faults, 0, -1):
        if stroke not in recipe.without:
            yield attrs.evolve(recipe, without=recipe.without | {stroke})


def _changed(recipe: Recipe, name: str, value: Any) -> Recipe:
    return attrs.evolve(recipe, changes={**recipe.changes, name: value})
