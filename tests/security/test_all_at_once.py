"""A run under all attacks at once, from other processes, comes to its right end."""

from pathlib import Path

import pytest
from tests.security import attackers, loopback
from tests.security.besieged import siege

JOBS = 400


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_under_every_attack_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them go on from before its jobs may begin until each has its result."""
    monkeypatch.setenv(loopback.ROGUES, "3")
    with siege(tmp_path / "place", jobs=JOBS, runners=3, honest=2) as run:
        prey = attackers.Prey(
            file=run.file,
            path=run.directory / "connection.json",
            handle=run.handle(3),
            recorded=attackers.overheard(run.file),
            pause_s=0.01,
        )
        everything = attackers.all_attacks(prey)
        with attackers.crew(attackers.again_and_again, everything) as crew:
            run.until(lambda: run.counters.strangers > 50, "strangers to be counted")
            run.until(lambda: run.counters.denied, "wrong keys to be denied")
            service = run.service
            run.until(lambda: service._alarm.refused > 10, "nonsense to be refused")
            run.finish()
            assert all(attacker.is_running() for attacker in crew)
    assert set(run.turned_away) >= {
        "connections with a wrong key",
        "connections of strangers",
        "messages that broke the protocol",
    }
