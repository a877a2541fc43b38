"""How many runners there may be, and whose they are. Pure.

A run has a limit, of runners or of their cores. Under it a group that has jobs and no
runner comes before one that has some: an idle runner goes for it at once, one that waits
in the scheduler's queue likewise, and after a while those that are up as they end what
they hold. What becomes free one by one is kept for it until it suffices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.lifecycle import RunnerState

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group

STARVING_S: Final = 60.0
"""How long a group may lack runners before another group gives one up for it."""


class Room:
    """Shares the room for runners among the groups of a run."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def free(self, group: Group, *, without: Runner | None = None) -> int:
        """Return how many more runners there may be for a group.

        Args:
            group: The group.
            without: A runner that is there, and is taken for gone; None: none is.

        Returns:
            Less than 0 where there are more than there may be, as after a run was
            resumed with another limit.
        """
        policy, capabilities = self._books.policy, self._books.capabilities
        fleet, starving = self._books.fleet, self.starving(group)
        taken, cores = fleet.crew.living, fleet.cores.living
        if starving is not None:
            # What becomes free is kept, lest cores that go one by one never suffice.
            taken, cores = taken + 1, cores + starving.resources.cores
        if without is not None:
            taken, cores = taken - 1, cores - without.group.resources.cores
        if policy.max_workers is not None:
            return policy.max_workers - taken
        free = policy.most_workers - taken
        largest = capabilities.largest_fleet if capabilities else None
        if largest is None:
            return free
        room = (largest - cores) // group.resources.cores
        # One that asks for more than there is has to be tried all the same.
        return min(free, room if cores else max(room, 1))

    def may_grow(self, group: Group) -> bool:
        """Tell whether there may be more runners than there are, and jobs for them."""
        return group.crew.living < group.open and self.free(group) > 0

    def starving(self, group: Group) -> Group | None:
        """Return another group that runners of this one are to make room for.

        It is the one that has lacked a runner longest, and for long. One whose runner is
        in the scheduler's queue, or that is not to ask again yet, has no use for more.
        """
        books = self._books
        for other in books.starving:  # the longest first
            since = other.starved_since
            long = since is not None and books.now - since > STARVING_S
            asks = not other.crew.living and other.hire_at <= books.now
            if long and asks and other.queued:
                return None if other is group else other
        return None

    def fed(self, group: Group) -> None:
        """A group has what it needs."""
        if group.starved_since is not None:
            group.starved_since = None
            if group in self._books.starving:
                self._books.starving.remove(group)

    def give_up(self, group: Group, *, full: bool) -> Runner | None:
        """Return another group's runner that is to go for a group that has none.

        Args:
            group: The group.
            full: Whether the run has all the runners it may have; else it is the
                scheduler that may have no room for more.

        Returns:
            One that is not missed: it has nothing to do, or waits in the scheduler's
            queue. None if there is none.
        """
        books = self._books
        if group.starved_since is None:
            group.starved_since = books.now
        if full and not group.crew.living and group not in books.starving:
            books.starving.append(group)
        if not full and books.now - group.starved_since < STARVING_S:
            return None
        for other in books.jobs.groups.values():
            if other is not group and other.idle and not other.queued:
                return books.fleet.runners[next(iter(other.idle))]
        if not full or group.crew.living:
            return None
        return self._spare(group)

    def _spare(self, group: Group) -> Runner | None:
        """Return a runner in the queue whose place would do for a group."""
        others = [r for r in self._books.fleet if r.group is not group]
        queued = [r for r in others if r.state is RunnerState.QUEUED]
        # The newest of them: the others may be about to come.
        spare = max(queued, key=lambda r: (r.group.crew.living, r.number), default=None)
        if spare is None or spare.group.crew.living <= 1:
            return None
        # Where that is not enough room, its own group would ask for another in its
        # place, which would be killed likewise, and so for ever; unless there are too
        # many as it is.
        enough = self.free(group, without=spare) > 0 or self.free(group) < 0
        return spare if enough else None
