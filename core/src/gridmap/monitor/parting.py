"""Runners that were told to end, until they have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.backend import SeenState

if TYPE_CHECKING:
    from gridmap.backend import Seen
    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.staffing import Staffing

_KILL_AGAIN_S: Final = 10.0

_CUT_OFF_S: Final = 5.0
"""How long after its connection broke a runner that was killed may still be shown."""


class Parting:
    """Waits for runners to end, longer and longer.

    On a node that is gone a runner never ends, or only when the scheduler gives the
    node up. Once the scheduler is to end it, a run that is over need not wait for that.
    """

    def __init__(self, books: Books, staffing: Staffing) -> None:
        self._books = books
        self._staffing = staffing

    def linger(self, runner: Runner, seen: Seen) -> None:
        """Take in that a runner which is to end is still there."""
        books = self._books
        ending = seen.state is SeenState.ENDING
        if books.closing and ending and self._is_cut_off(runner):
            self._staffing.remove(runner, "its node is silent; left to the scheduler")
            return
        sent = runner.kill_sent
        if sent is None or (not ending and books.now - sent > _KILL_AGAIN_S):
            runner.kill_sent = books.now
            if runner.handle is not None:
                books.kill({runner.handle})
        patient = books.now - runner.since > _KILL_AGAIN_S and not books.closing
        most = books.policy.query_s if patient else 2.0
        runner.look_again(books.now, least=0.2, most=most)

    def _is_cut_off(self, runner: Runner) -> bool:
        """Tell whether nothing more will be heard: of itself, or by way of its node.

        One that was given up may have spoken once more before it ended, which the
        scheduler does not learn while the node's daemon is dead.
        """
        broke = runner.broke_at
        hung_up = broke is not None and self._books.now - broke > _CUT_OFF_S
        return runner.given_up or hung_up
