"""Run the whole suite, on real clusters where they can be had: this is `make test`.

Usage: ``python3 tests/suite.py [--clean] [PYTEST ARGUMENTS]``

The checkout is copied to a directory under /var/tmp that every user can read, beside
a virtual environment of the distribution's own Python: jobs on the clusters belong to
an ordinary user, to whom a clone below root's home is closed. There pytest runs, as
that user and on the clusters' head node. The environment is kept between runs for as
long as the requirements stay the same.

Clusters need root on Debian. Elsewhere the tests that need one are skipped and say
why; where ``CI=true``, that is an error instead. ``CLUSTERS`` names the ones wanted
(``"sge slurm oar"``).

Only the standard library is used: this runs before anything is installed.
"""

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
AREA = Path("/var/tmp")  # noqa: S108 - ours alone is checked in `own_directory`
USER = "gmtest"
WHOLE = ["tests"]
INSTANCE = "GRIDMAP_CLUSTER_INSTANCE"
HANDED_ON = ("--env=CI", "--env=GRIDMAP_FAULT_RECORDS")
CLUSTERS = os.environ.get("CLUSTERS", "sge slurm oar").split()
CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def main(arguments: Sequence[str]) -> int:
    """Prepare, run pytest with *arguments*, tidy up; return pytest's exit status."""
    place = AREA / f"gridmap-test-{os.getuid()}-{digest(str(ROOT))[:12]}"
    if "--clean" in arguments:
        shutil.rmtree(place, ignore_errors=True)
        return 0
    obstacle = why_no_clusters()
    if obstacle and CI:
        sys.exit(f"CI=true, and the clusters cannot be had: {obstacle}")
    if obstacle:
        say(f"no clusters: {obstacle}")
    else:
        cluster("install", "base", "spooler", "containers") or sys.exit(1)
        if "oar" in CLUSTERS and not cluster("install", "oar"):
            if CI:
                sys.exit(1)
            say("no OAR: its packages cannot be installed")
            CLUSTERS.remove("oar")
        # Without one its tests are skipped; where CI=true, they fail.
        if not cluster("install", "browser"):
            say("no Chromium, in which the dashboard is tried")
    own_directory(place)
    checkout = stage(place / "checkout")
    # Below root's home a Python is of no use to the clusters' user; Debian's is.
    base = sys.executable if obstacle else "/usr/bin/python3"
    name = "venv-alone" if obstacle else "venv"
    python = environment(place / name, base, checkout)
    pytest = [str(python), "-m", "pytest"]
    if obstacle:
        os.environ["GRIDMAP_TEST_NO_CLUSTERS"] = f"no clusters: {obstacle}"
        return run([Part([*pytest, *(arguments or WHOLE)])], cwd=checkout)
    whole = list(arguments) in ([], WHOLE)
    parts = split() if whole else [Part(list(arguments))]
    return run_on_clusters(
        [part._replace(command=[*pytest, *part.command]) for part in parts], checkout
    )


class Part(NamedTuple):
    """A part of the tests, which can be run beside the others.

    Attributes:
        command: The program with its arguments, or the arguments alone.
        instance: Which testbed it uses; see tests/cluster/README.md.
        clusters: What has to be up there.
    """

    command: Sequence[str]
    instance: str = os.environ.get(INSTANCE, "")
    clusters: Sequence[str] = CLUSTERS


def split() -> list[Part]:
    """Return the whole suite in parts.

    Tests on clusters wait for most of their time, and break what they stand on: those
    of each scheduler have a pair of clusters of their own. What fails is run once more,
    and told as a rerun, to be looked into: daemons have minutes and moods of their own,
    and a machine that runs three sessions at once has moments in which nothing goes on.
    """
    again = ["--reruns=1", "-rR"]
    own = [os.environ.get(INSTANCE, "") + suffix for suffix in ("", "-2", "-3")]
    pair = [name for name in CLUSTERS if name != "oar"]  # of which tests use both
    parts = [
        Part(
            [*WHOLE, "-m", "cluster", f"--needing={name}", *again],
            instance,
            [name] if name == "oar" else pair,
        )
        for name, instance in zip(CLUSTERS, own, strict=False)
    ]
    return [*parts, Part([*WHOLE, "-m", "not cluster", *again], clusters=[])]


def why_no_clusters() -> str:
    """Return what stands in the way of real clusters, empty if nothing does."""
    if not CLUSTERS:
        return "CLUSTERS is empty"
    if os.getuid() != 0:
        return "they need root: sudo make test"
    if shutil.which("apt-get") is None:
        return "they are made of Debian packages, and this is not Debian"
    namespaces = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork"]
    if (
        subprocess.run(
            [*namespaces, "true"], check=False, stderr=subprocess.DEVNULL
        ).returncode
        != 0
    ):
        return "this container may not make namespaces: start it with --privileged"
    return ""


def own_directory(place: Path) -> None:
    """Make *place*, readable by all; refuse one that somebody else has made."""
    place.mkdir(mode=0o755, exist_ok=True)
    status = place.lstat()
    if place.is_symlink() or status.st_uid != os.getuid():
        sys.exit(f"{place} is not a directory of ours: remove it")
    place.chmod(0o755)


def stage(checkout: Path) -> Path:
    """Copy what git knows or would add to *checkout*, readable by all; return it."""
    shutil.rmtree(checkout, ignore_errors=True)
    for name in files():
        source, target = ROOT / name, checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    for directory in (checkout, *(p for p in checkout.rglob("*") if p.is_dir())):
        directory.chmod(0o755)
    return checkout


def files() -> Iterator[Path]:
    """Yield the files of the checkout that exist, relative to its root."""
    # The clone may belong to another user than root, which git alone would refuse.
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    wanted = ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run([*command, *wanted], capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and (path.is_file() or path.is_symlink()):
            yield Path(name)


def environment(
    venv: Path, base: str, checkout: Path, *, in_place: bool = True
) -> Path:
    """Make *venv* out of *base*; return its Python.

    Args:
        venv: Where.
        base: The interpreter.
        checkout: Whence the members come.
        in_place: Whether they are used where they are; else they are built and
            installed anew each time, as users have them.
    """
    python = venv / "bin" / "python"
    lock = checkout / "requirements" / "test.lock"
    members = [
        checkout / "core" / "pyproject.toml",
        *sorted(checkout.glob("plugins/*/pyproject.toml")),
    ]
    texts = [path.read_text() for path in (lock, *members)]
    key = digest("\0".join([os.path.realpath(base), str(checkout), *texts]))
    stamp = venv / "key"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    fresh = not stamp.is_file() or stamp.read_text() != key
    if fresh:
        say(f"making {venv} and installing what the tests need (about a minute)")
        shutil.rmtree(venv, ignore_errors=True)
        must([base, "-m", "venv", str(venv)], "apt install python3-venv")
        needs = ["--require-hashes", f"--requirement={lock}"]
        must([*pip, "install", *needs], "pip says why")
    if fresh or not in_place:
        # What they need is there, to the last hash: nothing else is fetched for them.
        how = ["--no-deps", "--no-build-isolation", "--use-pep517", "--force-reinstall"]
        kind = "--editable=" if in_place else ""
        places = [f"{kind}{path.parent}" for path in members]
        must([*pip, "install", *how, *places], "pip says why")
    stamp.write_text(key)
    return python


def run_on_clusters(parts: Sequence[Part], checkout: Path) -> int:
    """Run pytest sessions on head nodes as an ordinary user; return the status.

    Clusters that somebody has up already are used, and left up.
    """
    instances = sorted({part.instance for part in parts})
    ours = [name for name in instances if not cluster("status", on=name, quiet=True)]
    try:
        for name in instances:
            of = [part.clusters for part in parts if part.instance == name]
            cluster("up", *itertools.chain(*of), on=name) or sys.exit(1)
        subprocess.run(["chown", "-R", f"{USER}:", str(checkout)], check=True)
        where = ["--host", "head", "--user", USER, "--cwd", str(checkout)]
        names = f"--env=GRIDMAP_TEST_CLUSTERS={' '.join(CLUSTERS)}"
        program = [sys.executable, str(ROOT / "tests" / "cluster"), "run"]
        before = [*program, *where, names, *HANDED_ON, "--"]
        return run([Part([*before, *part.command], part.instance) for part in parts])
    finally:
        for name in ours:
            cluster("down", on=name)


def cluster(*command: str, on: str | None = None, quiet: bool = False) -> bool:
    """Run one command of tests/cluster; return whether it went well."""
    program = [sys.executable, str(ROOT / "tests" / "cluster"), *command]
    output = subprocess.DEVNULL if quiet else None
    around = os.environ if on is None else {**os.environ, INSTANCE: on}
    done = subprocess.run(
        program, check=False, stdout=output, stderr=output, env=around
    )
    return done.returncode == 0


def run(parts: Sequence[Part], cwd: Path = ROOT) -> int:
    """Run programs side by side to their end, come what may; return the worst status.

    The first one prints as it goes; what the others say is printed when it is over.
    Ctrl-C reaches them by itself, being of the same group; a request to end is handed
    on. Either way this process lives on, to tidy up.
    """
    first, *others = parts
    with contextlib.ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in others]
        beside = [
            start(part, cwd, stdout=file, stderr=subprocess.STDOUT)
            for part, file in zip(others, said, strict=True)
        ]
        statuses = wait([start(first, cwd), *beside])
        for file in said:
            file.seek(0)
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return max(status if status >= 0 else 128 - status for status in statuses)


def start(part: Part, cwd: Path, **streams: Any) -> "subprocess.Popen[bytes]":
    """Start a part."""
    around = {**os.environ, INSTANCE: part.instance}
    return subprocess.Popen(part.command, cwd=cwd, env=around, **streams)


def wait(processes: Sequence["subprocess.Popen[bytes]"]) -> list[int]:
    """Wait for processes to end, handing on what asks for their end."""

    def hand_on(number: int, _: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, lambda *_: None)
    return [process.wait() for process in processes]


def must(command: Sequence[str], hint: str) -> None:
    """Run a program; where it fails, end this one with its status."""
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        say(f"failed with status {status}: {' '.join(command)} ({hint})")
        sys.exit(status if status > 0 else 1)


def digest(text: str) -> str:
    """Return a name for *text*."""
    return hashlib.sha256(text.encode()).hexdigest()


def say(text: str) -> None:
    """Tell the person who waits."""
    print(f"==> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
