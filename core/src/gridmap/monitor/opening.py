"""Everything a run needs before its first job: backend, directory, keys, socket."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap import connection, plugins
from gridmap.backend import Capabilities, Reach, RunContext
from gridmap.connection import ConnectionFile, new_token
from gridmap.desk import Desk, Purpose, place
from gridmap.errors import (
    BackendUnavailableError,
    DRMAANotPresentException,
    GridMapError,
    InvalidRequestError,
)
from gridmap.job import working_directory
from gridmap.monitor.policy import MOST_WORKERS
from gridmap.payload.neighbour import Evidence
from gridmap.rundir import RunDirectory

# What is not needed before a backend begins to start its runners is imported where it
# is used: they take as long for what they import.

if TYPE_CHECKING:
    from gridmap.monitor.errands import Launch
    from gridmap.plugins import InstalledBackend, RunPlugins
    from gridmap.settings import Settings
    from gridmap.transport.addresses import PortRange
    from gridmap.transport.bulk.server import BulkServer
    from gridmap.transport.limits import Limits
    from gridmap.transport.sockets import MonitorSocket
    from gridmap.transport.zeromq.keys import RunKeys

_log = logging.getLogger(__name__)

_NAME_LENGTH: Final = 64


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is ready for its monitor.

    Attributes:
        token: Its token.
        directory: Its directory.
        socket: Its socket, listening.
        plugins: Its backend, with a site's wrappers.
        capabilities: What the backend can do.
        launch: How runners are started.
        backend: The backend's name.
        evidence: By what runners on this host see that they can open its memory.
        bulk: Where large frames travel; None for runners on this machine only.
    """

    token: str
    directory: RunDirectory
    socket: MonitorSocket
    plugins: RunPlugins
    capabilities: Capabilities
    launch: Launch
    backend: str
    evidence: Evidence
    bulk: BulkServer | None

    def abandon(self) -> None:
        """Let go of what was opened, where there will be no monitor; files stay."""
        self.socket.close(0.0)
        if self.bulk is not None:
            self.bulk.close()
        self.plugins.close()


def refuse_nested(settings: Settings) -> None:
    """Refuse a run inside of a job, unless the user asked for it.

    Raises:
        InvalidRequestError: If this process is a job's, or was started by one.
    """
    if connection.VARIABLE in os.environ and not settings.nested:
        msg = (
            "this is a job of a run already, and a run of its own would wait for "
            "runners while it keeps one: make it one map over all combinations, or "
            "use the cores of the job by threads or processes; if you mean it, say "
            "settings={'nested': True}, or GRIDMAP_NESTED=yes in the job's environment"
        )
        raise InvalidRequestError(msg)


def choose_backend(
    name: str | InstalledBackend | None, *, require_cluster: bool
) -> InstalledBackend:
    """Return the backend a run uses.

    Args:
        name: What the user named, or has found himself; None takes the best there is.
        require_cluster: Whether this machine alone will not do.

    Raises:
        UnknownBackendError: If there is none of that name.
        BackendUnavailableError: If it cannot be used here, or none can.
        DRMAANotPresentException: If a cluster is required and none can be used.
    """
    if isinstance(name, plugins.InstalledBackend):
        return name
    known = plugins.installed()
    if name is not None:
        backend = known.find(name)
        availability = backend.availability()
        if not availability.usable:
            raise BackendUnavailableError(backend.info.name, availability.reason)
        return backend
    best = known.best()
    if best is not None and best[1].preference > 0:
        return best[0]
    others = [b for b in known.backends if best is None or b is not best[0]]
    reasons = [f"{b.info.name}: {b.availability().reason}" for b in others]
    why = "".join(f"\n  {reason}" for reason in [*reasons, *known.broken])
    if require_cluster:
        none = why or "\n  no plugin for one is installed"
        msg = f"a cluster is required, and none can be used from here:{none}"
        raise DRMAANotPresentException(msg)
    if best is None:
        reason = why or "none is installed: install gridmap-local, say"
        raise BackendUnavailableError(None, reason)
    _log.warning(
        "no cluster can be used from here, so the jobs run on this machine; "
        "backend=%r does so without this warning%s",
        best[0].info.name,
        why,
    )
    return best[0]


def open_run(
    backend: InstalledBackend, settings: Settings, *, name: str, job_path: str
) -> Opened:
    """Make a run ready; leave nothing behind if that fails.

    Raises:
        RunError: If its directory, address or port cannot be had.
        PluginError: If the backend breaks its contract.
        BackendUnavailableError: If it cannot be loaded.
    """
    directory = RunDirectory.create(settings.runs(), name, datetime.now().astimezone())
    try:
        return open_in(
            directory,
            backend,
            settings,
            name=name,
            job_path=job_path,
            token=new_token(),
        )
    except BaseException:
        directory.remove()
        raise


def open_in(
    directory: RunDirectory,
    backend: InstalledBackend,
    settings: Settings,
    *,
    name: str,
    job_path: str,
    token: str,
    resumable: bool = False,
) -> Opened:
    """Make a run ready in a directory that is there.

    Args:
        directory: The directory.
        backend: What starts its runners.
        settings: What they say counts.
        name: The run's name.
        job_path: Directory from which the jobs' modules can be imported.
        token: The run's token.
        resumable: Whether another process may go on with it.

    Raises:
        RunError: If its address or port cannot be had.
        PluginError: If the backend breaks its contract.
        BackendUnavailableError: If it cannot be loaded.
    """
    context = _context(directory, backend.info.name, settings, name, token)
    with contextlib.ExitStack() as undo:
        run_plugins = _started(backend, context, undo)
        with context.desk.visit(Purpose.CAPABILITIES):
            capabilities = run_plugins.capabilities()
        keys = _fresh_keys() if capabilities.reach is Reach.NETWORK else None
        socket = listen(directory, settings, keys)
        undo.callback(socket.close, 0.0)
        bulk = _carry(settings, keys, token) if keys else None
        if bulk is not None:
            undo.callback(bulk.close)
        evidence = Evidence.secret()
        told = ConnectionFile(
            server_public_key=keys.server_public_key if keys else None,
            client_public_key=keys.client_public_key if keys else None,
            client_secret_key=keys.client_secret_key if keys else None,
            addresses=socket.addresses,
            token=token,
            backend=backend.info.name,
            backend_factory=backend.info.factory,
            max_frame_bytes=settings.max_message_bytes,
            resumable=resumable,
            memory=evidence.reference.hex(),
            bulk=bulk.addresses if bulk else (),
        )
        durable = resumable or keys is not None
        told.write(directory.connection_file, replace=resumable, durable=durable)
        launch = _launch(directory, settings, socket.addresses[0], job_path, name)
        undo.pop_all()
    return Opened(
        token=token,
        directory=directory,
        socket=socket,
        plugins=run_plugins,
        capabilities=capabilities,
        launch=launch,
        backend=backend.info.name,
        evidence=evidence,
        bulk=bulk,
    )


def _context(
    directory: RunDirectory, backend: str, settings: Settings, name: str, token: str
) -> RunContext:
    return RunContext(
        token=token,
        name=name,
        directory=directory.path,
        logs=directory.logs,
        options=settings.backends.get(backend, {}),
        desk=_desk(backend, settings),
    )


def _started(
    backend: InstalledBackend, context: RunContext, undo: contextlib.ExitStack
) -> RunPlugins:
    """Return the backend, which may begin with what takes a while."""
    run_plugins = plugins.RunPlugins(
        backend.create(),
        context,
        name=backend.info.name,
        wrappers=plugins.installed().wrappers(),
    )
    undo.callback(run_plugins.close)
    run_plugins.open()
    return run_plugins


def _launch(
    directory: RunDirectory, settings: Settings, home: str, job_path: str, name: str
) -> Launch:
    """Return how runners of a run are started."""
    from gridmap.monitor.errands import Launch  # noqa: PLC0415 - see above

    return Launch(
        command=runner_command(settings, home, job_path),
        environment={connection.VARIABLE: str(directory.connection_file)},
        directory=working_directory(),
        name=safe_name(name),
    )


def _fresh_keys() -> RunKeys:
    from gridmap.transport.zeromq.keys import RunKeys  # noqa: PLC0415 - see above

    return RunKeys.fresh()


def _desk(backend: str, settings: Settings) -> Desk:
    """Return the desk of a run; where it cannot be shared, one for itself."""
    meeting: place.Place | None = None
    try:
        meeting = place.of_user()
    except OSError as error:
        _log.warning(
            "queries to the scheduler are not shared with your other runs: %s", error
        )
    return Desk(backend=backend, budget=settings.query_budget, place=meeting)


def listen(
    directory: RunDirectory, settings: Settings, keys: RunKeys | None
) -> MonitorSocket:
    """Open the socket of a run.

    Args:
        directory: The run's directory.
        settings: What they say of interface, host, ports and runners counts.
        keys: Its keys; None for runners on this machine only.

    Raises:
        RunError: If this host has no address a node could reach, or no port is free.
        InvalidSettingError: If there is no such interface or host.
    """
    limits = _limits(settings)
    if keys is None:
        from gridmap.transport.unix.monitor import (  # noqa: PLC0415 - see above
            UnixMonitorSocket,
        )

        return UnixMonitorSocket(directory.path, limits=limits)
    from gridmap.transport.addresses import (  # noqa: PLC0415 - only between hosts
        choose_endpoints,
        only_here,
    )
    from gridmap.transport.zeromq.router import RouterSocket  # noqa: PLC0415 - see above

    endpoints = choose_endpoints(interface=settings.interface, host=settings.host)
    if only_here(endpoint.offer for endpoint in endpoints):
        _log.warning(
            "nodes are told to connect to %s, which only this machine can reach: unless "
            "all nodes are this machine, no runner will be heard of; the settings "
            "interface=%r and host=%r say so",
            ", ".join(endpoint.offer for endpoint in endpoints),
            settings.interface,
            settings.host,
        )
    return RouterSocket.tcp(
        endpoints,
        keys,
        port_range=_ports(settings),
        limits=limits,
        expected_peers=max(settings.max_workers or 0, MOST_WORKERS),
    )


def _carry(settings: Settings, keys: RunKeys, token: str) -> BulkServer:
    """Open the ports at which large frames are fetched and brought."""
    from gridmap.transport.addresses import (  # noqa: PLC0415 - see above
        choose_endpoints,
    )
    from gridmap.transport.bulk.requests import secret  # noqa: PLC0415 - see above
    from gridmap.transport.bulk.server import BulkServer  # noqa: PLC0415 - see above

    return BulkServer(
        choose_endpoints(interface=settings.interface, host=settings.host),
        secret(keys.client_secret_key, token),
        _limits(settings),
        _ports(settings),
    )


def _limits(settings: Settings) -> Limits:
    from gridmap.transport.limits import Limits  # noqa: PLC0415 - see above

    return Limits(
        large_bytes=settings.max_message_bytes,
        message_bytes=connection.MESSAGE_PER_FRAME * settings.max_message_bytes,
        message_frames=65_536,
    )


def _ports(settings: Settings) -> PortRange | None:
    span = settings.port_range
    if span is None:
        return None
    from gridmap.transport.addresses import PortRange  # noqa: PLC0415 - see above

    return PortRange(first=span[0], last=span[1])


def runner_command(settings: Settings, home: str, job_path: str) -> tuple[str, ...]:
    """Return the command that starts a runner.

    Args:
        settings: One may name the nodes' interpreter.
        home: The monitor's address.
        job_path: Directory from which the jobs' modules can be imported.
    """
    python = settings.python or sys.executable
    if not python:
        msg = "this Python does not know its own path; name one with the setting python"
        raise GridMapError(msg)
    return (python, "-m", "gridmap.runner", home, job_path or "-")


def safe_name(name: str) -> str:
    """Return a name every scheduler takes: see `gridmap.backend.Batch`."""
    text = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")
    if not text or not text[0].isalpha():
        text = f"g{text}"
    return text[:_NAME_LENGTH]
