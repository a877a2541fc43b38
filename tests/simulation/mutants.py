"""Rules that are broken on purpose: the simulation must find each of them.

``python -m tests.simulation.mutants`` says how many seeds that takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import attrs
from tests.simulation.simulation import run_seed

from gridmap.backend import Ending
from gridmap.lifecycle import JobStep
from gridmap.monitor import diagnosis, testimony, twins
from gridmap.monitor import instructions as i
from gridmap.monitor.books import Books
from gridmap.monitor.cancellation import Cancellation
from gridmap.monitor.doubles import Doubles
from gridmap.monitor.fleet import Runner
from gridmap.monitor.hearing import Hearing
from gridmap.monitor.inquest import Inquest
from gridmap.monitor.jobs import JobTable
from gridmap.monitor.ledger import Ledger
from gridmap.monitor.parting import Parting
from gridmap.monitor.past import Restored
from gridmap.monitor.policy import Policy
from gridmap.monitor.speculation import Speculation
from gridmap.monitor.staffing import Staffing
from gridmap.monitor.supply import Supply
from gridmap.protocol import messages as m
from gridmap.protocol.sessions import Unacknowledged
from gridmap.retry import Again
from gridmap.runner.workload import Workload
from gridmap.verdict import Cause


@attrs.frozen
class Mutant:
    """One rule, broken.

    Attributes:
        name: What is done instead.
        where: The class or module in which.
        what: Name of the function, method or table there.
        instead: Given what is there, what takes its place.
        within: In so many seeds it must be found.
    """

    name: str
    where: Any
    what: str
    instead: Callable[[Any], Any]
    within: int = 400

    def search(self, first: int = 0) -> tuple[int, str] | None:
        """Return how many seeds it took and what they showed; None if all went well."""
        right = getattr(self.where, self.what)
        setattr(self.where, self.what, self.instead(right))
        try:
            for seed in range(first, first + self.within):
                failure = run_seed(seed)
                if failure is not None:
                    return seed - first + 1, failure.kind
        finally:
            setattr(self.where, self.what, right)
        return None


def _never(_: Any) -> Any:
    return lambda *_, **__: None


def _no_fence(right: Any) -> Any:
    def report(self: Hearing, runner: Runner, message: m.Report) -> None:
        if message.grant not in runner.grants:
            stop = message.first + message.count
            self._books.ask(i.Deliver(first=message.first, stop=stop, offset=0))
        right(self, runner, message)

    return report


def _ack_first(right: Any) -> Any:
    def heard(self: Ledger, fact: Any) -> None:
        right(self, fact)
        out = self._books.out
        acks = [
            x for x in out if isinstance(x, i.Send) and isinstance(x.message, m.Ack)
        ]
        self._books.out = [*acks, *(x for x in out if x not in acks)]

    return heard


def _absence_is_enough(right: Any) -> Any:
    def over(self: Inquest, runner: Runner) -> None:
        if runner.absent and runner.nonce and runner.look_at is not None:
            self.release(runner, [*runner.statements, *testimony.of_sight(runner)])
            self._staffing.remove(runner, "gone")
        else:
            right(self, runner)

    return over


def _absence_is_success(right: Any) -> Any:
    def release(self: Inquest, runner: Runner, said: Any) -> None:
        grant = next(iter(runner.grants.values()), None)
        if runner.absent and grant is not None and grant.next is not None:
            job = grant.next
            self._books.settle(grant, job, job + 1)
            self._books.jobs.end(grant.group, job, job + 1, JobStep.SUCCEED)
        right(self, runner, said)

    return release


def _always_again(_: Any) -> Any:
    return lambda *_: Again()


def _settle_only(_: Any) -> Any:
    def put_back(self: Books, grant: Any, first: int, stop: int) -> None:
        for run_first, run_stop in list(grant.runs(first, stop)):
            self.settle(grant, run_first, run_stop)

    return put_back


def _no_hiccup(right: Any) -> Any:
    def tick(self: Ledger, fact: Any) -> None:
        self._ticked = self._books.now
        right(self, fact)

    return tick


def _person_unknown(right: Any) -> Any:
    return {**right, Ending.PERSON: Cause.SIGNALLED}


def _no_past(right: Any) -> Any:
    def begin_again(self: Runner) -> None:
        right(self)
        self.past.clear()

    return begin_again


def _nothing_held(_: Any) -> Any:
    return lambda *_: 0


def _both_count(_: Any) -> Any:
    def win(books: Books, second: Any, first: Any) -> None:
        twins._part(books, second)
        twins._publish(books, second, "won", "")
        twins._succeed(books, second, None)
        books.revoked.append(first)

    return win


def _counts_as_it_is(right: Any) -> Any:
    def heard(self: Speculation, runner: Runner, message: m.FromRunner) -> None:
        second = runner.second
        if isinstance(message, m.Report) and second is not None:
            job = second.span.first
            self._books.ask(i.Deliver(first=job, stop=job + 1, offset=0))
        else:
            right(self, runner, message)

    return heard


def _like_the_first(_: Any) -> Any:
    return lambda _self, _job, attempt: attempt


def _fails_the_job(_: Any) -> Any:
    def failed(self: Speculation, second: Any, _: str) -> None:
        first, job = second.twin, second.span.first
        runner = self._books.fleet.runners[second.runner]
        verdict = self._books.verdict(job, second.span.attempt, [], runner)
        if not self._books.end_attempt(first, job, verdict):
            self._books.ask(i.DeliverVerdict(job=job, verdict=verdict))

    return failed


def _as_if_alone(_: Any) -> Any:
    def split(_books: Books, grant: Any) -> None:
        grant.twin = None  # nobody knows of the second any more

    return split


MUTANTS = (
    Mutant("results of closed grants count", Hearing, "_report", _no_fence),
    Mutant("acknowledge before delivery", Ledger, "_heard", _ack_first, 1500),
    Mutant("forget jobs that are handed back", Books, "put_back", _settle_only),
    Mutant("do not ask accounting", Inquest, "_over", _absence_is_enough, 1500),
    Mutant("absence is success", Inquest, "release", _absence_is_success),
    Mutant("silence has no limit", Inquest, "_give_up", _never),
    Mutant("run all again, for ever", Policy, "decide", _always_again),
    Mutant("hold a stop of our own against runners", Ledger, "_tick", _no_hiccup, 1500),
    Mutant("a person's kill is a crash", diagnosis, "_ENDINGS", _person_unknown),
    Mutant("forget earlier lives", Runner, "begin_again", _no_past, 1500),
    Mutant("cancel only what waits", Cancellation, "_end_granted", _never),
    Mutant("do not kill what lingers", Parting, "linger", _never),
    Mutant("runners do not keep what they said", Unacknowledged, "keep", _never),
    Mutant("jobs of a dead worker are lost", Workload, "_take_back", _never),
    Mutant("lose what the worker is to skip", Workload, "cleared", _never, 1500),
    Mutant("do not compare what a runner holds", Supply, "compare", _never),
    Mutant("do not take surplus out of the queue", Staffing, "drop_surplus", _never),
    Mutant("number grants anew on resuming", JobTable, "number_grants_from", _never),
    Mutant("take nothing for granted on resuming", Restored, "_valid", _nothing_held),
    Mutant("forget results on resuming", Restored, "_done", _never),
    Mutant("first and second attempt count", twins, "win", _both_count),
    Mutant("second counts without a place", Speculation, "heard", _counts_as_it_is),
    Mutant("second has the first one's number", Doubles, "after", _like_the_first),
    Mutant("second that fails fails the job", Speculation, "_failed", _fails_the_job),
    Mutant("retry although the second runs", twins, "split", _as_if_alone),
)


def main() -> int:
    """Say of each mutant how many seeds it takes to find it."""
    missed, wanted = 0, sys.argv[1:]
    for mutant in MUTANTS:
        if wanted and not any(word in mutant.name for word in wanted):
            continue
        found = mutant.search()
        missed += found is None
        text = f"seed {found[0]}: {found[1]}" if found else f"not in {mutant.within}"
        sys.stdout.write(f"{mutant.name:45} {text}\n")
        sys.stdout.flush()
    return missed


if __name__ == "__main__":
    sys.exit(main())
