"""Results that come twice, late, and out of order; and from a runner given up long ago."""

import signal
import sys
from pathlib import Path

import pytest
from tests.backends.conftest import CLUSTERS
from tests.cluster.client import HostName
from tests.faults import deeds, stutter
from tests.faults.conftest import Strike
from tests.sites import Site

from gridmap.testing import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_twice_late_and_out_of_order(
    site: Site, strike: Strike, tmp_path: Path
) -> None:
    """Each result counts once, whatever the line does."""
    python = tmp_path / "python"
    root = Path(stutter.__file__).parents[2]
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} {stutter.__file__} "$@"\n'
    )
    python.chmod(0o755)
    instant = dict.fromkeys(range(20, 160), deeds.nothing)
    struck = strike(site, 160, instant, settings={"python": str(python)})
    struck.check()


# Slurm says to a node that did not hear it only after a minute what it is to end. There
# a cable that is pulled does the same harm.
@pytest.mark.parametrize("cluster_site", CLUSTERS[:1], indirect=True)
def test_a_result_of_one_who_was_given_up(cluster_site: Site, strike: Strike) -> None:
    """A runner that nobody can reach is given up, and then heard after all."""
    site = cluster_site
    struck = strike(
        site,
        20,
        {3: deeds.held_once, 15: deeds.held_to_the_end},
        settings={"silence_limit": 4.0},
    )
    mark = struck.begun(3)
    node: HostName = "n1" if mark.node == "n1" else "n2"
    site.broken = True
    site.cluster.freeze("execd", node)  # so that nobody can end it
    struck.strike(3)
    site.kill(mark.node, mark.runner, signal.SIGSTOP)
    struck.await_failure(3)
    eventually(
        lambda: struck.done(3), within_s=40, what="the second attempt", gap_s=0.05
    )
    struck.let_go()
    eventually(
        lambda: len(struck.done(3)) == 2, within_s=20, what="the first one", gap_s=0.05
    )
    site.kill(mark.node, mark.runner, signal.SIGCONT)
    eventually(
        lambda: (mark.node, mark.runner) not in site.pids(),
        within_s=30,
        what="the end of the runner that was given up",
        gap_s=0.2,
    )
    (struck.place / "end").touch()
    struck.check(retried={3})
