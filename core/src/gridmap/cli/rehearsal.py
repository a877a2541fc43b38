"""A run that is never opened: everything up to its submissions, with stand-ins.

What a run makes when it starts (directory, token, address) is stood in for; all else
is made by the code a run goes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap import plugins
from gridmap.backend import INTERFACE, Batch, Capabilities, Reach, RunContext
from gridmap.connection import UNIX, VARIABLE
from gridmap.errors import BackendUnavailableError, GridMapError
from gridmap.job import working_directory
from gridmap.mapping import apply_settings
from gridmap.monitor.opening import runner_command, safe_name
from gridmap.rundir import RunDirectory, slug
from gridmap.transport.addresses import choose_endpoints

if TYPE_CHECKING:
    from gridmap.plugins import InstalledBackend, RunPlugins
    from gridmap.resources import Resources
    from gridmap.settings import Settings

TOKEN: Final = "0123456789abcdef"  # noqa: S105 - a stand-in, and tokens are no secrets
_DATE: Final = "YYYYMMDD-HHMMSS"
_STAND_INS: Final = (
    "token, directory, port and module path stand in for those a run will have"
)


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """A backend and what a run would tell it.

    Attributes:
        settings: The settings.
        plugins: The backend, with a site's wrappers.
        capabilities: What the scheduler says it can do.
        command: What starts a runner.
        directory: The directory a run would have.
        name: The run's name.
        notes: What a reader of the submissions should know.
    """

    settings: Settings
    plugins: RunPlugins
    capabilities: Capabilities
    command: tuple[str, ...]
    directory: RunDirectory
    name: str
    notes: list[str]

    @classmethod
    def of(cls, backend: InstalledBackend, settings: Settings, name: str) -> Rehearsal:
        """Prepare; asks the scheduler what it can do, if it is there.

        Raises:
            BackendUnavailableError: If the backend cannot be loaded.
            PluginError: If it breaks its contract.
        """
        notes = []
        availability = backend.availability()
        if backend.info.interface != INTERFACE:
            raise BackendUnavailableError(backend.info.name, availability.reason)
        if not availability.usable:
            notes.append(
                f"{backend.info.name} is not usable here, so its own defaults are "
                f"assumed: {availability.reason}"
            )
        path = settings.runs() / f"{_DATE}-{slug(name)}-{TOKEN[:8]}"
        directory = RunDirectory(path=path)
        run = plugins.RunPlugins(
            backend.create(),
            RunContext(
                token=TOKEN,
                name=name,
                directory=path,
                logs=directory.logs,
                options=settings.backends.get(backend.info.name, {}),
            ),
            name=backend.info.name,
            wrappers=plugins.installed().wrappers(),
        )
        capabilities = run.capabilities() if availability.usable else Capabilities()
        notes.append(_STAND_INS)
        home, problem = _home(settings, capabilities, directory)
        if problem:
            notes.append(problem)
        return cls(
            settings=settings,
            plugins=run,
            capabilities=capabilities,
            command=runner_command(settings, home, working_directory()),
            directory=directory,
            name=name,
            notes=notes,
        )

    def batches(self, jobs: int, request: Resources) -> list[Batch]:
        """Return the submissions for so many equal jobs: one, or as few as may be."""
        resources = self.plugins.request(apply_settings(request, self.settings))
        largest = self.capabilities.largest_fleet
        fleet = max(1, largest // resources.cores) if largest else jobs
        fleet = self.settings.max_workers or fleet
        runners = range(1, min(jobs, fleet) + 1)
        size = self.capabilities.largest_array or len(runners)
        return [
            Batch(
                runners=tuple(runners[start : start + size]),
                command=self.plugins.launch(self.command, resources),
                environment={VARIABLE: str(self.directory.connection_file)},
                directory=working_directory(),
                name=safe_name(self.name),
                resources=resources,
            )
            for start in range(0, len(runners), size)
        ]


def _home(
    settings: Settings, capabilities: Capabilities, directory: RunDirectory
) -> tuple[str, str]:
    """Return the address runners would be given, and what is wrong with it."""
    if capabilities.reach is Reach.HOST:
        return f"{UNIX}{directory.path}/monitor.sock", ""
    try:
        offer = choose_endpoints(interface=settings.interface, host=settings.host)[0]
    except GridMapError as error:
        return "tcp://HOST:PORT", f"a run could not start: {error}"
    host = f"[{offer.offer}]" if ":" in offer.offer else offer.offer
    return f"tcp://{host}:PORT", ""
