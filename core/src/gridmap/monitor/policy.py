"""The numbers a ledger is run by, and what it asks others to decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from gridmap.concealing import Concealing
from gridmap.resources import Resources
from gridmap.retry import Again, Decision, Rule, choose, guilty
from gridmap.verdict import Cause, Verdict

if TYPE_CHECKING:
    from gridmap.backend import Handle
    from gridmap.monitor.surroundings import Surroundings

RetryHook: TypeAlias = Callable[
    [Verdict, tuple[Verdict, ...], Resources], "Decision | None"
]


MOST_WORKERS: Final = 1000
"""Runners a run has at most where its user says nothing."""


def no_opinion(*_: object) -> None:
    """Leave every decision to core."""


class Policy(Concealing, msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked to be.

    Attributes:
        token: The run's token, for events.
        max_workers: Runners at most, at a time; None: as many as jobs, within
            ``most_workers`` and the backend's wish.
        most_workers: Bound on the above where the user sets none.
        jobs_per_runner: Jobs after which a runner ends; None: no bound.
        resubmits: How often a job is run again for causes not its own.
        interval_s: Seconds between heartbeats.
        silence_s: Silence after which a runner is given up.
        stall_s: Time without any CPU, I/O or progress after which a job is ended;
            None: never.
        start_timeout_s: How long the scheduler may leave all runners of a group
            waiting; None: for ever.
        connect_s: How long a runner may be shown as running without a hello.
        query_s: Seconds between questions to the scheduler while runners wait.
        orphan_s: How long runners outlive the monitor.
        grace_s: How long a checkpoint may take.
        python: Major and minor version that runners must have.
        surroundings: What jobs find on their nodes; grows as jobs are added.
        compression: How runners compress results.
        retry: The hook; its None leaves it to the rules.
        rules: The user's rules, in the order in which they are asked.
        log_path: Where a runner's log lies; None if logs are not kept.
        name: How the user knows a job.
        epoch_s: Seconds since the epoch at the ledger's time 0.
        journaled: Whether changes are to be written down.
        speculate: Whether jobs that take much longer than their like are begun a
            second time.
    """

    concealed = frozenset({"surroundings"})

    token: str = "0"  # noqa: S105 - names the run, proves nothing
    max_workers: int | None = None
    most_workers: int = MOST_WORKERS
    jobs_per_runner: int | None = None
    resubmits: int = 3
    interval_s: float = 10.0
    silence_s: float = 90.0
    stall_s: float | None = 3600.0
    start_timeout_s: float | None = None
    connect_s: float = 60.0
    query_s: float = 60.0
    orphan_s: float = 600.0
    grace_s: float = 60.0
    python: tuple[int, int] = (3, 11)
    surroundings: list[Surroundings] = msgspec.field(default_factory=list)
    compression: str = "auto"
    retry: RetryHook = no_opinion
    rules: tuple[Rule, ...] = ()
    log_path: Callable[[Handle], str] | None = None
    name: Callable[[int], str] = "job {}".format
    epoch_s: float = 0.0
    journaled: bool = False
    speculate: bool = False

    def decide(
        self, failure: Verdict, history: tuple[Verdict, ...], resources: Resources
    ) -> Decision:
        """Ask the hook, then the user's rules, then core's own.

        Nodes that look guilty are left out of the next attempt, whoever decided it.
        """
        answer = self.retry(failure, history, resources)
        if answer is None:
            answer = choose(self.rules, failure, history, resources, self.resubmits)
        if isinstance(answer, Again):
            avoid = answer.avoid | guilty((*history, failure))
            answer = msgspec.structs.replace(answer, avoid=avoid)
        return answer

    def forgives(self, cause: Cause) -> bool:
        """Whether the user said of a cause that jobs that ended so are run again."""
        return any(rule.forgives(cause) for rule in self.rules)
