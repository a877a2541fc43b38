"""The local backend: every runner is a process in a session of its own.

What it stands on, and where that ends:

* The handle is made before the process, and given to it in its environment, so a
  runner knows who it is however deeply a launcher has wrapped it. Process numbers
  are kept with the time of birth and never leave this package.
* Runners are children of the user's process, which alone can learn their exit
  statuses. A process that takes over (`gridmap_attach`) finds them by a file in the
  run directory, and of those that are over it knows only that they are.
* Runners are copies of one process that has imported what they need, or programs of
  their own; nobody but `start` can tell. The copies are children all the same.
* If the user's process is killed, its runners live on here. Ending them is their own
  business: a runner watches the process that started it, as it does on a cluster.
  ``PR_SET_PDEATHSIG`` is no way out: it fires when the *thread* that forked ends, and
  hooks are called from a thread that ends before the process does (prctl(2)).
* `Resources.memory_limit` bounds the private memory of each process (see `start`),
  `Resources.walltime` is enforced by a thread of this process and told to the runner
  as its deadline. ``cores`` is passed on as the number of slots and not enforced.
  Whatever else only a scheduler can give is ignored, with one warning. ``avoid`` is
  ignored: there is one node, and another try on it is better than none.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from gridmap.backend import (
    Capabilities,
    Ending,
    Handle,
    Identity,
    Killed,
    Observed,
    Reach,
    Rejected,
    Rendered,
    Seen,
    SeenState,
)
from gridmap.hookspecs import hookimpl

# What starts and ends processes is imported by the verbs that need it: nodes import
# this module only to ask who they are.

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from gridmap.backend import Autopsy, Batch, Observation, RunContext, Submission
    from gridmap.resources import Resources
    from gridmap_local.early import Zygote
    from gridmap_local.nursery import Nursery
    from gridmap_local.runner import Runner
    from gridmap_local.walltime import Walltime

GRACE_S: Final = 2.0
"""Seconds between SIGTERM and SIGKILL."""
LIMIT_S: Final = 5.0
"""Seconds the kernel gets to be done with what was killed."""


class LocalBackend:
    """Serves one run; its verbs are called from one thread.

    Args:
        clock: Seconds since some moment that is the same for all of this machine's
            processes. Dates are not: they are set back and forth.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = GRACE_S,
    ) -> None:
        self._clock = clock
        self._grace_s = grace_s
        self._runners: dict[Handle, Runner] = {}
        self._walltime: Walltime | None = None
        self._nursery: Nursery | None = None
        self._warned = False

    @hookimpl
    def gridmap_open(self, begun: Zygote | None) -> None:
        """Start what runners will be copies of, unless it was as soon as we were named."""
        from gridmap_local.nursery import Nursery  # noqa: PLC0415 - see above

        self._nursery = Nursery(begun)

    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        """Say what processes can do: no arrays to bound, and their ends are known."""
        from gridmap_local.cores import usable_cores  # noqa: PLC0415 - see above

        return Capabilities(
            reach=Reach.HOST, largest_fleet=usable_cores(), accounting=True
        )

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Show a shell script that would start the same processes."""
        from gridmap_local.start import script  # noqa: PLC0415 - see above

        return Rendered(command=("sh",), script=script(batch, context))

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Start a process for each runner, in a millisecond or two apiece.

        The first ones wait until what they are copies of is ready; see `gridmap_open`.
        """
        from gridmap_local import registry  # noqa: PLC0415 - see above
        from gridmap_local.start import start  # noqa: PLC0415 - see above

        self._warn_of_ignored(batch.resources)
        job = os.urandom(4).hex()
        walltime = batch.resources.walltime
        deadline = None if walltime is None else self._clock() + walltime
        started: dict[int, Runner] = {}
        answers: dict[int, Handle | Rejected] = {}
        for number in batch.runners:
            handle = Handle(job, str(number))
            answer = start(batch, handle, deadline, context, self._nursery)
            if isinstance(answer, Rejected):
                # They are alike: what the system refuses to one it refuses to all.
                answers = dict.fromkeys(batch.runners, answer)
                break
            started[number] = answer
        answers |= {number: runner.handle for number, runner in started.items()}
        self._adopt(started.values())
        if started:
            try:
                registry.add(started.values(), context)
            except OSError as error:
                _warn("runners cannot be found again after a crash: %s", error)
        return answers

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        """Look at the processes themselves; this cannot fail."""
        runners = self._find(handles, context)
        shown = {handle: _show(runner) for handle, runner in runners.items()}
        seen = {handle: seen for handle, seen in shown.items() if seen is not None}
        return Observed(seen=seen, absent=handles - set(seen))

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        """Tell the exit status, the signal and the peak memory of those that are over."""
        runners = self._find(handles, context)
        over = {handle: r for handle, r in runners.items() if r.check()}
        reports = {handle: runner.autopsy() for handle, runner in over.items()}
        return {handle: report for handle, report in reports.items() if report}

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        """End runners with everything they started, and wait until it is gone.

        Blocks for the grace period at most, if runners heed SIGTERM much less; and
        for up to five seconds more if the kernel has not let go of a process.
        """
        runners = self._find(handles, context)
        over = {handle for handle, runner in runners.items() if runner.check()}
        left = self._end(runners.values(), Ending.PERSON)
        answers = dict.fromkeys(handles, Killed.GONE)
        for handle, runner in runners.items():
            if runner in left:
                answers[handle] = Killed.FAILED
            elif handle not in over:
                answers[handle] = Killed.KILLED
        return answers

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen]:
        """Find the run's living runners, whichever process started them."""
        from gridmap_local import registry  # noqa: PLC0415 - see above

        runners = self._find(frozenset(registry.read(context)), context)
        living = {handle: r for handle, r in runners.items() if not r.check()}
        self._adopt(living.values())
        shown = {handle: _show(runner) for handle, runner in living.items()}
        return {handle: seen for handle, seen in shown.items() if seen is not None}

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Read what submit has put into the environment."""
        text = environ.get("GRIDMAP_LOCAL_HANDLE")
        if text is None:
            return None
        job, _, task = text.partition(".")
        deadline = environ.get("GRIDMAP_LOCAL_DEADLINE")
        date = time.time() - self._clock()  # noqa: TID251 - core's deadlines are dates
        slots = environ.get("GRIDMAP_LOCAL_SLOTS")
        return Identity(
            handle=Handle(job, task or None),
            deadline=date + float(deadline) if deadline else None,
            slots=int(slots) if slots else None,
        )

    @hookimpl
    def gridmap_close(self, context: RunContext) -> None:
        """End what is left of the runners started here; let go of attached ones."""
        from gridmap_local import registry  # noqa: PLC0415 - see above

        if self._nursery is not None:
            self._nursery.close()
        if self._walltime is not None:
            self._walltime.stop()
        started = [runner for runner in self._runners.values() if runner.child]
        if started and self._end(started, Ending.PERSON):
            _warn("some processes of run %s could not be ended", context.name)
        self._runners.clear()
        if all(runner.check() for runner in registry.read(context).values()):
            registry.remove(context)

    def _adopt(self, runners: Iterable[Runner]) -> None:
        from gridmap_local.walltime import Walltime  # noqa: PLC0415 - see above

        found = list(runners)
        self._runners |= {runner.handle: runner for runner in found}
        if self._walltime is None:
            self._walltime = Walltime(
                lambda due: self._end(due, Ending.SCHEDULER_LIMIT), self._clock
            )
        self._walltime.watch(found)

    def _find(
        self, handles: frozenset[Handle], context: RunContext
    ) -> dict[Handle, Runner]:
        from gridmap_local import registry  # noqa: PLC0415 - see above

        if handles - set(self._runners):
            self._runners = registry.read(context) | self._runners
        return {h: self._runners[h] for h in handles if h in self._runners}

    def _end(self, runners: Collection[Runner], why: Ending) -> set[Runner]:
        from gridmap_local.ending import end  # noqa: PLC0415 - see above

        for runner in runners:
            if not runner.check() and runner.ordered is None:
                runner.ordered = why
        return end(list(runners), grace_s=self._grace_s, limit_s=LIMIT_S)

    def _warn_of_ignored(self, resources: Resources) -> None:
        names = ("queue", "account", "gpus", "nodes", "options", "native")
        ignored = [name for name in names if getattr(resources, name)]
        if ignored and not self._warned:
            self._warned = True
            _warn(
                "the local backend ignores %s: there is no scheduler to ask for it",
                ", ".join(ignored),
            )


def _warn(text: str, *values: object) -> None:
    """Tell the user; nodes have nothing to tell, and start without what it takes."""
    import logging  # noqa: PLC0415 - 3 ms of each runner's start

    logging.getLogger(__name__).warning(text, *values)


def _show(runner: Runner) -> Seen | None:
    """Return what can be seen of a runner, None if there is nothing to be seen.

    The end of a child is seen: the kernel reports it. Of another's process it is only
    seen that it is not there.
    """
    from gridmap_local import processes  # noqa: PLC0415 - see above

    node = os.uname().nodename
    if runner.check():
        if not runner.child or runner.end is None:
            return None
        return Seen(state=SeenState.ENDED, raw=runner.end.text, node=node)
    row = runner.state()
    if row is None:
        return Seen(state=SeenState.ENDING, raw="not in the process table", node=node)
    # Not suspended: no scheduler did that, and none will let it go on.
    stopped = ", stopped by a signal" if row.state is processes.State.STOPPED else ""
    return Seen(
        state=SeenState.RUNNING,
        raw=row.letter,
        reason=f"process {row.pid}{stopped}",
        node=node,
    )
