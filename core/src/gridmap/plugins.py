"""Finding plugins, choosing a backend, and calling its verbs through types.

The only module besides `gridmap.hookspecs` that knows pluggy. Everything a plugin
returns is checked here, so that the rest of core can trust its types, and every
failure names the plugin and its version.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import logging
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import attrs
import pluggy

from gridmap.backend import (
    INTERFACE,
    Autopsy,
    Availability,
    BackendInfo,
    Batch,
    Capabilities,
    Check,
    Handle,
    Identity,
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
    PluginError,
    UnknownBackendError,
)
from gridmap.hookspecs import PROJECT, REQUIRED, GlobalHooks, RunHooks
from gridmap.retry import Again, Decision, GiveUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gridmap.events import Event
    from gridmap.resources import Resources
    from gridmap.verdict import Cause, Verdict

GROUP: Final = "gridmap"
"""The entry-point group in which plugins announce themselves."""

_POLICIES: Final = ("gridmap_close", "gridmap_launch", "gridmap_retry")
"""Verbs that plugins may answer although the run's backend is another."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class BrokenPlugin:
    """A plugin that is installed and cannot be used at all.

    Attributes:
        name: Name of its entry point.
        distribution: Its distribution and version.
        error: What happened when it was loaded.
    """

    name: str
    distribution: str
    error: str


@attrs.frozen(kw_only=True)
class InstalledBackend:
    """A backend that some installed plugin offers.

    Attributes:
        info: The plugin's own description.
        distribution: Its distribution and version.
    """

    info: BackendInfo
    distribution: str

    def availability(self) -> Availability:
        """Ask whether it can be used here; a check that fails is an answer too."""
        if self.info.interface != INTERFACE:
            return Availability(
                usable=False,
                reason=f"{self.distribution} was written for hook interface "
                f"{self.info.interface}, this gridmap has {INTERFACE}: install "
                "versions that go together",
            )
        try:
            answer = _resolve(self.info.availability)()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code, shown to the user
            return Availability(
                usable=False, reason=f"its check failed: {describe(error)}"
            )
        if not isinstance(answer, Availability):
            return Availability(
                usable=False, reason=f"its check returned {answer!r}, not Availability"
            )
        return answer

    def create(self) -> object:
        """Import the backend's class and make an instance.

        Raises:
            BackendUnavailableError: If it cannot be imported or made.
        """
        try:
            return _resolve(self.info.factory)()
        except (Exception, SystemExit) as error:
            reason = f"{self.distribution} failed to load: {describe(error)}"
            raise BackendUnavailableError(self.info.name, reason) from error


class Plugins:
    """All installed plugins, behind the global manager."""

    def __init__(self, entries: Iterable[importlib.metadata.EntryPoint]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(GlobalHooks)
        self._manager.add_hookspecs(RunHooks)
        self.broken: list[BrokenPlugin] = []
        self.backends: list[InstalledBackend] = []
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._load(entry)
        self.backends.sort(key=lambda backend: backend.info.name)

    def _load(self, entry: importlib.metadata.EntryPoint) -> None:
        distribution = _distribution(entry)
        try:
            module = entry.load()
            self._manager.register(module, name=entry.name)
            infos = _own_backends(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad plugin never stops the others
            if self._manager.has_plugin(entry.name):
                self._manager.unregister(name=entry.name)
            self.broken.append(
                BrokenPlugin(
                    name=entry.name, distribution=distribution, error=describe(error)
                )
            )
            return
        self.backends += [
            InstalledBackend(info=info, distribution=distribution) for info in infos
        ]

    def find(self, name: str) -> InstalledBackend:
        """Return the backend that users call *name*.

        Raises:
            UnknownBackendError: If nothing installed has this name or alias.
        """
        for backend in self.backends:
            if name in (backend.info.name, *backend.info.aliases):
                return backend
        raise UnknownBackendError(name, [b.info.name for b in self.backends])

    def best(self) -> tuple[InstalledBackend, Availability] | None:
        """Return the usable backend with the highest preference, None if there is none."""
        found = [(backend, backend.availability()) for backend in self.backends]
        usable = [pair for pair in found if pair[1].usable]
        return max(usable, key=lambda pair: pair[1].preference, default=None)

    def observers(self) -> list[tuple[str, Callable[[Event], None]]]:
        """Return each observer's name and function, to be called one by one."""
        impls = self._manager.hook.gridmap_event.get_hookimpls()
        return [
            (impl.plugin_name, functools.partial(_call_event, impl)) for impl in impls
        ]

    def wrappers(self) -> list[tuple[str, object]]:
        """Return the plugins that implement any verb of a run, to be wrapped round it."""
        verbs = [name for name in vars(RunHooks) if name.startswith("gridmap_")]
        return [
            (name, plugin)
            for name, plugin in self._manager.list_name_plugin()
            if plugin is not None and any(hasattr(plugin, verb) for verb in verbs)
        ]

    def doctor(self, backend: str) -> list[Check]:
        """Return every plugin's checks of this machine for one backend.

        A plugin whose checks cannot be had gets a failed check of its own.
        """
        impls = self._manager.hook.gridmap_doctor.get_hookimpls()
        return [check for impl in impls for check in _checks(impl, backend)]


@functools.cache
def installed() -> Plugins:
    """Return the installed plugins; looked up once a process."""
    return Plugins(importlib.metadata.entry_points(group=GROUP))


def load_backend(factory: str) -> object:
    """Make a backend from its factory text, on a node, without looking for plugins."""
    return _resolve(factory)()


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
        except Exception as error:
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

    def postmortem(self, handles: frozenset[Handle]) -> Mapping[Handle, Autopsy]:
        """Ask accounting; handles it does not know are left out."""
        answer: Mapping[Handle, Autopsy] = self._call(
            "gridmap_postmortem", Mapping, handles=handles
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
        """Ask for the runners of this run that still exist."""
        answer: Mapping[Handle, Seen] = self._call("gridmap_attach", Mapping)
        self._check_mapping("gridmap_attach", answer, set(), (Seen,))
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
        try:
            answer = self._manager.hook.gridmap_retry(
                failure=failure, history=history, resources=resources
            )
        except Exception:  # noqa: BLE001 - a policy must not end the run; logged
            _log.exception("a retry policy failed; core's own rule is used")
            return None
        if isinstance(answer, (Again, GiveUp)):
            return answer
        return None

    def close(self) -> None:
        """Tell the backend that the run is over; what it raises is only logged."""
        try:
            self._manager.hook.gridmap_close(context=self.context)
        except Exception:  # noqa: BLE001 - the run is over; logged
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


def identify(backend: object, environ: Mapping[str, str]) -> Identity:
    """Ask a backend, on a node, which runner this is.

    Raises:
        PluginError: If it fails or returns something else.
    """
    name = type(backend).__name__
    try:
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(RunHooks)
        manager.register(backend, name=name)
        answer = manager.hook.gridmap_identify(environ=environ)
    except Exception as error:
        raise PluginError(name, "gridmap_identify", describe(error)) from error
    if answer is None:
        return Identity()
    if not isinstance(answer, Identity):
        raise PluginError(name, "gridmap_identify", f"it returned {answer!r}")
    return answer


def describe(error: BaseException) -> str:
    """Return an exception as one line: its type and its text."""
    return " ".join(f"{type(error).__name__}: {error}".split())


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
    def gridmap_postmortem(self) -> Mapping[Handle, Autopsy]:
        """Know nothing: the verdict is made from the other witnesses."""
        return {}

    @impl(trylast=True)
    def gridmap_attach(self) -> Mapping[Handle, Seen]:
        """Find nobody."""
        return {}


def _own_backends(module: object) -> list[BackendInfo]:
    function = getattr(module, "gridmap_backends", None)
    infos = list(function()) if function is not None else []
    for info in infos:
        if not isinstance(info, BackendInfo):
            msg = f"gridmap_backends returned {info!r}, not BackendInfo"
            raise TypeError(msg)
    return infos


def _call_event(impl: pluggy.HookImpl, event: Event) -> None:
    # A hook may leave out arguments it does not need: pluggy's list decides.
    impl.function(*([event] if "event" in impl.argnames else []))


def _checks(impl: pluggy.HookImpl, backend: str) -> list[Check]:
    """Return one plugin's checks, or the check that says why there are none."""
    arguments = [backend] if "backend" in impl.argnames else []
    try:
        answer: Any = impl.function(*arguments)
        return [_check(one) for one in answer]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code, shown to the user
        return [
            Check(
                name=f"checks of plugin {impl.plugin_name}",
                passed=False,
                found=describe(error),
                advice="This is a bug in that plugin: report it to its authors.",
            )
        ]


def _check(value: object) -> Check:
    if not isinstance(value, Check):
        msg = f"it returned {value!r}, not Check"
        raise TypeError(msg)
    return value


def _resolve(text: str) -> Callable[[], Any]:
    module_name, _, attribute = text.partition(":")
    target: Callable[[], Any] = getattr(importlib.import_module(module_name), attribute)
    return target


def _distribution(entry: importlib.metadata.EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist is not None else "unknown distribution"
