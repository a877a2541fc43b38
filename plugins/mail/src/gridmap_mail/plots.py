"""Draws a job's memory and processor use: a program, since drawing is no guest's work.

In a process of its own it neither loads matplotlib into the user's, where styles and
threads of the user's may be, nor holds that one's interpreter while it draws. Reads a
`Request` as JSON from standard input, writes a PNG to standard output; no file is made.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

_LEAST_POINTS: Final = 2
_LOOK_S: Final = 0.2
_MISSING: Final = (
    "matplotlib is not installed where the map was started: "
    "pip install 'gridmap-mail[plots]'"
)


class NoPlotsError(Exception):
    """There are no plots; the text says why."""


@attrs.frozen(kw_only=True)
class Request:
    """What is to be drawn.

    Attributes:
        title: What stands above.
        times: Seconds since the job began.
        memory: Bytes held at these times.
        cores: Processors kept busy at these times.
        asked_memory: Bytes asked for; None if nothing was.
    """

    title: str
    times: Sequence[float]
    memory: Sequence[float]
    cores: Sequence[float]
    asked_memory: int | None = None


def draw(request: Request, left_s: Callable[[], float]) -> bytes:
    """Return the plots as a PNG, drawn in another process; blocks.

    Args:
        request: What is to be drawn.
        left_s: Returns how many seconds it may take yet; asked again and again, since
            a run may end meanwhile.

    Raises:
        NoPlotsError: If there are none, for whatever reason.
    """
    if len(request.times) < _LEAST_POINTS:
        msg = "the job ended before its second heartbeat"
        raise NoPlotsError(msg)
    if importlib.util.find_spec("matplotlib") is None:
        raise NoPlotsError(_MISSING)
    try:
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "gridmap_mail.plots"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",  # matplotlib reads a matplotlibrc of the working directory
            start_new_session=True,  # Ctrl-C is for the map
        ) as process:
            drawn, said = _await(process, request, left_s)
    except OSError as error:
        msg = f"they could not be drawn: {error}"
        raise NoPlotsError(msg) from error
    if process.returncode or not drawn.startswith(b"\x89PNG"):
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        msg = f"they could not be drawn: {''.join(last) or 'no picture came back'}"
        raise NoPlotsError(msg)
    return drawn


def _await(
    process: subprocess.Popen[bytes], request: Request, left_s: Callable[[], float]
) -> tuple[bytes, bytes]:
    """Return what the program wrote, if it does so in time; else end it."""
    asked: bytes | None = json.dumps(attrs.asdict(request)).encode()
    while True:
        try:
            return process.communicate(asked, timeout=max(0.0, min(_LOOK_S, left_s())))
        except subprocess.TimeoutExpired:
            asked = None  # it has that already
            if left_s() > 0:
                continue
            process.kill()
            msg = "drawing them took too long"
            raise NoPlotsError(msg) from None


def picture(request: Request) -> bytes:
    """Return the plots as a PNG, drawn here."""
    import matplotlib as mpl  # noqa: PLC0415 - optional, and slow

    mpl.rcdefaults()  # the mail is ours, whatever style the user's files set
    from matplotlib.figure import Figure  # noqa: PLC0415 - likewise

    figure = Figure(figsize=(7.2, 4.6), dpi=110, layout="constrained")
    memory, cores = figure.subplots(2, 1, sharex=True)
    scale, unit = _unit(request.times[-1])
    times = [time / scale for time in request.times]
    _memory(memory, request, times)
    cores.plot(times[1:], request.cores[1:], color="tab:green")
    cores.set_ylim(bottom=0)
    cores.set_ylabel("processors busy")
    cores.set_xlabel(f"time since the job began ({unit})")
    for axes in (memory, cores):
        axes.grid(alpha=0.3)
        axes.set_xlim(left=0)
    figure.suptitle(request.title, parse_math=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _memory(axes: Any, request: Request, times: Sequence[float]) -> None:
    most = max(*request.memory, request.asked_memory or 0)
    size, name = (2**30, "GiB") if most >= 2**30 else (2**20, "MiB")
    held = [amount / size for amount in request.memory]
    axes.plot(times, held, color="tab:blue", label="held")
    axes.fill_between(times, held, color="tab:blue", alpha=0.15)
    if request.asked_memory is not None:
        asked = request.asked_memory / size
        axes.axhline(asked, color="tab:red", linestyle="--", label="asked for")
        axes.legend(loc="lower right")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"memory ({name})")


def _unit(seconds: float) -> tuple[float, str]:
    if seconds >= 2 * 3600:
        return 3600.0, "h"
    return (60.0, "min") if seconds >= 2 * 60 else (1.0, "s")


def main() -> None:
    """Draw what standard input asks for."""
    request = Request(**json.load(sys.stdin))
    sys.stdout.buffer.write(picture(request))


if __name__ == "__main__":
    main()
