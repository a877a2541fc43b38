"""What an open run consists of: its store, rules, threads and who watches it.

Not imported before a run is opened, since backends begin to start runners then, and
those take as long to import what they need.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from gridmap import plugins
from gridmap.backend import Reach
from gridmap.control.recorder import Recorder
from gridmap.control.register import Register
from gridmap.events import RunEnded, RunStarted
from gridmap.monitor import facts
from gridmap.monitor.apart import Apart
from gridmap.monitor.errands import ErrandRunner
from gridmap.monitor.instructions import SubmitRunners
from gridmap.monitor.intake import Intake
from gridmap.monitor.keeping import make_keeper
from gridmap.monitor.large import LargeFrames
from gridmap.monitor.ledger import Ledger
from gridmap.monitor.neighbours import Neighbours
from gridmap.monitor.observers import Observers
from gridmap.monitor.orders import RunOrders
from gridmap.monitor.pieces import Pieces
from gridmap.monitor.policy import Policy
from gridmap.monitor.service import MonitorService
from gridmap.monitor.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gridmap.control.kept import Keeper
    from gridmap.journal.parking import Parked
    from gridmap.monitor.opening import Opened
    from gridmap.monitor.plan import RunPlan
    from gridmap.monitor.resumption import Resumption
    from gridmap.monitor.surroundings import Surroundings
    from gridmap.plugins import RunPlugins
    from gridmap.resources import Resources

_log = logging.getLogger(__name__)

_GENTLE_S: Final = 10.0
_FORCED_S: Final = 60.0


class Engine:
    """The parts of one open run, put together.

    Attributes:
        opened: The run.
        store: What its jobs are made of.
        intake: Where jobs are handed in.
    """

    def __init__(
        self,
        opened: Opened,
        plan: RunPlan,
        surroundings: list[Surroundings],
        resumption: Resumption | None,
    ) -> None:
        """Put them together; nothing runs yet.

        Args:
            opened: The run.
            plan: What it is to be.
            surroundings: Those of its jobs, by number; may grow.
            resumption: What is to be done besides, if it has a name to resume it by.
        """
        self.opened, self._plan, self._resumption = opened, plan, resumption
        self._process = os.getpid()
        keeper = None
        if resumption is None:  # a journal has all inputs
            keeper = make_keeper(plan.settings, surroundings, plan.job_path)
        self.store = _store(opened, plan, resumption, keeper)
        self._ledger = Ledger(
            _policy(opened, plan, surroundings, journaled=resumption is not None),
            time.monotonic(),
        )
        self._recorder = Recorder(
            Register(plan.settings.records()),
            plan.settings.keep_records,
            kept=resumption is not None,
            keeper=keeper,
        )
        self._watch = Observers([*plan.observers, ("gridmap", self._recorder)])
        self._service = MonitorService(
            opened.socket,
            self._ledger,
            self.store,
            plan.sink,
            self._watch,
            Neighbours(opened.evidence),
            LargeFrames(
                Apart(opened.bulk),
                Pieces(opened.socket.send, plan.settings.max_message_bytes),
            ),
            resumption.log if resumption else None,
        )
        self._errands = ErrandRunner(opened.plugins, opened.launch, self._service.tell)
        self.intake = Intake(
            self.store,
            self._service.tell,
            functools.partial(_check, opened.plugins, self._errands),
            plan.rules,
            resumption,
        )

    def start(
        self,
        surround: Callable[[Mapping[str, str], str], int],
        watch: Callable[..., Callable[[], None]],
    ) -> None:
        """Take over what an earlier driver left, and begin.

        Args:
            surround: See `JobMonitor.surround`.
            watch: See `JobMonitor.watch`.
        """
        opened, plan = self.opened, self._plan
        parked: Sequence[Parked] = ()
        if self._resumption is not None:
            parked = self._resumption.restore(
                self._ledger, self.store, plan.sink, surround
            )
        orders = RunOrders(plan.name, plan.sink, self._service.tell, watch)
        self._recorder.obey(orders)
        self._watch.tell(
            RunStarted(
                run=opened.token,
                at=_now(),
                name=plan.name,
                backend=opened.backend,
                directory=str(opened.directory.path),
                completion_mail=plan.completion_mail,
                settings=plan.settings.told(),
            )
        )
        self._errands.start(opened.capabilities)
        self._service.start(self._errands, parked)
        self.tell(facts.BackendReady(capabilities=opened.capabilities))

    def tell(self, fact: facts.Fact) -> None:
        """Tell the rules something, from any thread; returns at once."""
        self._service.tell(fact)

    # The end ------------------------------------------------------------------------

    def end_runners(self, *, kill: bool) -> None:
        """Let runners end by themselves, or kill them, and see them gone."""
        self.tell(facts.Closed(kill=kill))
        if not kill and not self._service.join(_GENTLE_S):
            kill = True
            self.tell(facts.Closed(kill=True))
        if kill and not self._service.join(_FORCED_S):
            _log.error(
                "runners of run %s may still be there: the scheduler did not "
                "confirm their end within %g s",
                self.opened.directory.name,
                _FORCED_S,
            )

    def end_threads(self, error: BaseException | None) -> None:
        """End the threads and tell observers.

        Args:
            error: What the run ended with, if it did.
        """
        try:
            self._errands.finish(_GENTLE_S)
        finally:
            self._watch.tell(
                RunEnded(
                    run=self.opened.token,
                    at=_now(),
                    error=None if error is None else plugins.describe(error),
                    # The last errand may still have asked while its thread ended.
                    queries=self.opened.plugins.context.desk.counts,
                    turned_away=self._service.turned_away,
                )
            )
            self._watch.finish(_GENTLE_S)

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the one whose run it is: a mere copy."""
        return os.getpid() != self._process

    @property
    def failed(self) -> bool:
        """Whether a job ended badly for good."""
        return self._recorder.failed


def _check(run: RunPlugins, errands: ErrandRunner, resources: Resources) -> None:
    """Let the backend refuse what it cannot put to its scheduler."""
    probe = SubmitRunners(runners=(1,), resources=resources, avoid=frozenset())
    run.render(errands.batch(probe, probe.runners))


def _store(
    opened: Opened,
    plan: RunPlan,
    resumption: Resumption | None,
    keeper: Keeper | None,
) -> Store:
    return Store(
        plan.settings.compression,
        plan.settings.max_message_bytes,
        resumption.run.note if resumption else None,
        keeper,
        neighbours=opened.capabilities.reach is Reach.HOST,
    )


def _policy(
    opened: Opened,
    plan: RunPlan,
    surroundings: list[Surroundings],
    *,
    journaled: bool,
) -> Policy:
    settings = plan.settings
    return Policy(
        token=opened.token,
        max_workers=settings.max_workers,
        jobs_per_runner=plan.jobs_per_runner,
        resubmits=settings.num_resubmits,
        interval_s=settings.heartbeat_interval,
        silence_s=settings.silence_limit,
        stall_s=settings.stall_limit,
        start_timeout_s=settings.start_timeout,
        query_s=settings.query_interval,
        orphan_s=settings.orphan_time,
        grace_s=settings.checkpoint_grace,
        python=sys.version_info[:2],
        surroundings=surroundings,
        compression=settings.compression,
        retry=opened.plugins.retry,
        rules=plan.rules,
        log_path=None if settings.keep_logs == "never" else opened.directory.log_path,
        name=plan.job_name,
        epoch_s=_now() - time.monotonic(),
        journaled=journaled,
        speculate=settings.speculate,
    )


def _now() -> float:
    return time.time()  # noqa: TID251 - the shell's clock
