"""Calling one run's backend, through types, with a site's wrappers round it."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import pluggy

from gridmap import early
from gridmap.backend import (
    Autopsy,
    Batch,
    Capabilities,
    Handle,
    Killed,
    NotAsked,
    Observation,
    Observed,
    Rejected,
    Rendered,
    Resubmitted,
    RunContext,
    Seen,
    Submission,
)
from gridmap.errors import (
    BackendUnavailableError,
    InvalidRequestError,
    PluginError,
)
from gridmap.explanation import Explanation
from gridmap.hookspecs import PROJECT, REQUIRED, RunHooks
from gridmap.plugins.node import describe
from gridmap.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.retry import Decision
    from gridmap.verdict import Cause, Verdict

_POLICIES: Final = ("gridmap_close", "gridmap_launch", "gridmap_retry")
"""Verbs that plugins may answer although the run's backend is another."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _RunManager(pluggy.PluginManager):
    """Lets the backend answer, and everybody else only wrap or say their policy."""

    def __init__(self, backend: object) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(RunHooks)
        self.defaults = _Defaults()
        self._backend = backend

    def parse_hookimpl_opts(
        self, plugin: object, name: str
    ) -> pluggy.HookimplOpts | None:
        """Return how an implementation is to be called, None to leave it out."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None or plugin is self._backend or plugin is self.defaults:
            return options
        if options["wrapper"] or options["hookwrapper"] or name in _POLICIES:
            return options
        # A plugin that offers a backend may carry its verbs in the same module.
        _log.debug("%s of a plugin that is not the backend is left out", name)
        return None


class RunPlugins:
    """One run's manager: one backend, core's defaults, a site's wrappers.

    Called from the run's hook thread only, `retry` excepted.
    """

    def __init__(
        self,
        backend: object,
        context: RunContext,
        *,
        name: str,
        wrappers: Iterable[tuple[str, object]] = (),
    ) -> None:
        self.name = name
        self.context = context
        self._manager = _RunManager(backend)
        self._register("gridmap defaults", self._manager.defaults)
        self._register(name, backend)
        for wrapper_name, wrapper in wrappers:
            if wrapper is not backend:
                self._register(f"{wrapper_name} (wrapper)", wrapper)
        self._require_verbs(backend)

    def _register(self, name: str, plugin: object) -> None:
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(name, "its registration", str(error)) from error

    def _require_verbs(self, backend: object) -> None:
        for verb in REQUIRED:
            impls = getattr(self._manager.hook, verb).get_hookimpls()
            if not any(impl.plugin is backend for impl in impls):
                raise PluginError(self.name, verb, "it does not implement it")

    def _call(
        self, verb: str, expected: type[_T] | tuple[type, ...], **arguments: Any
    ) -> Any:
        hook = getattr(self._manager.hook, verb)
        try:
            answer = hook(**arguments, context=self.context)
        except InvalidRequestError:
            raise  # the user's mistake, in words that are meant for the user
        except (Exception, SystemExit) as error:
            who = _culprit(hook.get_hookimpls(), error) or self.name
            raise PluginError(who, verb, f"it raised {describe(error)}") from error
        if not isinstance(answer, expected):
            kinds = expected if isinstance(expected, tuple) else (expected,)
            names = " or ".join(_kind_name(kind) for kind in kinds)
            self._refuse(verb, f"it returned {answer!r}, expected {names}")
        return answer

    def _refuse(self, verb: str, text: str) -> NoReturn:
        """Raise what is wrong with an answer, naming all who had a hand in it."""
        impls = getattr(self._manager.hook, verb).get_hookimpls()
        wrappers = [impl.plugin_name for impl in impls if _wraps(impl)]
        who = f"{self.name}, inside {', '.join(wrappers)}," if wrappers else self.name
        raise PluginError(who, verb, text)

    def capabilities(self) -> Capabilities:
        """Ask what the scheduler can do."""
        answer: Capabilities = self._call("gridmap_capabilities", Capabilities)
        return answer

    def render(self, batch: Batch) -> Rendered:
        """Ask for the exact submission, as text."""
        answer: Rendered = self._call("gridmap_render", Rendered, batch=batch)
        return answer

    def submit(self, batch: Batch) -> Submission:
        """Start runners; every one asked for is in the answer."""
        answer: Submission = self._call("gridmap_submit", Mapping, batch=batch)
        self._check_mapping(
            "gridmap_submit", answer, set(batch.runners), (Handle, Rejected)
        )
        given = Counter(one for one in answer.values() if isinstance(one, Handle))
        if several := sorted(str(one) for one, count in given.items() if count > 1):
            text = f"it gave more than one runner the same handle: {several[:5]}"
            self._refuse("gridmap_submit", text)
        return answer

    def observe(self, handles: frozenset[Handle]) -> Observation:
        """Ask what the scheduler shows; every handle is seen or absent."""
        answer = self._call("gridmap_observe", (Observed, NotAsked), handles=handles)
        if isinstance(answer, Observed):
            missing = handles - set(answer.seen) - answer.absent
            if missing:
                text = f"neither seen nor absent: {sorted(map(str, missing))[:5]}"
                self._refuse("gridmap_observe", text)
            if both := set(answer.seen) & answer.absent:
                text = f"both seen and absent: {sorted(map(str, both))[:5]}"
                self._refuse("gridmap_observe", text)
            self._check_mapping("gridmap_observe", answer.seen, set(), (Seen,))
        observation: Observation = answer
        return observation

    def explain(self, words: str, resources: Resources) -> Explanation:
        """Return what the scheduler's words mean; the words alone if nobody says."""
        answer: Explanation | None = self._call(
            "gridmap_explain",
            (Explanation, type(None)),
            words=words,
            resources=resources,
        )
        return Explanation(reason=words) if answer is None else answer

    def postmortem(
        self, handles: frozenset[Handle], lives: Mapping[Handle, int] | None = None
    ) -> Mapping[Handle, Autopsy]:
        """Ask accounting; handles it does not know are left out.

        Args:
            handles: About whom.
            lives: How often each was started; None: once.
        """
        started = dict.fromkeys(handles, 1) | dict(lives or {})
        answer: Mapping[Handle, Autopsy] = self._call(
            "gridmap_postmortem", Mapping, handles=handles, lives=started
        )
        self._check_mapping("gridmap_postmortem", answer, set(), (Autopsy,))
        return answer

    def kill(self, handles: frozenset[Handle]) -> Mapping[Handle, Killed]:
        """End runners; every one asked for is in the answer."""
        answer: Mapping[Handle, Killed] = self._call(
            "gridmap_kill", Mapping, handles=handles
        )
        self._check_mapping("gridmap_kill", answer, set(handles), (Killed,))
        return answer

    def resubmit(
        self, handle: Handle, cause: Cause, attempt: int
    ) -> Resubmitted | None:
        """Ask for a start in place or instead; None means core's default."""
        answer: Resubmitted | None = self._call(
            "gridmap_resubmit",
            (Resubmitted, type(None)),
            handle=handle,
            cause=cause,
            attempt=attempt,
        )
        return answer

    def attach(self) -> Mapping[Handle, Seen]:
        """Ask for the runners of this run that still exist.

        Raises:
            BackendUnavailableError: If the scheduler could not be asked.
        """
        answer: Mapping[Handle, Seen] | NotAsked = self._call(
            "gridmap_attach", (Mapping, NotAsked)
        )
        if isinstance(answer, NotAsked):
            raise BackendUnavailableError(self.name, answer.text)
        self._check_mapping("gridmap_attach", answer, set(), (Seen,))
        return answer

    def request(self, resources: Resources) -> Resources:
        """Return what is asked of the scheduler, as a site's wrappers want it.

        Raises:
            InvalidRequestError: If one of them refuses it.
        """
        answer: Resources = self._call(
            "gridmap_request", Resources, resources=resources
        )
        return answer

    def launch(self, command: tuple[str, ...], resources: Resources) -> tuple[str, ...]:
        """Return the command as wrappers want it."""
        answer: tuple[str, ...] | None = self._call(
            "gridmap_launch", (tuple, type(None)), command=command, resources=resources
        )
        return command if answer is None else answer

    def retry(
        self, failure: Verdict, history: tuple[Verdict, ...], resources: Resources
    ) -> Decision | None:
        """Ask whether a job runs again; None leaves it to core. Any thread."""
        from gridmap.retry import Again, GiveUp  # noqa: PLC0415 - not on a node

        try:
            answer = self._manager.hook.gridmap_retry(
                failure=failure, history=history, resources=resources
            )
        except (Exception, SystemExit):  # noqa: BLE001 - a policy must not end the run; logged
            _log.exception("a retry policy failed; core's own rule is used")
            return None
        if isinstance(answer, (Again, GiveUp)):
            return answer
        return None

    def open(self) -> None:
        """Tell the backend that a run begins; what it raises is only logged."""
        try:
            self._manager.hook.gridmap_open(
                context=self.context, begun=early.take(self.name)
            )
        except (Exception, SystemExit):  # noqa: BLE001 - the verbs do without; logged
            _log.exception("backend %s failed to open", self.name)

    def close(self) -> None:
        """Tell the backend that the run is over; what it raises is only logged."""
        try:
            self._manager.hook.gridmap_close(context=self.context)
        except (Exception, SystemExit):  # noqa: BLE001 - the run is over; logged
            _log.exception("backend %s failed to close", self.name)

    def _check_mapping(
        self,
        verb: str,
        answer: Mapping[Any, Any],
        keys: set[Any],
        values: tuple[type, ...],
    ) -> None:
        if missing := keys - set(answer):
            self._refuse(verb, f"it left out {sorted(map(str, missing))[:5]}")
        for value in answer.values():
            if not isinstance(value, values):
                names = " or ".join(kind.__name__ for kind in values)
                self._refuse(verb, f"{value!r} is not {names}")


def _culprit(impls: Iterable[pluggy.HookImpl], error: BaseException) -> str | None:
    """Return the name of the plugin in whose code an exception was raised."""
    names = {
        code: impl.plugin_name
        for impl in impls
        if (code := getattr(impl.function, "__code__", None)) is not None
    }
    frames = traceback.walk_tb(error.__traceback__)
    found = [names[frame.f_code] for frame, _ in frames if frame.f_code in names]
    return found[-1] if found else None


def _wraps(impl: pluggy.HookImpl) -> bool:
    return impl.wrapper or impl.hookwrapper


def _kind_name(kind: type) -> str:
    return "None" if kind is type(None) else kind.__name__


class _Defaults:
    """What core does where the backend says nothing; registered first, so asked last."""

    impl = pluggy.HookimplMarker(PROJECT)

    @impl(trylast=True)
    def gridmap_request(self, resources: Resources) -> Resources:
        """Ask for what the user asked for."""
        return resources

    @impl(trylast=True)
    def gridmap_postmortem(self) -> Mapping[Handle, Autopsy]:
        """Know nothing: the verdict is made from the other witnesses."""
        return {}

    @impl(trylast=True)
    def gridmap_attach(self) -> Mapping[Handle, Seen]:
        """Find nobody."""
        return {}
