"""Letting runners in that say hello, or refusing them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle
from gridmap.events import RunnerUp
from gridmap.journal import entries as e
from gridmap.lifecycle import RunnerState, RunnerStep
from gridmap.monitor import diagnosis, testimony
from gridmap.monitor.fleet import MOST_IN_VAIN
from gridmap.monitor.instructions import Forget, Send
from gridmap.monitor.surroundings import Surroundings
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.inquest import Inquest
    from gridmap.monitor.jobs import Group
    from gridmap.monitor.starting import Starting
    from gridmap.monitor.succession import Succession
    from gridmap.monitor.supply import Supply


_SPARE_GREETINGS: Final = 16
"""How many more than twice the runners that may come are kept waiting."""

_NAMELESS: Final = (
    "its backend's gridmap_identify found nothing in the environment on the node that "
    "tells which runner it is"
)


class Greeting:
    """Answers hellos."""

    def __init__(
        self,
        books: Books,
        starting: Starting,
        inquest: Inquest,
        supply: Supply,
        succession: Succession,
    ) -> None:
        self._books = books
        self._starting = starting
        self._inquest = inquest
        self._supply = supply
        self._succession = succession
        self._early: dict[Handle, tuple[bytes, m.Hello]] = {}

    def submitted(self, accepted: list[Runner]) -> None:
        """See to those who were quicker than the scheduler's answer."""
        for runner in accepted:
            if runner.handle in self._early:
                self.hello(*self._early.pop(runner.handle))
        if not any(r.state is RunnerState.REQUESTED for r in self._books.fleet):
            for peer, hello in list(self._early.values()):
                self.hello(peer, hello)  # nobody is left whom it could be
            self._early.clear()

    def hello(self, peer: bytes, hello: m.Hello) -> None:
        """Let a runner in, refuse it, or wait for the word that it is one of ours."""
        books = self._books
        handle = Handle(hello.job, hello.task) if hello.job else None
        runner = books.fleet.by_handle.get(handle) if handle else None
        if runner is None:
            awaited = any(r.state is RunnerState.REQUESTED for r in books.fleet)
            if handle is not None and awaited:
                self._wait(handle, peer, hello)
            else:
                unknown = f"this run has no runner {handle}, or no more"
                self._refuse(peer, unknown if handle else _NAMELESS)
            return
        text = diagnosis.refusal(hello, version=m.VERSION, python=books.policy.python)
        ended = runner.over and not runner.absent
        unwanted = runner.state is RunnerState.STOPPING or ended or books.closing
        if text is None and unwanted:
            text = "it is no longer wanted"
        if text is None and runner.in_vain > MOST_IN_VAIN:
            text, unwanted = "it said too much that led nowhere", True
        if text is None and hello.nonce in runner.past:
            text, unwanted = "it was started again elsewhere", True
        if text is not None:
            self._refuse(peer, text)
            if not unwanted:
                runner.node = hello.node
                statement = Statement(
                    witness=Witness.RUNNER, text=text, cause=Cause.ENVIRONMENT_BROKEN
                )
                self._starting.broken(runner, statement)
        else:
            self._admit(runner, peer, hello)

    def _wait(self, handle: Handle, peer: bytes, hello: m.Hello) -> None:
        """Keep a greeting for the scheduler's answer, as long as few are kept.

        Who is not kept says hello again, since it hears nothing.
        """
        others = {h: early for h, early in self._early.items() if early[0] != peer}
        expected = sum(r.state is RunnerState.REQUESTED for r in self._books.fleet)
        if len(others) < 2 * expected + _SPARE_GREETINGS:
            self._early = {**others, handle: (peer, hello)}

    def _refuse(self, peer: bytes, text: str) -> None:
        self._books.ask(Send(peer=peer, message=m.Refuse(text=text)))
        self._books.ask(Forget(peer=peer))

    def _admit(self, runner: Runner, peer: bytes, hello: m.Hello) -> None:
        books = self._books
        if runner.nonce and runner.nonce != hello.nonce:
            if self._succession.waits(runner, peer, hello):
                return
            self._inquest.release(runner, [*runner.statements, testimony.REQUEUED])
            runner.begin_again()
        before = books.fleet.joined(runner, peer)
        if before is not None:
            books.ask(Forget(peer=before))
        # Where nothing broke, nothing was lost; and what it held when it said so may
        # be long ago, if we did not listen.
        anew = (runner.nonce, runner.connection) != (hello.nonce, hello.connection)
        known = not anew and runner.state is RunnerState.UP
        self._came(runner, hello)
        if not known:  # it says hello until it is answered, and we may have stood still
            books.publish(
                RunnerUp,
                runner=runner.number,
                handle=str(runner.handle),
                node=hello.node,
                pid=hello.pid,
            )
        books.ask(Send(peer=peer, message=self._welcome(runner.group)))
        if books.watch.live:
            books.ask(Send(peer=peer, message=books.watching()))
        if runner.ending:  # it would hand back at once whatever it is given
            self._inquest.doubt(runner)
        if anew:
            self._supply.compare(runner, hello.holds)
        self._supply.supply(runner)
        self._supply.dispatch(runner.group)

    def _came(self, runner: Runner, hello: m.Hello) -> None:
        """Write down what a runner that is let in says of itself."""
        books = self._books
        runner.connection = hello.connection
        books.move(runner, RunnerStep.HELLO)
        if runner.nonce != hello.nonce:
            self._succession.over(runner)
            runner.came_at = books.now
            books.note(
                e.Greeted(runner=runner.number, nonce=hello.nonce, node=hello.node)
            )
        runner.nonce, runner.inherited = hello.nonce, False
        runner.node, runner.job = hello.node, None
        runner.heard = runner.vitals_since = books.now
        runner.look_at, runner.over, runner.parted = None, False, False
        runner.broke_at = None
        if hello.remaining is not None:
            runner.deadline = books.now + hello.remaining

    def _welcome(self, group: Group) -> m.Welcome:
        policy = self._books.policy
        known = policy.surroundings[group.surroundings :]
        around = known[0] if known else Surroundings({}, "", ())
        return m.Welcome(
            version=m.VERSION,
            interval=policy.interval_s,
            orphan=policy.orphan_s,
            environment=dict(around.environment),
            directory=around.directory,
            path=around.path,
            compression=policy.compression,
            grace=policy.grace_s,
        )
