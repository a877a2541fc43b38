"""Heartbeats tell what a job really uses, while it runs."""

import time

from gridmap import grid_map
from gridmap.events import AnyEvent, RunnerVitals


def burn(seconds: float) -> int:
    """Compute for a while, holding memory."""
    held = bytearray(48 << 20)
    end = time.process_time() + seconds
    while time.process_time() < end:
        held[0] ^= 1
    return len(held)


def test_heartbeats_show_what_a_job_uses() -> None:
    """Processor time, memory, which job, and for how long it has been running."""
    seen: list[AnyEvent] = []
    grid_map(
        burn,
        [0.7],
        backend="local",
        progress=seen.append,
        settings={"heartbeat_interval": 0.1},
    )
    beats = [event for event in seen if isinstance(event, RunnerVitals)]
    busy = [beat for beat in beats if beat.job == 0]
    assert busy
    assert max(beat.cpu_s for beat in busy) > 0.3
    assert max(beat.rss for beat in busy) > 48 << 20
    assert max(beat.running_s for beat in busy) > 0.3
    assert [beat.cpu_s for beat in beats] == sorted(beat.cpu_s for beat in beats)
