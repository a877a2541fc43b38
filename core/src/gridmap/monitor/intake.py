"""Where jobs are handed in: numbered, stored, and told to the rules."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from gridmap.monitor import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.monitor.resumption import Resumption
    from gridmap.monitor.store import Store
    from gridmap.payload import Parcel
    from gridmap.resources import Resources
    from gridmap.retry import Rule


class Intake:
    """Takes jobs in, from any thread."""

    def __init__(
        self,
        store: Store,
        tell: Callable[[facts.Fact], None],
        check: Callable[[Resources], None],
        rules: Sequence[Rule],
        resumption: Resumption | None,
    ) -> None:
        """Begin without jobs.

        Args:
            store: Where functions and inputs are kept.
            tell: Tells the rules a fact; returns at once.
            check: Lets the backend refuse what it cannot put to its scheduler.
            rules: The user's rules for trying jobs again: they may ask for more.
            resumption: What is to be done besides, if the run has a name to resume it
                by.
        """
        self._store = store
        self._tell = tell
        self._check = check
        self._rules = rules
        self._resumption = resumption
        self._jobs = 0
        self._lock = threading.Lock()
        self._checked: set[Resources] = set()

    def add(
        self,
        function: Callable[..., Any],
        inputs: Sequence[bytes | Parcel],
        resources: Resources,
        *,
        surroundings: int,
        more: bool,
        final: bool,
        names: Sequence[str],
    ) -> range:
        """Take in calls of one function; see `JobMonitor.add_encoded`."""
        if resources not in self._checked:
            self._check_all(resources)
        digest = self._store.functions.add(function)
        with self._lock:
            first = self._jobs
            stop = first + len(inputs)
            fresh = inputs
            try:
                if self._resumption is not None:
                    fresh = self._resumption.fresh(first, function, inputs)
                jobs = range(stop - len(fresh), stop)
                self._store.add_inputs(jobs.start, fresh)
            except BaseException:
                self._store.functions.need(digest, -1)
                raise
            self._store.called(jobs, digest, surroundings)
            self._jobs = stop  # only now: numbers have no gaps, whatever was refused
            if jobs:
                added = facts.JobsAdded(
                    first=jobs.start,
                    stop=stop,
                    function=digest,
                    resources=resources,
                    surroundings=surroundings,
                    more=more,
                    final=final,
                    names=tuple(names[-len(jobs) :]),
                )
                if self._resumption is not None:
                    self._resumption.added(added, fresh)
                self._tell(added)
            elif final:
                self._tell(facts.Sealed())
        return range(first, stop)

    def _check_all(self, resources: Resources) -> None:
        """Have a kind of job refused before one is taken in, or may need more."""
        self._check(resources)
        for rule in self._rules:
            for request in rule.requests(resources):
                self._check(request)
        self._checked.add(resources)
