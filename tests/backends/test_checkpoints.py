"""Real schedulers interrupt jobs that can go on, each in its own ways."""

from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap
from tests.sites import Site

from gridmap.errors import JobException
from gridmap.events import JobFailed, RunnersSubmitted, RunnerUp
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SGE = pytest.mark.parametrize(
    "site", [pytest.param("sge", marks=pytest.mark.cluster("sge"))], indirect=True
)
SLURM = pytest.mark.parametrize(
    "site", [pytest.param("slurm", marks=pytest.mark.cluster("slurm"))], indirect=True
)


class Work:
    """One job of pieces, under way.

    Attributes:
        count: How many pieces it has.
        map: The map it belongs to.
    """

    def __init__(
        self, site: Site, place: Path, count: int, seconds: float, **options: Any
    ) -> None:
        self.count = count
        self._place = place
        function = jobs.Pieces(str(place), seconds)
        self.map = BackgroundMap(function, [count], **site.options, **options)

    def await_piece(self, number: int, within_s: float = 60.0) -> None:
        """Wait until so many pieces are done."""
        path = self._place / "pieces"
        eventually(
            lambda: path.exists() and len(path.read_text().splitlines()) >= number,
            within_s=within_s,
            what=f"{number} pieces",
        )

    @property
    def handle(self) -> str:
        """The handle of the first runner."""
        return str(self.map.of(RunnerUp)[0].handle)

    def check(self, cause: Cause, within_s: float = 60.0) -> list[JobFailed]:
        """See that each piece was done once, and return the attempts that ended."""
        result = self.map.wait(within_s)
        assert isinstance(result, list), result
        assert [piece for piece, _ in result[0]] == list(range(self.count))
        failed = self.map.of(JobFailed)
        for event in failed:
            assert event.verdict.cause is cause, event.verdict.explain()
            assert event.verdict.checkpointed, event.verdict.explain()
        # A piece may be written and not yet be counted when the signal comes.
        lines = len((self._place / "pieces").read_text().splitlines())
        assert self.count <= lines <= self.count + len(failed)
        return failed


@SLURM
def test_a_preempted_job_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    """Slurm requeues it in place; its one attempt that is allowed is not spent."""
    work = Work(
        site,
        tmp_path,
        40,
        0.2,
        resources={"cores": 4, "nodes": "n2"},
        settings={"num_resubmits": 0},
    )
    work.await_piece(5)
    urgent = ["--partition=urgent", "-w", "n2", "-c", "4", "--wrap=sleep 2"]
    site.cluster.run("head", ["sbatch", "--output=/dev/null", *urgent], check=True)
    failed = work.check(Cause.PREEMPTED, within_s=90)
    assert len(failed) == 1
    assert "warned by SIGTERM" in failed[0].verdict.explain()
    assert {event.handle for event in work.map.of(RunnerUp)} == {work.handle}
    assert len(work.map.of(RunnersSubmitted)) == 1


@SLURM
@pytest.mark.parametrize(
    ("options", "grace"),
    [({}, 60), ({"signal": "USR2@45"}, 1)],
    ids=["clock", "signal"],
)
def test_a_time_limit_is_no_end(
    site: Site, tmp_path: Path, options: dict[str, str], grace: int
) -> None:
    """The least limit there is, and its own clock or the signal that was asked for.

    Slurm looks at times twice a minute; the signal came up to 30 s after it was due.
    """
    work = Work(
        site,
        tmp_path,
        105,
        0.5,
        resources={"walltime": 60, "options": options},
        settings={"num_resubmits": 10, "checkpoint_grace": grace},
    )
    failed = work.check(Cause.TIME_LIMIT, within_s=150)
    assert failed
    assert ("SIGUSR2" in failed[0].verdict.explain()) is bool(options)


@SGE
def test_a_rescheduled_job_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    """``qmod -rj``: warned, killed, and started again under its own id."""
    work = Work(
        site,
        tmp_path,
        60,
        0.2,
        resources={"options": {"notify": "yes"}},
        settings={"num_resubmits": 0},
    )
    work.await_piece(5)
    site.cluster.admin(["qmod", "-rj", work.handle])
    failed = work.check(Cause.PREEMPTED)
    assert len(failed) == 1
    assert "warned by SIGUSR2" in failed[0].verdict.explain()
    assert {event.handle for event in work.map.of(RunnerUp)} == {work.handle}


@SGE
def test_a_suspended_job_gives_way(site: Site, tmp_path: Path) -> None:
    """It goes on elsewhere, in another runner, instead of being stopped."""
    work = Work(
        site,
        tmp_path,
        60,
        0.2,
        resources={"options": {"notify": "yes"}},
        settings={"num_resubmits": 0},
    )
    work.await_piece(5)
    site.cluster.admin(["qmod", "-sj", work.handle])
    failed = work.check(Cause.PREEMPTED)
    assert len(failed) == 1
    assert "warned by SIGUSR1" in failed[0].verdict.explain()
    assert len({event.handle for event in work.map.of(RunnerUp)}) == 2


@SGE
def test_a_deleted_job_stays_deleted(site: Site, tmp_path: Path) -> None:
    """It is warned and leaves a checkpoint, and a person's wish counts."""
    work = Work(site, tmp_path, 400, 0.2, resources={"options": {"notify": "yes"}})
    work.await_piece(5)
    site.cancel(work.handle)
    error = work.map.wait(60)
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.KILLED, str(error)
    assert error.verdict.checkpointed
    assert traces.marks(tmp_path, "checkpoint")
    assert len(traces.marks(tmp_path, "job400")) == 1


@SLURM
def test_a_cancelled_job_stays_cancelled(site: Site, tmp_path: Path) -> None:
    """Likewise."""
    work = Work(site, tmp_path, 400, 0.2)
    work.await_piece(5)
    site.cancel(work.handle)
    error = work.map.wait(60)
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.KILLED, str(error)
    assert error.verdict.checkpointed
    assert len(traces.marks(tmp_path, "job400")) == 1


@SGE
def test_a_hard_limit_is_no_end(site: Site, tmp_path: Path) -> None:
    """The job needs more than its ``h_rt``; the runner's clock is all it takes."""
    work = Work(
        site,
        tmp_path,
        100,
        0.2,
        resources={"walltime": 12},
        settings={"num_resubmits": 10},
    )
    assert len(work.check(Cause.TIME_LIMIT, within_s=90)) >= 2


@SGE
def test_a_soft_limit_is_no_end(site: Site, tmp_path: Path) -> None:
    """``s_rt`` sends its signal, and the rest is done by another runner."""
    work = Work(
        site,
        tmp_path,
        60,
        0.2,
        resources={"options": {"resources": "s_rt=6"}},
        settings={"num_resubmits": 10},
    )
    failed = work.check(Cause.TIME_LIMIT, within_s=90)
    assert "warned by SIGUSR1" in failed[0].verdict.explain()
