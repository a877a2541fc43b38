"""Running a backend's verbs: in one thread, in order, one answer for each errand.

The ledger gives instructions, this carries them to the plugin and turns whatever
comes back, bugs in the plugin included, into facts. It never raises to the monitor, and
whatever goes wrong here is an answer too: the ledger waits for one.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from gridmap.backend import (
    Batch,
    Capabilities,
    Handle,
    Killed,
    NotAsked,
    Observation,
    Rejected,
    Seen,
    SeenState,
    Submission,
)
from gridmap.desk import Purpose
from gridmap.errors import BackendUnavailableError, GridMapError, PluginError
from gridmap.explanation import Explanation
from gridmap.monitor import facts
from gridmap.monitor.instructions import (
    Attach,
    HoldAutopsy,
    KillRunners,
    Look,
    ResubmitRunner,
    SubmitRunners,
)
from gridmap.plugins import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gridmap.plugins import RunPlugins
    from gridmap.resources import Resources

_log = logging.getLogger(__name__)

_TAIL_BYTES: Final = 4096

_MOST_REASONS: Final = 100
"""Explanations that are remembered, so that each costs its questions once."""

_WAITS: Final = (SeenState.QUEUED, SeenState.HELD, SeenState.BLOCKED)

Errand: TypeAlias = (
    SubmitRunners | KillRunners | Look | HoldAutopsy | ResubmitRunner | Attach
)


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How runners are started.

    Attributes:
        command: Program and arguments.
        environment: Variables to set for them.
        directory: Where they start.
        name: A safe name for the scheduler.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    name: str


class ErrandRunner:
    """The thread in which a backend's verbs are called."""

    def __init__(
        self, plugins: RunPlugins, launch: Launch, tell: Callable[[facts.Fact], None]
    ) -> None:
        """Prepare; `start` begins.

        Args:
            plugins: The run's plugins.
            launch: How runners are started.
            tell: Called with each answer, in the errand thread.
        """
        self._plugins = plugins
        self._launch = launch
        self._tell = tell
        self._capabilities = Capabilities()
        self._errands: queue.SimpleQueue[Errand | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, name="gridmap-backend", daemon=True
        )
        self._desk = plugins.context.desk
        self._explained: dict[tuple[str, Resources], Explanation] = {}
        self._complaints: set[str] = set()
        self._do: dict[type[Any], Callable[[Any], facts.Fact]] = {
            SubmitRunners: self._submit,
            KillRunners: self._kill,
            Look: self._look,
            HoldAutopsy: self._autopsy,
            ResubmitRunner: self._resubmit,
            Attach: self._attach,
        }

    def start(self, capabilities: Capabilities) -> None:
        """Begin to work."""
        self._capabilities = capabilities
        self._thread.start()

    def put(self, errand: Errand) -> None:
        """Add an errand; returns at once."""
        self._errands.put(errand)

    def finish(self, patience_s: float) -> None:
        """Do what is waiting, let the backend go, and end. Called once, last."""
        self._errands.put(None)
        if self._thread.ident is not None:
            self._thread.join(patience_s)

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            self._tell(self._do[type(errand)](errand))
        with self._desk.visit(Purpose.CLOSE):
            self._plugins.close()

    def _submit(self, errand: SubmitRunners) -> facts.Fact:
        answers: dict[int, Handle | Rejected] = {}
        size = self._capabilities.largest_array or len(errand.runners)
        for start in range(0, len(errand.runners), size):
            runners = errand.runners[start : start + size]
            answers.update(self._submit_batch(errand, runners))
        return facts.Submitted(answers=answers)

    def batch(self, errand: SubmitRunners, runners: tuple[int, ...]) -> Batch:
        """Return the batch that is submitted for these runners."""
        launch = self._launch
        resources = self._plugins.request(errand.resources)
        return Batch(
            runners=runners,
            command=self._plugins.launch(launch.command, resources),
            environment=launch.environment,
            directory=launch.directory,
            name=launch.name,
            resources=resources,
            avoid=errand.avoid,
        )

    def _submit_batch(
        self, errand: SubmitRunners, runners: tuple[int, ...]
    ) -> Submission:
        try:
            batch = self.batch(errand, runners)
            with self._desk.visit(Purpose.SUBMIT):
                answers = self._plugins.submit(batch)
                return {
                    runner: self._understood(answer, batch.resources)
                    for runner, answer in answers.items()
                }
        except Exception as error:  # noqa: BLE001 - see the module
            _log.exception("a submission failed")
            text = _words(error)
            if isinstance(error, PluginError):
                text += "; that is a bug of the plugin: report it to its authors"
            rejected = Rejected(transient=False, text=text)
            return dict.fromkeys(runners, rejected)

    def _kill(self, errand: KillRunners) -> facts.Fact:
        try:
            with self._desk.visit(Purpose.KILL):
                return facts.KillAnswered(results=self._plugins.kill(errand.handles))
        except Exception as error:  # noqa: BLE001 - see the module
            self._complain("killing runners failed", error)
            return facts.KillAnswered(
                results=dict.fromkeys(errand.handles, Killed.FAILED)
            )

    def _look(self, errand: Look) -> facts.Fact:
        purpose = Purpose.KILL_CHECK if errand.kill_check else Purpose.OBSERVE
        with self._desk.visit(purpose, errand.since) as visit:
            try:
                observation = self._plugins.observe(errand.handles)
                why = self._reasons(observation, errand.requests)
            except Exception as error:  # noqa: BLE001 - see the module
                self._complain("asking the scheduler failed", error)
                observation, why = NotAsked(text=_words(error)), {}
        failed = isinstance(observation, NotAsked)
        if isinstance(observation, NotAsked) and not visit.put_off:
            _log.warning("the scheduler could not be asked: %s", observation.text)
        return facts.Looked(
            asked=errand.handles,
            observation=observation,
            at=visit.began if failed or visit.at is None else visit.at,
            wait_s=visit.wait_s if failed else 0.0,
            why=why,
        )

    def _complain(self, what: str, error: Exception) -> None:
        """Log what went wrong, with its traceback: once, as it is tried again and again."""
        complaint = f"{what}: {_words(error)}"
        if complaint not in self._complaints:
            self._complaints.add(complaint)
            _log.error("%s", complaint, exc_info=error)

    def _reasons(
        self, observation: Observation, requests: Mapping[Handle, Resources]
    ) -> dict[Handle, Explanation]:
        """Return what it means that runners wait, of those that were given a reason."""
        if isinstance(observation, NotAsked):
            return {}
        return {
            handle: self._explain(seen.reason, requests[handle])
            for handle, seen in observation.seen.items()
            if seen.state in _WAITS and seen.reason and handle in requests
        }

    def _explain(self, words: str, resources: Resources) -> Explanation:
        known = self._explained.get((words, resources))
        if known is None:
            try:
                known = self._plugins.explain(words, resources)
            except Exception:  # noqa: BLE001 - see the module
                _log.exception("explaining why runners wait failed")
                known = Explanation(reason=words)
            if len(self._explained) >= _MOST_REASONS:
                self._explained.clear()
            self._explained[words, resources] = known
        return known

    def _understood(
        self, answer: Handle | Rejected, resources: Resources
    ) -> Handle | Rejected:
        """Return an answer; one that is final with what it means and what to do."""
        if isinstance(answer, Handle) or answer.transient:
            return answer
        return msgspec.structs.replace(
            answer, text=str(self._explain(answer.text, resources))
        )

    def _attach(self, _: Attach) -> facts.Fact:
        found: Mapping[Handle, Seen] | NotAsked
        try:
            with self._desk.visit(Purpose.ATTACH):
                found = self._plugins.attach()
        except BackendUnavailableError as error:
            found = NotAsked(text=str(error))
        except Exception as error:  # noqa: BLE001 - see the module
            _log.exception("asking the scheduler for the run's runners failed")
            found = NotAsked(text=_words(error))
        return facts.Attached(found=found)

    def _autopsy(self, errand: HoldAutopsy) -> facts.Fact:
        findings: Mapping[Handle, Any] = {}
        with self._desk.visit(Purpose.AUTOPSY) as visit:
            try:
                findings = self._plugins.postmortem(errand.handles, errand.lives)
            except Exception as error:  # noqa: BLE001 - see the module
                self._complain("asking accounting failed", error)
        # What was put off is asked anew: half an answer would make half a verdict.
        return facts.Autopsied(
            asked=errand.handles,
            findings=findings,
            tails={handle: self._tail(handle) for handle in errand.handles},
            wait_s=visit.wait_s if visit.put_off else 0.0,
        )

    def _tail(self, handle: Handle) -> str:
        return read_tail(self._plugins.context.logs / f"{handle}.log")

    def _resubmit(self, errand: ResubmitRunner) -> facts.Fact:
        answer = None
        try:
            with self._desk.visit(Purpose.RESUBMIT):
                answer = self._plugins.resubmit(
                    errand.handle, errand.cause, errand.attempt
                )
        except Exception:  # noqa: BLE001 - see the module
            _log.exception("starting a runner again failed; it is replaced")
        return facts.ResubmitAnswered(runner=errand.runner, answer=answer)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, GridMapError) else describe(error)


def read_tail(path: Path) -> str:
    """Return the last of a log; empty if there is none to be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            return stream.read(_TAIL_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
