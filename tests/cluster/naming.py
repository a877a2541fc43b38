"""Wrong names: another hosts file over the one that all hosts share, on one of them."""

from pathlib import Path

from .hosts import Host
from .layout import STATE, ClusterError

_TARGET = Path("/etc/hosts")


def _source(host: str) -> Path:
    return STATE / f"hosts-{host}"


def misname(host: str, name: str, address: str) -> None:
    """Let *host* believe that *name* has another address."""
    mend(host)
    lines = (STATE / "hosts").read_text().splitlines()
    others = [line for line in lines if name not in line.split()[1:]]
    source = _source(host)
    source.write_text("\n".join([*others, f"{address} {name}", ""]))
    source.chmod(0o644)
    _run(host, "mount", "--bind", str(source), str(_TARGET))


def mend(host: str) -> None:
    """Take the wrong names away again; idempotent."""
    if _source(host).exists():
        if Host(host).init() is not None:
            mounted = f"grep -q '{_source(host).name} {_TARGET} ' /proc/self/mountinfo"
            _run(host, "sh", "-c", f"if {mounted}; then umount {_TARGET}; fi")
        _source(host).unlink()


def _run(host: str, *argv: str) -> None:
    status = Host(host).start(argv).wait()
    if status != 0:
        msg = f"{' '.join(argv)} on {host} ended with status {status}"
        raise ClusterError(msg)
