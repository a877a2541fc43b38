"""What the doctor looks at on this machine.

Each examination returns checks and may raise: `examine` makes that a failed check too,
so one part that is broken never hides the others. A check that passed and has advice
all the same is a remark.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from gridmap import plugins
from gridmap.backend import INTERFACE, Capabilities, Check, Reach, RunContext
from gridmap.cli.choice import Choice, choose_known
from gridmap.cli.network import addresses, own_name
from gridmap.errors import GridMapError, RunError
from gridmap.resources import format_memory
from gridmap.rundir import RunDirectory
from gridmap.settings import Settings, load_settings
from gridmap.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gridmap.settings import Origins

_NAME: Final = "doctor"
_LEAST_ROOM: Final = 100 * 2**20
_SKEW_S: Final = 5.0
_EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Section:
    """Checks that belong together.

    Attributes:
        title: What they are about.
        checks: The checks.
    """

    title: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all of them are as they should be."""
        return all(check.passed for check in self.checks)


@attrs.define
class Patient:
    """What the examinations learn of one another.

    Attributes:
        named: The backend the user named, if any.
        settings: The settings; the defaults if they cannot be read.
        choice: The backend that is looked at, and why that.
        capabilities: What it says it can do.
        listens: Whether a run could open its socket.
        probe_s: How long a probe may wait to be started.
    """

    named: str | None
    settings: Settings = attrs.field(factory=Settings)
    choice: Choice | None = None
    capabilities: Capabilities | None = None
    listens: bool = False
    probe_s: float = 0.0


def examine(
    named: str | None,
    probe_s: float | None = None,
    probing: Callable[[], None] = lambda: None,
) -> Iterator[Section]:
    """Examine this machine, then a node, a section at a time.

    Args:
        named: The backend to look at; None: that of the settings, else of the last
            run, else the one a map would take.
        probe_s: How long a probe may wait to be started on a node; None sends none.
        probing: Called before it is sent.
    """
    patient = Patient(named)
    yield _section("Python and gridmap", patient, python, settings)
    yield _section("Plugins", patient, broken_plugins)
    yield _section("Backend", patient, backend, backends_own)
    yield _section("Run directory and clock", patient, run_directory)
    yield _section("Addresses", patient, own_name, addresses)
    if probe_s is not None:
        patient.probe_s = probe_s
        if patient.listens:
            probing()
        yield _section("On a node", patient, probe)


def _section(
    title: str,
    patient: Patient,
    *examinations: Callable[[Patient], Sequence[Check]],
) -> Section:
    checks: list[Check] = []
    for examination in examinations:
        try:
            checks += examination(patient)
        except Exception as error:  # noqa: BLE001 - a doctor reports what ails it
            checks.append(_beyond_me(examination.__name__, error))
    return Section(title=title, checks=tuple(checks))


def _beyond_me(examination: str, error: Exception) -> Check:
    """Return the check that says why something could not be looked at."""
    name = examination.replace("_", " ")
    advice = "This is a bug in gridmap or in a plugin: report it, with this output."
    if isinstance(error, GridMapError | OSError):
        advice = "Mend that, and ask again."
    known = isinstance(error, GridMapError)
    found = f"could not be looked at: {error if known else plugins.describe(error)}"
    return Check(name=name, passed=False, found=found, advice=advice)


def python(patient: Patient) -> Sequence[Check]:
    """Look at the interpreter, here and as the settings name it for the nodes."""
    checks = [
        Check(
            name="Python",
            passed=True,
            found=f"{platform.python_version()}, {sys.executable}",
        ),
        Check(
            name="gridmap",
            passed=True,
            found=f"{__version__}, hook interface {INTERFACE}, "
            f"{Path(plugins.__file__).parents[1]}",
        ),
    ]
    del patient
    return checks


def settings(patient: Patient) -> Sequence[Check]:
    """Read the settings, and choose the backend, which they may name."""
    try:
        patient.settings, origins = load_settings()
    except GridMapError as error:
        bad = Check(
            name="settings",
            passed=False,
            found=str(error),
            advice="Every map stops with this error: mend the place it names. What "
            "follows was looked at with the defaults.",
        )
        origins = {}
        checks = [bad]
    else:
        given = sum(origin.place != "default" for origin in origins.values())
        differ = "differs" if given == 1 else "differ"
        found = f"{given or 'none'} of {len(origins)} {differ} from the default"
        checks = [Check(name="settings", passed=True, found=found)]
    node_python = patient.settings.python
    if node_python is not None and not os.access(node_python, os.X_OK):
        checks.append(
            Check(
                name="setting python",
                passed=True,
                found=f"{node_python} is not there on this machine",
                advice="That is as it should be if the nodes have it.",
            )
        )
    return [*checks, *_choice(patient, origins)]


def _choice(patient: Patient, origins: Origins) -> Sequence[Check]:
    """Choose the backend; nothing is said of it if that can be done."""
    try:
        patient.choice = choose_known(patient.named, patient.settings, origins)
    except GridMapError as error:
        bad = Check(
            name="choice of a backend",
            passed=False,
            found=str(error),
            advice="No map can run: mend or install a backend, or name another.",
        )
        return [bad]
    return []


def broken_plugins(patient: Patient) -> Sequence[Check]:
    """Name every plugin that could not be loaded."""
    del patient
    known = plugins.installed()
    sources = sorted({backend.distribution for backend in known.backends})
    return [
        Check(
            name="backends from",
            passed=bool(known.backends),
            found=", ".join(sources) or "none",
            advice="" if known.backends else "Install gridmap-local, say.",
        ),
        *(
            Check(
                name=f"plugin {plugin.name}",
                passed=False,
                found=f"{plugin.distribution} cannot be loaded: {plugin.error}",
                advice="What it offers is missing; all else works. Upgrade it to a "
                "version made for this gridmap, or uninstall it.",
            )
            for plugin in known.broken
        ),
    ]


def backend(patient: Patient) -> Sequence[Check]:
    """Ask whether the backend is usable, load it, and ask what it can do."""
    if patient.choice is None:
        return []
    chosen = patient.choice.backend
    name = chosen.info.name
    availability = chosen.availability()
    checks = [
        Check(
            name=name, passed=True, found=f"{chosen.distribution}, {patient.choice.why}"
        ),
        Check(
            name=f"{name} usable here",
            passed=availability.usable,
            found=availability.reason,
            advice=""
            if availability.usable
            else "Maps on this backend stop with this reason. The others: `gridmap "
            "backends`.",
        ),
    ]
    if availability.usable:
        checks.append(_loaded(patient, chosen))
    return checks


def _loaded(patient: Patient, chosen: plugins.InstalledBackend) -> Check:
    name = f"{chosen.info.name} loads"
    where = patient.settings.runs() / _NAME
    context = RunContext(
        token="0" * 16,
        name=_NAME,
        directory=where,
        logs=where,
        options=patient.settings.backends.get(chosen.info.name, {}),
    )
    try:
        run = plugins.RunPlugins(
            chosen.create(),
            context,
            name=chosen.info.name,
            wrappers=plugins.installed().wrappers(),
        )
        patient.capabilities = capabilities = run.capabilities()
        run.close()
    except GridMapError as error:
        return Check(
            name=name,
            passed=False,
            found=str(error),
            advice="Reinstall the distribution, in a version made for this gridmap.",
        )
    array, fleet = capabilities.largest_array, capabilities.largest_fleet
    where_to = "this machine" if capabilities.reach is Reach.HOST else "other machines"
    return Check(
        name=name,
        passed=True,
        found=f"runners are on {where_to}, {array or 'any number'} a submission, "
        f"{fleet or 'any number'} a run",
    )


def backends_own(patient: Patient) -> Sequence[Check]:
    """Ask every plugin for its checks of the backend."""
    if patient.choice is None:
        return []
    return plugins.installed().doctor(patient.choice.backend.info.name)


def run_directory(patient: Patient) -> Sequence[Check]:
    """Make a run directory, as a run would, write to it, and take it away."""
    base = patient.settings.runs()
    try:
        made = RunDirectory.create(base, _NAME, datetime.now().astimezone())
    except RunError as error:
        advice = "No run can start. Name another with the setting run_directory."
        return [
            Check(name="run directory", passed=False, found=str(error), advice=advice)
        ]
    try:
        return [*_written(patient, base, made), *_clock(made)]
    finally:
        made.remove()


def _written(patient: Patient, base: Path, made: RunDirectory) -> Sequence[Check]:
    free = shutil.disk_usage(made.path).free
    kind = file_system(made.path)
    reach = patient.capabilities.reach if patient.capabilities else Reach.HOST
    advice = ""
    if reach is Reach.NETWORK:
        advice = (
            "The nodes must see this directory under the same path: runners read "
            "address and keys there. If they do not, name one they share with the "
            "setting run_directory."
        )
    return [
        Check(
            name="run directory",
            passed=True,
            found=f"{base} can be written to ({kind})",
            advice=advice,
        ),
        Check(
            name="room in it",
            passed=free > _LEAST_ROOM,
            found=format_memory(free),
            advice=""
            if free > _LEAST_ROOM
            else "Runs keep logs and results there: make room, or name another "
            "directory with the setting run_directory.",
        ),
    ]


def file_system(path: Path) -> str:
    """Return the kind of file system a path is on, such as ``ext4`` or ``nfs4``."""
    import psutil  # noqa: PLC0415 - needed here only

    place = str(path.resolve())
    best, kind = "", "of unknown kind"
    with contextlib.suppress(OSError):
        for mount in psutil.disk_partitions(all=True):
            inside = Path(place).is_relative_to(mount.mountpoint)
            if inside and len(mount.mountpoint) >= len(best):
                best, kind = mount.mountpoint, mount.fstype
    return kind


def _clock(made: RunDirectory) -> Sequence[Check]:
    """Compare the clock with a calendar, and with that of the directory's server."""
    now = datetime.now(tz=UTC)
    probe = made.path / "clock"
    before = time.time()  # noqa: TID251 - the clock is what is looked at
    probe.touch()
    after = time.time()  # noqa: TID251 - likewise
    stamp = probe.stat().st_mtime
    skew = min(stamp - before, 0.0) or max(stamp - after, 0.0)
    sane = _EARLIEST < now < _LATEST
    close = abs(skew) < _SKEW_S
    return [
        Check(
            name="clock",
            passed=sane,
            found=f"{now:%Y-%m-%d %H:%M:%S} UTC",
            advice="" if sane else "This cannot be: set the clock of this machine.",
        ),
        Check(
            name="clock of the run directory's server",
            passed=close,
            found="agrees with this machine's"
            if close
            else f"differs from this machine's by {skew:.0f} s",
            advice=""
            if close
            else "Deadlines would be misjudged: have both set by NTP.",
        ),
    ]


def probe(patient: Patient) -> Sequence[Check]:
    """Send a runner's stand-in to a node, where a run could send runners."""
    if patient.choice is None or not patient.listens:
        advice = "Mend what failed above, and ask again."
        found = "not sent, since no run could start"
        return [Check(name="probe", passed=False, found=found, advice=advice)]
    from gridmap.cli import probe as sending  # noqa: PLC0415 - only if one is sent

    return sending.probe(patient.choice.backend, patient.settings, patient.probe_s)
