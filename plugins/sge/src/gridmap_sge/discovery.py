"""Finding Grid Engine on this machine: cell, programs, libdrmaa and its preload.

Looks at files and the environment only: no process is started and nobody is asked
over the network. Whether the master answers is `doctor`'s business.

Where things lie, as seen: Debian (8.1.9) has ``SGE_ROOT=/var/lib/gridengine``, real
programs in ``$SGE_ROOT/bin/lx-amd64`` and slower wrappers of them in ``/usr/bin``
(0.1 s for finding out the architecture each time), and libdrmaa in
``/usr/lib/gridengine-drmaa/lib``, where no loader looks. A classic installation has
``$SGE_ROOT/bin/ARCH`` and ``$SGE_ROOT/lib/ARCH``.
"""

from __future__ import annotations

import importlib.util
import mmap
import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import Availability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOTS: Final = (
    "/var/lib/gridengine",
    "/usr/share/gridengine",
    "/opt/sge",
    "/opt/gridengine",
    "/opt/uge",
    "/opt/ocs",
    "/opt/sge6",
    "/usr/local/sge",
    "/gridware/sge",
    "/cm/shared/apps/sge/current",
)
"""Where Grid Engine usually is when ``SGE_ROOT`` does not say."""

PROGRAMS: Final = ("qstat", "qdel", "qsub", "qacct", "qconf", "qmod", "qalter")
NEEDED: Final = ("qstat", "qdel")

PREFERENCE: Final = 20
PREFERENCE_QSUB: Final = 15
"""The same without DRMAA: it works, with less to say about deaths."""

_ALLOCATOR: Final = re.compile(rb"\0(lib(?:je|tc)malloc[\w-]*\.so[.\d]*)\0")
_MACHINES: Final = {
    "x86_64": ("amd64", "x64"),
    "aarch64": ("arm64", "aarch64"),
    "i686": ("x86",),
}


@attrs.frozen(kw_only=True)
class Installation:
    """What was found.

    Attributes:
        root: ``SGE_ROOT``; None if there is no cell anywhere.
        cell: ``SGE_CELL``.
        master: Host of the master, as the cell names it.
        programs: Name to path, for those of `PROGRAMS` that there are.
        library: libdrmaa; None if there is none.
        preload: Libraries to be loaded before it.
        obstacles: Why DRMAA cannot be used, each with its remedy; empty if it can.
    """

    root: Path | None = None
    cell: str = "default"
    master: str = ""
    programs: Mapping[str, str] = attrs.field(factory=dict)
    library: Path | None = None
    preload: tuple[Path, ...] = ()
    obstacles: tuple[str, ...] = ()

    @property
    def drmaa(self) -> bool:
        """Whether jobs can be submitted over DRMAA."""
        return self.library is not None and not self.obstacles

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for Grid Engine's programs: English, and of this cell."""
        mine = {"SGE_CELL": self.cell, "LC_ALL": "C", "LANGUAGE": ""}
        if self.root is not None:
            mine["SGE_ROOT"] = str(self.root)
        return {**environ, **mine}

    def drmaa_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for the process that holds DRMAA."""
        preload = [str(path) for path in self.preload]
        if already := environ.get("LD_PRELOAD"):
            preload.append(already)
        mine = {"DRMAA_LIBRARY_PATH": str(self.library), "PYTHONUTF8": "1"}
        if preload:
            mine["LD_PRELOAD"] = ":".join(preload)
        return {**self.environment(environ), **mine}


def find(environ: Mapping[str, str] = os.environ) -> Installation:
    """Look for Grid Engine; cheap, and never fails.

    Args:
        environ: ``SGE_ROOT``, ``SGE_CELL``, ``PATH`` and ``DRMAA_LIBRARY_PATH`` are
            obeyed where they are set.
    """
    found = _find_cell(environ)
    if found is None:
        return Installation()
    root, cell, master = found
    programs = {
        name: path
        for name in PROGRAMS
        if (path := _find_program(name, root, environ)) is not None
    }
    library = _find_library(root, environ)
    preload: tuple[Path, ...] = ()
    obstacles = []
    if library is None:
        obstacles.append(
            "libdrmaa was not found: install it (Debian: apt install "
            "gridengine-drmaa1.0) or set DRMAA_LIBRARY_PATH to it"
        )
    else:
        preload, missing = _find_preload(library, root, environ)
        obstacles += [
            f"{library} needs {name}, which was not found: install it"
            for name in missing
        ]
    if importlib.util.find_spec("drmaa") is None:
        obstacles.append("the Python package drmaa is missing: pip install drmaa")
    return Installation(
        root=root,
        cell=cell,
        master=master,
        programs=programs,
        library=library,
        preload=preload,
        obstacles=tuple(obstacles),
    )


def available() -> Availability:
    """Say whether this machine can use Grid Engine; no process, a few milliseconds."""
    return judge(find())


def judge(found: Installation) -> Availability:
    """Return what an installation is good for."""
    if found.root is None:
        return Availability(
            usable=False,
            reason="no Grid Engine cell was found: set SGE_ROOT and SGE_CELL (source the "
            "cell's common/settings.sh) on a submit host; Debian's client is the "
            "package gridengine-client",
        )
    lacking = [name for name in NEEDED if name not in found.programs]
    if lacking:
        return Availability(
            usable=False,
            reason=f"the cell {found.cell!r} is in {found.root}, but there is no "
            f"{' or '.join(lacking)}: put Grid Engine's programs on PATH (Debian: "
            "apt install gridengine-client)",
        )
    where = f"cell {found.cell!r} of {found.root}, master {found.master}"
    if found.drmaa:
        return Availability(
            usable=True,
            reason=f"{where}, DRMAA: {found.library}",
            preference=PREFERENCE,
        )
    why = "; ".join(found.obstacles)
    if "qsub" in found.programs:
        return Availability(
            usable=True,
            reason=f"{where}, submitting with qsub, without DRMAA: {why}",
            preference=PREFERENCE_QSUB,
        )
    return Availability(
        usable=False, reason=f"{where}, but there is no qsub, and {why}"
    )


def _find_cell(environ: Mapping[str, str]) -> tuple[Path, str, str] | None:
    given = environ.get("SGE_ROOT")
    for root in [given] if given else ROOTS:
        for cell in _cells(Path(root), environ.get("SGE_CELL")):
            try:
                text = (Path(root) / cell / "common" / "act_qmaster").read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if text.strip():
                return Path(root), cell, text.split()[0]
    return None


def _cells(root: Path, given: str | None) -> list[str]:
    if given:
        return [given]
    try:
        others = sorted(p.parent.parent.name for p in root.glob("*/common/act_qmaster"))
    except OSError:
        others = []
    return ["default", *(name for name in others if name != "default")]


def _architectures(folder: Path) -> list[Path]:
    """Return the subfolders for this machine's architecture, likeliest first."""
    machine = platform.machine()
    ends = _MACHINES.get(machine, (machine,))
    try:
        folders = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in folders if path.name.endswith(ends)]


def _find_program(name: str, root: Path, environ: Mapping[str, str]) -> str | None:
    if arch := environ.get("SGE_ARCH"):
        own = [root / "bin" / arch]
    else:
        own = _architectures(root / "bin")
    # The cell's own come first: on PATH there may be another scheduler's namesakes.
    search = os.pathsep.join([*map(str, own), environ.get("PATH", os.defpath)])
    return shutil.which(name, path=search)


def _find_library(root: Path, environ: Mapping[str, str]) -> Path | None:
    if given := environ.get("DRMAA_LIBRARY_PATH"):
        return Path(given) if Path(given).is_file() else None
    folders = [
        *_architectures(root / "lib"),
        Path("/usr/lib/gridengine-drmaa/lib"),
        *_library_folders(root, environ),
    ]
    for folder in folders:
        for name in ("libdrmaa.so.1.0", "libdrmaa.so.1", "libdrmaa.so"):
            if (folder / name).is_file():
                return folder / name
    return None


def _find_preload(
    library: Path, root: Path, environ: Mapping[str, str]
) -> tuple[tuple[Path, ...], list[str]]:
    """Return the allocators *library* names that can be found, and those that cannot."""
    found, missing = [], []
    for name in _allocators(library):
        paths = (folder / name for folder in _library_folders(root, environ))
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            missing.append(name)
        else:
            found.append(path)
    return tuple(found), missing


def _allocators(library: Path) -> list[str]:
    """Return names of memory allocators in the library's table of needed libraries.

    They are searched as texts, which costs a millisecond; ldd would be a process.
    """
    try:
        with (
            library.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            names = {match[1].decode() for match in _ALLOCATOR.finditer(data)}
    except (OSError, ValueError):
        return []
    return sorted(names)


def _library_folders(root: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders in which this machine's loader looks, without asking it."""
    texts: Iterable[str] = environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    yield from (Path(text) for text in texts if text)
    yield from _architectures(root / "lib")
    triplet = f"{platform.machine()}-linux-gnu"
    for text in ("/usr/lib", "/lib"):
        yield Path(text) / triplet
    for text in ("/usr/lib64", "/lib64", "/usr/local/lib64", "/usr/local/lib"):
        yield Path(text)
    yield from (Path("/usr/lib"), Path("/lib"))
    for file in sorted(Path("/etc/ld.so.conf.d").glob("*.conf")):
        try:
            lines = file.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        yield from (Path(line.strip()) for line in lines if line.startswith("/"))
