"""One run under test: its hooks, its directories, and the runners it started."""

from __future__ import annotations

import contextlib
import logging
import secrets
from typing import TYPE_CHECKING, Any

import attrs

from gridmap.backend import (
    Batch,
    Handle,
    Killed,
    NotAsked,
    Observed,
    Rejected,
    RunContext,
    SeenState,
)
from gridmap.desk import Desk
from gridmap.errors import BackendUnavailableError, PluginError
from gridmap.plugins import RunPlugins
from gridmap.testing.line import Line
from gridmap.testing.rules import BrokenRuleError, Rule, broken, require, under
from gridmap.testing.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gridmap.backend import (
        Autopsy,
        Capabilities,
        Observation,
        Rendered,
        Resubmitted,
        Seen,
        Submission,
    )
    from gridmap.explanation import Explanation
    from gridmap.plugins import InstalledBackend
    from gridmap.resources import Resources
    from gridmap.verdict import Cause

ENDED_OR_ABSENT = frozenset({SeenState.ENDED, None})


@attrs.frozen(kw_only=True)
class Bounds:
    """How long the scheduler under test may take, in seconds.

    Attributes:
        start_s: From submission until the program runs.
        end_s: From a program's end until the scheduler shows it.
        kill_s: From a kill until everything is gone.
        account_s: From a program's end until accounting knows.
    """

    start_s: float
    end_s: float
    kill_s: float
    account_s: float


class Trial:
    """A run with one instance of the backend, as core would hold it.

    Every verb is called through `gridmap.plugins.RunPlugins`; a contract broken
    there is a broken rule here.

    Args:
        installed: The backend.
        place: A directory that this machine and the nodes share; made if need be.
        resources: What runners ask for.
        bounds: The scheduler's time limits.
        token: The run's token; None: a new run.
    """

    def __init__(
        self,
        installed: InstalledBackend,
        place: Path,
        resources: Resources,
        bounds: Bounds,
        token: str | None = None,
    ) -> None:
        self.installed = installed
        self.place = place
        self.resources = resources
        self.bounds = bounds
        self.work = place / "work"
        directory, logs = place / "run", place / "logs"
        for path in (place, self.work, directory, logs):
            path.mkdir(mode=0o700, exist_ok=True)
        self.line = Line()
        self.context = RunContext(
            token=token or secrets.token_hex(16),
            name="conformance",
            directory=directory,
            logs=logs,
            desk=Desk(backend=installed.info.name, run=self.line.run),
        )
        self.handles: set[Handle] = set()
        self.seen_over: set[Handle] = set()
        self.closed = False
        self._next = 1
        with _contract(Rule.HOOKS_WELL_FORMED):
            self.object = installed.create()
            self.plugins = RunPlugins(
                self.object, self.context, name=installed.info.name
            )
        self.capabilities: Capabilities = self._verb(self.plugins.capabilities)

    def again(self) -> Trial:
        """Return the same run with a fresh instance, as after the user's restart."""
        return Trial(
            self.installed,
            self.place,
            self.resources,
            self.bounds,
            self.context.token,
        )

    # Starting

    def batch(self, command: Sequence[str], count: int = 1, **changes: Any) -> Batch:
        """Return a batch of *count* runners with numbers of their own.

        Args:
            command: What they run.
            count: How many.
            changes: Other fields of the `Batch`.
        """
        first, self._next = self._next, self._next + count
        fields: dict[str, Any] = {
            "runners": tuple(range(first, first + count)),
            "command": tuple(command),
            "environment": {"GRIDMAP_CONFORMANCE": "yes"},
            "directory": str(self.work),
            "name": "gridmap-conformance",
            "resources": self.resources,
        }
        return Batch(**(fields | changes))

    def program(self, text: str) -> tuple[str, ...]:
        """Write a shell program into the shared directory; return its command."""
        path = self.place / f"program.{secrets.token_hex(4)}.sh"
        path.write_text(text)
        path.chmod(0o700)
        return ("/bin/sh", str(path))

    def submit(self, batch: Batch) -> Submission:
        """Submit, whatever comes of it."""
        answer: Submission = self._verb(lambda: self.plugins.submit(batch))
        self.handles |= {h for h in answer.values() if isinstance(h, Handle)}
        return answer

    def start(self, batch: Batch) -> list[Handle]:
        """Submit a batch that has to be accepted; return its handles in order."""
        answer = self.submit(batch)
        handles = [answer[number] for number in batch.runners]
        accepted = [handle for handle in handles if isinstance(handle, Handle)]
        refused = [handle for handle in handles if isinstance(handle, Rejected)]
        if refused:
            msg = (
                "the scheduler refused a batch these tests need: "
                f"{refused[0].text!r}. Override the fixture `resources` with "
                "something this site accepts."
            )
            raise AssertionError(msg)
        return accepted

    def started(self) -> int:
        """Return how many programs were started, in all."""
        return len(list(self.place.glob("started.*")))

    def launch(self, program: str, count: int = 1, **changes: Any) -> list[Handle]:
        """Start a shell program and wait until all its runners run, and are seen to."""
        before = self.started()
        handles = self.start(self.batch(self.program(program), count, **changes))

        def all_run() -> bool:
            states = self.states(handles)
            for handle, state in states.items():
                require(
                    state not in ENDED_OR_ABSENT,
                    Rule.VISIBLE_FROM_THE_START,
                    f"{handle} was submitted, has not ended, and is shown as "
                    f"{_word(state)}",
                )
            running = all(state is SeenState.RUNNING for state in states.values())
            return running and self.started() >= before + count

        self.wait(all_run, self.bounds.start_s, f"{count} runners to run", handles)
        return handles

    # Asking

    def observe_once(self, handles: Iterable[Handle]) -> Observation:
        """Ask what is seen of some runners, whatever comes of it."""
        asked = frozenset(handles)
        answer: Observation = self._verb(lambda: self.plugins.observe(asked))
        return answer

    def observe(self, handles: Iterable[Handle]) -> Observed:
        """Ask what is seen of some runners; a query that fails is repeated."""
        asked = frozenset(handles)
        answers: list[Observed] = []

        def answered() -> bool:
            answer = self.observe_once(asked)
            if isinstance(answer, NotAsked):
                return False
            answers.append(answer)
            return True

        self.wait(answered, self.bounds.end_s, "the scheduler to answer a query")
        answer = answers[0]
        spoken = set(answer.seen) | answer.absent
        require(
            spoken <= asked,
            Rule.ANSWERS_WHAT_WAS_ASKED,
            f"not asked about: {_names(spoken - asked)}",
        )
        both = set(answer.seen) & answer.absent
        require(
            not both,
            Rule.ANSWERS_WHAT_WAS_ASKED,
            f"seen and absent at once: {_names(both)}",
        )
        return answer

    def states(self, handles: Iterable[Handle]) -> dict[Handle, SeenState | None]:
        """Return the state of each runner, None for the absent ones."""
        asked = list(handles)
        answer = self.observe(asked)
        states = {
            handle: answer.seen[handle].state if handle in answer.seen else None
            for handle in asked
        }
        for handle, state in states.items():
            if state in ENDED_OR_ABSENT:
                self.seen_over.add(handle)
            elif handle in self.seen_over:
                broken(
                    Rule.END_IS_FINAL,
                    f"{handle} was over, and is now shown as {_word(state)}",
                )
        return states

    def over(self, handles: Iterable[Handle]) -> bool:
        """Return whether all these runners are ended or absent."""
        return set(self.states(handles).values()) <= ENDED_OR_ABSENT

    def wait_over(self, handles: Iterable[Handle]) -> None:
        """Wait until runners whose programs are over are shown as ended or absent."""
        asked = list(handles)
        with under(Rule.END_IS_SEEN):
            self.wait(lambda: self.over(asked), self.bounds.end_s, "the end", asked)

    def log(self, handle: Handle) -> str:
        """Return what is in the runner's log, empty if there is none."""
        path = self.context.logs / f"{handle}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(
        self,
        question: Callable[[], object],
        within_s: float,
        what: str,
        handles: Iterable[Handle] = (),
    ) -> None:
        """Wait until the answer is true; if it never is, show states and logs."""
        try:
            eventually(question, within_s=within_s, what=what)
        except BrokenRuleError:
            raise
        except AssertionError as error:
            msg = f"{error}{self._story(handles)}"
            raise AssertionError(msg) from None

    # The other verbs

    def render(self, batch: Batch) -> Rendered:
        """Render a batch."""
        answer: Rendered = self._verb(lambda: self.plugins.render(batch))
        return answer

    def explain(self, words: str) -> Explanation:
        """Ask what the scheduler's words mean, for one who asks for the site's usual."""
        with _contract(Rule.EXPLANATIONS_ADD):
            return self.plugins.explain(words, self.resources)

    def kill(self, handles: Iterable[Handle]) -> Mapping[Handle, Killed]:
        """Kill runners."""
        named = frozenset(handles)
        answer: Mapping[Handle, Killed] = self._verb(lambda: self.plugins.kill(named))
        return answer

    def postmortem(
        self, handles: Iterable[Handle], *, lives: int = 1
    ) -> Mapping[Handle, Autopsy]:
        """Ask accounting about runners that were each started so often."""
        named = frozenset(handles)
        answer: Mapping[Handle, Autopsy] = self._verb(
            lambda: self.plugins.postmortem(named, dict.fromkeys(named, lives))
        )
        return answer

    def resubmit(
        self, handle: Handle, cause: Cause, attempt: int
    ) -> Resubmitted | None:
        """Ask for another start of a runner."""
        answer: Resubmitted | None = self._verb(
            lambda: self.plugins.resubmit(handle, cause, attempt)
        )
        if answer is not None:
            self.handles.add(answer.handle)
        return answer

    def attach(self) -> Mapping[Handle, Seen]:
        """Find the run's living runners."""
        answer: Mapping[Handle, Seen] = self._verb(self.plugins.attach)
        return answer

    def found(self) -> Mapping[Handle, Seen] | None:
        """Return what attaching finds; None if the scheduler could not be asked."""
        if not hasattr(self.object, "gridmap_attach"):
            return None
        try:
            return self.attach()
        except BackendUnavailableError:
            return None

    def close(self) -> None:
        """Close the backend; what core would only log is a broken rule here."""
        self.closed = True
        complaints: list[str] = []
        handler = logging.Handler(logging.ERROR)
        handler.emit = lambda record: complaints.append(  # type: ignore[method-assign]
            f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}"
        )
        logger = logging.getLogger("gridmap.plugins")
        logger.addHandler(handler)
        try:
            self.plugins.close()
        finally:
            logger.removeHandler(handler)
        require(not complaints, Rule.CLOSE_LEAVES_NOTHING, "; ".join(complaints))

    def finish(self) -> None:
        """Kill whatever is left and close, as core does at the end of a run."""
        if self.closed:
            return
        if self.handles:
            with contextlib.suppress(AssertionError):
                self.kill(self.handles)
        self.close()

    def _verb(self, call: Callable[[], Any]) -> Any:
        with _contract(Rule.TYPES_KEPT):
            return call()

    def _story(self, handles: Iterable[Handle]) -> str:
        asked = frozenset(handles)
        if not asked:
            return ""
        lines = [f"\n  observed: {self.plugins.observe(asked)!r}"]
        lines += [
            f"  log of {h}: {self.log(h)[-500:]!r}" for h in sorted(asked, key=str)
        ]
        return "\n".join(lines)


@contextlib.contextmanager
def _contract(rule: Rule) -> Iterator[None]:
    try:
        yield
    except PluginError as error:
        raise BrokenRuleError(rule, str(error)) from error


def _word(state: SeenState | None) -> str:
    return "absent" if state is None else state.value


def _names(handles: Iterable[Handle]) -> str:
    return ", ".join(sorted(map(str, handles)))
