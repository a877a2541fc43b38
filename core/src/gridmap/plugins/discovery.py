"""Which plugins are installed, which are broken, and what backends they offer."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy

from gridmap.backend import INTERFACE, Availability, BackendInfo, Check
from gridmap.errors import BackendUnavailableError, UnknownBackendError
from gridmap.hookspecs import PROJECT, GlobalHooks, RunHooks
from gridmap.plugins.entries import GROUP, known
from gridmap.plugins.node import describe, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gridmap.events import AnyEvent, Event
    from gridmap.plugins.entries import Entry

_log = logging.getLogger(__name__)


class BrokenPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is installed and cannot be used at all.

    Attributes:
        name: Name of its entry point.
        distribution: Its distribution and version.
        error: What happened when it was loaded.
    """

    name: str
    distribution: str
    error: str

    def __str__(self) -> str:
        """Name it and say what happened."""
        return f"plugin {self.name} of {self.distribution} is broken: {self.error}"


class InstalledBackend(msgspec.Struct, frozen=True, kw_only=True):
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
            answer = resolve(self.info.availability)()
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
            return resolve(self.info.factory)()
        except (Exception, SystemExit) as error:
            reason = f"{self.distribution} failed to load: {describe(error)}"
            raise BackendUnavailableError(self.info.name, reason) from error


class Plugins:
    """All installed plugins, behind the global manager."""

    def __init__(self, announced: Iterable[Entry]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(GlobalHooks)
        self._manager.add_hookspecs(RunHooks)
        self.broken: list[BrokenPlugin] = []
        self.backends: list[InstalledBackend] = []
        for entry in sorted(announced, key=lambda entry: entry.name):
            self._load(entry)
        self.backends.sort(key=lambda backend: backend.info.name)

    def _load(self, entry: Entry) -> None:
        distribution = _distribution(entry)
        try:
            module = entry.load()
            self._manager.register(module, name=entry.name)
            self._manager.check_pending()  # a misspelt hook would never be called
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
        names = [backend.info.name for backend in self.backends]
        raise UnknownBackendError(name, names, map(str, self.broken))

    def best(self) -> tuple[InstalledBackend, Availability] | None:
        """Return the usable backend with the highest preference, None if there is none."""
        found = [(backend, backend.availability()) for backend in self.backends]
        usable = [pair for pair in found if pair[1].usable]
        return max(usable, key=lambda pair: pair[1].preference, default=None)

    def observers(
        self, settings: Mapping[str, object]
    ) -> list[tuple[str, Callable[[AnyEvent], None]]]:
        """Return each observer's name and function, to be called one by one.

        Args:
            settings: The settings of the run that is to be watched.
        """
        hooks = self._manager.hook
        always = [
            (impl.plugin_name, functools.partial(_call_event, impl))
            for impl in hooks.gridmap_event.get_hookimpls()
        ]
        asked = [
            (impl.plugin_name, observer)
            for impl in hooks.gridmap_observer.get_hookimpls()
            if (observer := _observer(impl, settings)) is not None
        ]
        return always + asked

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
    return Plugins(known()[GROUP])


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


def _observer(
    impl: pluggy.HookImpl, settings: Mapping[str, object]
) -> Callable[[AnyEvent], None] | None:
    """Ask a plugin who watches a run; one that cannot say is left out."""
    arguments = [settings] if "settings" in impl.argnames else []
    try:
        answer: Any = impl.function(*arguments)
    except (Exception, SystemExit):  # noqa: BLE001 - one bad plugin never stops a run
        _log.exception("observer %s failed and is left out", impl.plugin_name)
        return None
    observer: Callable[[AnyEvent], None] | None = answer
    return observer


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


def _distribution(entry: Entry) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist is not None else "unknown distribution"
